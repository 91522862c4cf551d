"""Recipes made to harm whoever loads, prints, draws or inspects with them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attacks.conftest import Room
from attacks.payloads import (
    chunk,
    climbing_zip,
    npy,
    pickled,
    png,
    safetensors,
    torch_zip,
    write,
    zeros,
)
from forged_recipe import read_metadata, sealed
from safetensors.numpy import load_file, save

from res2clip_runtime.recipe import Recipe
from res2clip_runtime.spec import sha256_hex

Tensors = dict[str, np.ndarray]
Metadata = dict[str, Any]


def forged(good: Path, change: Callable[[Tensors, Metadata], object]) -> bytes:
    """Return a recipe after ``change``, every hash as it should be: a hash is no signature."""
    tensors, metadata = load_file(good), read_metadata(good)
    change(tensors, metadata)
    metadata["tensors"] = {name: sha256_hex(v.tobytes()) for name, v in tensors.items()}
    return save(tensors, {"res2clip.recipe": sealed(metadata)})


def header(**tensors: tuple[str, list[int], list[int]]) -> bytes:
    entries = {
        name: {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        for name, (dtype, shape, offsets) in tensors.items()
    }
    return json.dumps({"__metadata__": {"res2clip.recipe": "{}"}, **entries}).encode()


_NO_RECIPES = {
    "pickle": lambda: pickled(),
    "torch file": lambda: torch_zip(pickled()),
    "npy of objects": lambda: npy(pickled()),
    "zip that climbs": lambda: climbing_zip(),
    "header of 8 EiB": lambda: safetensors(b"{}", length=2**63),
    "header of 16 EiB": lambda: safetensors(b"{}", length=2**64 - 1),
    "header longer than the file": lambda: safetensors(b"{}", length=90 << 20),
    "header of 40 MB": lambda: safetensors(b"{}" + b" " * (40 << 20)),
    "overlapping offsets": lambda: safetensors(
        header(a=("F32", [2], [0, 8]), b=("F32", [2], [4, 12])), bytes(12)
    ),
    "negative offsets": lambda: safetensors(header(a=("F32", [2], [-8, 0])), bytes(8)),
    "offsets that end before they begin": lambda: safetensors(
        header(a=("F32", [2], [8, 0])), bytes(8)
    ),
    "offsets behind the end": lambda: safetensors(header(a=("F32", [2], [0, 2**40])), bytes(8)),
    "a hole": lambda: safetensors(header(a=("F32", [1], [4, 8])), bytes(8)),
    "a shape that overflows": lambda: safetensors(
        header(a=("F32", [2**33, 2**33], [0, 8])), bytes(8)
    ),
    "a negative size": lambda: safetensors(header(a=("F32", [-1, -2], [0, 8])), bytes(8)),
    "an unknown type": lambda: safetensors(header(a=("PICKLE", [8], [0, 8])), bytes(8)),
    "a type NumPy lacks": lambda: safetensors(header(a=("BF16", [4], [0, 8])), bytes(8)),
    "a type of 8 bits": lambda: safetensors(header(a=("F8_E4M3", [8], [0, 8])), bytes(8)),
    "a name twice": lambda: safetensors(
        b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},'
        b'"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        bytes(1),
    ),
    "a header nested deeply": lambda: safetensors(b'{"a":' * 90_000 + b"1" + b"}" * 90_000),
}


@pytest.mark.parametrize("attack", _NO_RECIPES)
def test_no_recipe_is_refused(room: Room, tmp_path: Path, attack: str) -> None:
    path = write(tmp_path / "a.recipe.safetensors", _NO_RECIPES[attack]())
    assert "recipe" in room.refuses("recipe", path)


def _metadata(text: str) -> bytes:
    return save({"bank": np.zeros(1)}, {"res2clip.recipe": text})


_METADATA = {
    "depth 60": '{"format_version":' + "[" * 60 + "]" * 60 + "}",
    "depth 900": '{"format_version":' + "[" * 900 + "]" * 900 + "}",
    "depth 100 000": "[" * 100_000 + "]" * 100_000,
    "a key twice": '{"format_version":1,"format_version":2}',
    "NaN": '{"format_version":NaN}',
    "infinity": '{"format_version":-Infinity}',
    "a number that overflows": '{"format_version":1e999}',
    "a number of 5000 digits": '{"format_version":' + "9" * 5000 + "}",
    "a lone surrogate": '{"format_version":1,"product":"\\ud800"}',
}


@pytest.mark.parametrize("attack", _METADATA)
def test_metadata_that_readers_disagree_about_is_refused(
    room: Room, tmp_path: Path, attack: str
) -> None:
    path = write(tmp_path / "a.recipe.safetensors", _metadata(_METADATA[attack]))
    room.refuses("recipe", path)


def test_deep_nesting_in_a_field_that_is_only_kept_is_refused(
    room: Room, tmp_path: Path, washer: Path
) -> None:
    deep: Any = 1
    for _ in range(500):
        deep = [deep]
    path = write(tmp_path / "a", forged(washer, lambda _, m: m.update(extra=deep)))
    assert "nested" in room.refuses("recipe", path)


_PRODUCTS: dict[str, Any] = {
    "10 MB": "x" * 10_000_000,
    "two lines": "washer\nOK  washer",
    "terminal escape": "\x1b]0;owned\x07\x1b[2J",
    "8-bit escape": "\x9b2J",
    "turned writing": "washer\u202egnp.exe",
    "NUL": "a\0b",
    "nothing": "  ",
    "a list": ["washer"],
    "a table": {"a": 1},
    "null": None,
    "a number": 7,
}


@pytest.mark.parametrize("attack", _PRODUCTS)
def test_product_that_is_no_name_is_refused(
    room: Room, tmp_path: Path, washer: Path, no_controls, attack: str
) -> None:
    path = write(tmp_path / "a", forged(washer, lambda _, m: m.update(product=_PRODUCTS[attack])))
    no_controls(room.refuses("recipe", path))


@pytest.mark.parametrize(
    "product",
    ["../../x", "/etc/passwd", "<script>alert(1)</script>", '$(touch "$CANARY")', "{{7*7}}", "CON"],
)
def test_odd_product_is_only_a_name(room: Room, tmp_path: Path, washer: Path, product: str) -> None:
    path = write(tmp_path / "a", forged(washer, lambda _, m: m.update(product=product)))
    outcome = room.open("recipe", path)
    assert outcome.ended == "loaded"
    assert f"product     {product}" in outcome.said


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "\x1b[2J\x1b]52;c;b3duZWQ=\x07", "a\u202eb"]
)
def test_odd_names_in_a_recipe_are_shown_without_effect(
    room: Room, tmp_path: Path, washer: Path, no_controls, name: str
) -> None:
    def rename(_: Tensors, metadata: Metadata) -> None:
        metadata["references"][0]["name"] = name
        metadata["history"].append({"when": name, "what": name})
        metadata["thresholds"][name] = next(iter(metadata["thresholds"].values()))

    outcome = room.open("recipe", write(tmp_path / "a", forged(washer, rename)))
    no_controls(outcome.said)


_EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n(%pipe%touch $CANARY) (w) file\n"
_PNGS = {
    "60000 x 60000": lambda: png(60_000, 60_000),
    "13000 x 13000": lambda: png(13_000, 13_000),
    "5000 x 5000": lambda: png(5000, 5000),
    "1 x 2000000000": lambda: png(1, 2_000_000_000),
    "a colour profile of 2 GB": lambda: png(
        48, 48, chunks=chunk(b"iCCP", b"a\0\0" + zeros(2 << 30))
    ),
    "a text of 2 GB": lambda: png(48, 48, chunks=chunk(b"zTXt", b"a\0\0" + zeros(2 << 30))),
    "half a picture": lambda: png(48, 48)[:60],
    "a script": lambda: b"<svg onload='alert(1)'/>",
    "EPS": lambda: _EPS,
    "pickle": lambda: pickled(),
}


@pytest.mark.parametrize("attack", _PNGS)
def test_reference_that_is_no_small_png_is_refused_when_drawn(
    room: Room, tmp_path: Path, washer: Path, attack: str
) -> None:
    data = np.frombuffer(_PNGS[attack](), np.uint8)
    path = write(tmp_path / "a", forged(washer, lambda t, _: t.update({"reference/0": data})))
    outcome = room.open("recipe", path)
    # Pillow may leave a profile or text out that is too long, and draw the rest.
    assert outcome.ended == "refused" or "2 GB" in attack


def test_thousands_of_references_do_not_make_a_sheet_of_gigabytes(
    room: Room, tmp_path: Path, washer: Path
) -> None:
    count = 20_000

    def multiply(tensors: Tensors, metadata: Metadata) -> None:
        one = tensors["reference/0"][:1]
        for name in [n for n in tensors if n.startswith("reference/")]:
            del tensors[name]
        tensors |= {f"reference/{n}": one for n in range(count)}
        taps, _, width = tensors["bank"].shape
        tensors["bank"] = np.zeros((taps, count, width), np.float16)
        tensors["bank_rho"] = np.zeros(count, np.float32)
        tensors["bank_global"] = np.zeros((count, width), np.float32)
        entry = {**metadata["references"][0], "rows": 1}
        metadata["references"] = [entry] * count

    room.refuses("recipe", write(tmp_path / "a", forged(washer, multiply)))


_BANKS: dict[str, Callable[[Tensors], object]] = {
    "one tap too few": lambda t: t.update(bank=t["bank"][:1]),
    "half the width": lambda t: t.update(
        bank=np.ascontiguousarray(t["bank"][..., ::2]),
        bank_global=np.ascontiguousarray(t["bank_global"][:, ::2]),
    ),
    "no tap": lambda t: t.update(bank=t["bank"][:0]),
    "no width": lambda t: t.update(bank=t["bank"][..., :0], bank_global=t["bank_global"][:, :0]),
}


@pytest.mark.parametrize("attack", _BANKS)
def test_bank_that_does_not_fit_its_encoder_is_refused(
    room: Room, tmp_path: Path, washer: Path, attack: str
) -> None:
    path = write(tmp_path / "a", forged(washer, lambda t, _: _BANKS[attack](t)))
    room.refuses("inspection", path)


@pytest.mark.parametrize("name", ["bank", "bank_rho", "bank_global"])
@pytest.mark.parametrize("value", [0, 1e30, -1e30])
def test_bank_of_impossible_values_is_no_fault(
    room: Room, tmp_path: Path, washer: Path, name: str, value: float
) -> None:
    def fill(tensors: Tensors, _: Metadata) -> None:
        most = float(np.finfo(tensors[name].dtype).max)
        tensors[name] = np.full_like(tensors[name], np.clip(value, -most, most))

    outcome = room.open("inspection", write(tmp_path / "a", forged(washer, fill)))
    assert outcome.ended == "refused" or outcome.said in ("OK", "NG", "ERROR")


def test_recipe_that_is_no_file_is_refused_at_once(room: Room, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "zero", "loop", "folder"):
        room.refuses("recipe", tmp_path / name)


def test_the_recipe_that_is_forged_is_good_itself(room: Room, washer: Path) -> None:
    assert room.open("recipe", washer).ended == "loaded"
    assert room.open("inspection", washer).said == "OK"
    assert Recipe.load(washer).product == "washer"
