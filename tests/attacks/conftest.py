"""A room for hostile files, and a canary that would show if one of them ran."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from drawn_parts import draw_part

from res2clip_runtime.bundle import Bundle
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.safe_text import has_controls

_TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Outcome:
    ended: str
    """loaded, refused, escaped (another error than ours), or how the child died."""
    said: str
    error: str
    deeds: list[str]


class Room:
    """Opens files as the product does, each in a child of its own."""

    def __init__(self, folder: Path, *groups: str) -> None:
        search = os.pathsep.join([str(_TESTS), *(path for path in sys.path if path)])
        self.canary = folder / "canary"
        self._process = subprocess.Popen(
            [sys.executable, str(_TESTS / "attacks" / "room.py"), *groups],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": search, "OPENBLAS_NUM_THREADS": "1",
                 "OMP_NUM_THREADS": "1", "CANARY": str(self.canary), "HF_HUB_OFFLINE": "1"},
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "READY\n"

    def open(self, way: str, path: Path) -> Outcome:
        """Open a file, and check what holds for every file: nothing ran, nothing was written."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"way": way, "path": str(path)}), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        outcome = Outcome(answer["ended"], answer["said"], answer.get("error", ""), answer["deeds"])
        assert outcome.deeds == []
        assert not self.canary.exists(), "the file ran code"
        assert outcome.ended in ("loaded", "refused"), outcome
        return outcome

    def refuses(self, way: str, path: Path) -> str:
        """Open a file that must be refused in one clear sentence; return it."""
        outcome = self.open(way, path)
        assert outcome.ended == "refused", outcome
        assert 20 < len(outcome.said) < 2000, "a message is a sentence or two"
        return outcome.said

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


@pytest.fixture(scope="session")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    room = Room(tmp_path_factory.mktemp("room"), "runtime")
    yield room
    room.close()


@pytest.fixture(scope="session")
def torch_room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    pytest.importorskip("torch", reason="weights are read with torch, which is not installed")
    room = Room(tmp_path_factory.mktemp("torch-room"), "torch")
    yield room
    room.close()


@pytest.fixture(scope="session")
def tiny_bundle() -> Path:
    return _TESTS / "runtime" / "data" / "tiny_bundle"


@pytest.fixture(scope="session")
def washer(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good recipe, to be forged."""
    path = tmp_path_factory.mktemp("good") / "washer.recipe.safetensors"
    with Inspector(Bundle.load(tiny_bundle), threads=1) as inspector:
        inspector.teach([draw_part(seed) for seed in range(3)], product="washer").save(path)
    return path


@pytest.fixture
def no_controls():
    """Check that a text can be shown on a terminal."""

    def check(text: str) -> None:
        assert not has_controls(text.replace("\n", " ")), repr(text)

    return check
