"""Checkpoints that are programs, or claim to be larger than they are."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attacks.conftest import Room
from attacks.payloads import COMMAND, climbing_zip, npy, pickled, torch_zip, write


def script(data: bytes, *, storage: bytes = b"", name: str = "0") -> bytes:
    """Return a TorchScript archive around any pickle."""
    more = {"archive/code/a.py": b"import os\nos.system('touch $CANARY')\n",
            "archive/constants.pkl": pickle.dumps(()), f"archive/data/{name}": storage}  # fmt: skip
    return torch_zip(data, extra=more)


def calls(module: str, name: str, *arguments: object) -> bytes:
    """Return a pickle that calls ``module.name``."""

    def text(value: object) -> bytes:
        return pickle.dumps(value, protocol=0)[:-1]

    inside = b"".join(map(text, arguments))
    return f"c{module}\n{name}\n".encode() + b"(" + inside + b"tR."


def bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
        archive.writestr("archive/version", "3\n")
        with archive.open("archive/data/0", "w", force_zip64=True) as entry:
            for _ in range(300):
                entry.write(bytes(1 << 20))
    return buffer.getvalue()


def stretched() -> bytes:
    import torch

    buffer = io.BytesIO()
    tensor = torch.zeros(1).expand(1_000_000, 1_000_000)
    torch.save({"visual.conv1.weight": tensor}, buffer)
    return buffer.getvalue()


def meta() -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save({"visual.conv1.weight": torch.empty(10**12, device="meta")}, buffer)
    return buffer.getvalue()


def sparse() -> bytes:
    import torch

    buffer = io.BytesIO()
    tensor = torch.sparse_coo_tensor([[0]], [1.0], (10**14,), check_invariants=False)
    torch.save({"visual.conv1.weight": tensor}, buffer)
    return buffer.getvalue()


def braid(depth: int) -> bytes:
    """Modules of modules: each holds the next twice, so there are 2^depth ways to the last."""
    data = b"c__torch__\nM\n)\x81}b."  # the last: an empty module
    parts = [b"\x80\x02c__torch__\nM\n)\x81q\x00"]
    for level in range(depth):
        inner = f"h{chr(level)}".encode("latin-1")
        parts.append(
            b"0c__torch__\nM\n)\x81}(X\x01\0\0\0a" + inner + b"X\x01\0\0\0b" + inner
            + b"ub" + f"q{chr(level + 1)}".encode("latin-1")
        )  # fmt: skip
    del data
    return b"".join(parts) + b"."


_ATTACKS: dict[str, Callable[[], bytes]] = {
    "pickle": pickled,
    "pickle in a torch file": lambda: torch_zip(pickled()),
    "system": lambda: torch_zip(calls("os", "system", COMMAND)),
    "eval": lambda: torch_zip(
        calls("builtins", "eval", "__import__('os').system('touch $CANARY')")
    ),
    "getattr": lambda: torch_zip(calls("builtins", "getattr", "a", "b")),
    "TorchScript: system": lambda: script(calls("posix", "system", COMMAND)),
    "TorchScript: eval": lambda: script(calls("builtins", "eval", "1")),
    "TorchScript: a module of torch": lambda: script(calls("torch.serialization", "load", "x")),
    "TorchScript: no root": lambda: script(pickle.dumps(OrderedDict())),
    "TorchScript: storage outside": lambda: script(
        b"c__torch__\nM\n)\x81}(X\x01\0\0\0a(X\x07\0\0\0storagectorch\nFloatStorage\n"
        b"X\x0b\0\0\0../../../aX\x03\0\0\0cpuK\x01tQub."
    ),
    "zip bomb": bomb,
    "one number as a trillion": stretched,
    "numbers that are nowhere": meta,
    "sparse": sparse,
    "zip that climbs": climbing_zip,
    "npy of objects": lambda: npy(pickled()),
    "nothing": lambda: b"",
}


@pytest.mark.parametrize("attack", _ATTACKS)
@pytest.mark.parametrize("way", ["weights", "heads"])
def test_hostile_checkpoint_is_refused(
    torch_room: Room, tmp_path: Path, attack: str, way: str
) -> None:
    path = write(tmp_path / "clip.pt", _ATTACKS[attack]())
    outcome = torch_room.open(way, path)
    assert outcome.ended == "refused" or outcome.said == "[]"


@pytest.mark.parametrize("way", ["weights", "heads"])
def test_pickle_called_safetensors_is_refused(torch_room: Room, tmp_path: Path, way: str) -> None:
    torch_room.refuses(way, write(tmp_path / "clip.safetensors", pickled()))


def test_modules_that_share_modules_take_no_time(torch_room: Room, tmp_path: Path) -> None:
    """Followed every way, 100 levels would take longer than the universe is old."""
    outcome = torch_room.open("weights", write(tmp_path / "clip.pt", script(braid(100))))
    assert outcome.said == "[]"


def test_the_payload_would_run_where_pickle_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise every test here would pass with a payload that does nothing."""
    monkeypatch.setenv("CANARY", str(tmp_path / "canary"))
    loaded: Any = pickle.loads(pickled())
    assert loaded == {"visual.conv1.weight": 0}
    assert (tmp_path / "canary").exists()
    assert os.environ["CANARY"]
