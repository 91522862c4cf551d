"""Bundles made to harm whoever loads them, and models that want more than a model may."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attacks.conftest import Room
from attacks.payloads import climbing_zip, pickled, png
from safetensors.numpy import load_file, save

from res2clip_runtime.storage import file_sha256


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_bundle, tmp_path / "bundle")


def change(bundle: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    path = bundle / "manifest.json"
    values = json.loads(path.read_text())
    edit(values)
    path.write_text(json.dumps(values))
    return bundle


def put(bundle: Path, name: str, data: bytes) -> Path:
    """Replace a file, and its hash with it: a hash is no signature."""
    (bundle / name).unlink(missing_ok=True)
    (bundle / name).write_bytes(data)
    entry = {"sha256": file_sha256(bundle / name), "bytes": len(data)}
    return change(bundle, lambda values: values["files"].update({name: entry}))


_OUTSIDE = ["../secret", "/etc/passwd", "a/b", "..", ".", "", "a\n", "~/x", "a\0b", "x" * 300,
            ".hidden", "\x1b[2J", "C:\\x", "$(touch $CANARY)"]  # fmt: skip


@pytest.mark.parametrize("name", _OUTSIDE)
def test_file_outside_the_bundle_is_refused(room: Room, copy: Path, no_controls, name: str) -> None:
    (copy.parent / "secret").write_text("secret")
    entry = {"sha256": file_sha256(copy.parent / "secret"), "bytes": 6}
    change(copy, lambda values: values["files"].update({name: entry}))
    said = room.refuses("bundle", copy)
    assert "outside itself" in said
    no_controls(said)


@pytest.mark.parametrize("name", [*_OUTSIDE, ["encoder.onnx"], {"a": 1}, None, 3])
def test_stage_outside_the_bundle_is_refused(room: Room, copy: Path, name: Any) -> None:
    change(copy, lambda values: values["stages"]["encoder"].update(file=name))
    room.refuses("bundle", copy)


_METHODS: dict[str, Any] = {
    "huge picture": {"image_size_px": 8_000_000},
    "no picture": {"image_size_px": 0},
    "negative picture": {"image_size_px": -48},
    "text for a size": {"image_size_px": "48"},
    "true for a size": {"image_size_px": True},
    "half a pixel": {"image_size_px": 48.5},
    "no patch": {"patch_size_px": 0},
    "huge width": {"embed_dim": 2**40},
    "no taps": {"taps": []},
    "taps of text": {"taps": ["x"]},
    "a number for taps": {"taps": 3},
    "a list for an id": {"encoder_id": []},
    "gamma overflows": {"gamma": 1e400},
    "gamma of text": {"gamma": "x"},
    "unknown": {"run": "touch $CANARY"},
}


@pytest.mark.parametrize("attack", _METHODS)
def test_impossible_method_is_refused(room: Room, copy: Path, attack: str) -> None:
    change(copy, lambda values: values["method"].update(_METHODS[attack]))
    room.refuses("bundle", copy)


_FIELDS: dict[str, Any] = {
    "created": [],
    "name": "\x1b]0;owned\x07",
    "heads": {"a": 1},
    "versions": [],
    "parity": 5,
    "files": [],
    "stages": None,
    "backbone": "x",
    "preprocessing": {"mode": "square", "exec": "x"},
    "format_version": 1e300,
    "more": 1,
}


@pytest.mark.parametrize("field", _FIELDS)
def test_field_of_another_kind_is_refused(room: Room, copy: Path, field: str) -> None:
    change(copy, lambda values: values.update({field: _FIELDS[field]}))
    room.refuses("bundle", copy)


_MANIFESTS = {
    "depth 60": '{"format_version":1,"parity":' + "[" * 60 + "]" * 60 + "}",
    "depth 100 000": '{"a":' * 100_000,
    "a key twice": '{"format_version":1,"format_version":1}',
    "NaN": '{"format_version":NaN}',
    "10 MB": '{"a":"' + "x" * 10_000_000 + '"}',
    "pickle": pickled().decode("latin-1"),
    "zip": climbing_zip().decode("latin-1"),
}


@pytest.mark.parametrize("attack", _MANIFESTS)
def test_text_that_is_no_manifest_is_refused(room: Room, copy: Path, attack: str) -> None:
    (copy / "manifest.json").write_text(_MANIFESTS[attack])
    assert "manifest" in room.refuses("bundle", copy)


def test_file_that_is_no_file_is_refused_at_once(room: Room, copy: Path) -> None:
    stage = copy / "encoder.onnx"
    stage.unlink()
    for make in (
        lambda: os.mkfifo(stage),
        lambda: stage.symlink_to("/dev/zero"),
        lambda: stage.symlink_to("encoder.onnx"),
        lambda: stage.symlink_to("/etc/passwd"),
    ):
        make()
        room.refuses("bundle", copy)
        stage.unlink()


def test_zip_is_no_bundle(room: Room, tmp_path: Path) -> None:
    (tmp_path / "bundle.zip").write_bytes(climbing_zip())
    room.refuses("bundle", tmp_path / "bundle.zip")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bundle.zip"]
    assert not Path("/tmp/res2clip-canary").exists()


def _graph(onnx: Any, nodes: list[Any], *, more: list[Any] | None = None, **fields: Any) -> bytes:
    """Return an encoder of one picture that does whatever ``nodes`` do; 'x' is its input."""
    helper, kind = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [helper.make_node("Cast", ["image_u8"], ["x"], to=kind.FLOAT), *nodes],
        "encoder",
        [helper.make_tensor_value_info("image_u8", kind.UINT8, ["B", 48, 48, 3])],
        [helper.make_tensor_value_info("y", kind.FLOAT, None)],
        more or [],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("evil.domain", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10, **fields)
    return bytes(model.SerializeToString())


def _external(onnx: Any, place: str) -> bytes:
    tensor = onnx.TensorProto(
        name="w", data_type=1, dims=[1], data_location=onnx.TensorProto.EXTERNAL
    )
    tensor.external_data.add(key="location", value=place)
    node = onnx.helper.make_node("Add", ["x", "w"], ["y"])
    return _graph(onnx, [node], more=[tensor])


@pytest.mark.parametrize("way", ["model", "openvino"])
@pytest.mark.parametrize(
    "place", ["../secret", "sub/../../secret", "/etc/passwd", "/dev/zero", "link", "pipe", "gone"]
)
def test_weights_outside_the_bundle_are_refused(
    room: Room, copy: Path, way: str, place: str
) -> None:
    onnx = pytest.importorskip("onnx", reason="makes the hostile graphs")
    if way == "openvino":
        pytest.importorskip("openvino", reason="the other engine")
    (copy.parent / "secret").write_bytes(bytes(4))
    (copy / "link").symlink_to("../secret")
    (copy / "sub").mkdir()
    os.mkfifo(copy / "pipe")
    put(copy, "encoder.onnx", _external(onnx, place))
    assert room.refuses(way, copy)


def _nested(onnx: Any, depth: int) -> bytes:
    """An If in an If in an If ..., each of which a recursive reader descends into."""
    helper, kind = onnx.helper, onnx.TensorProto
    condition = helper.make_tensor("c", kind.BOOL, [], [True])
    value = helper.make_tensor_value_info("y", kind.FLOAT, None)
    inner = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [], [value])
    for _ in range(depth):
        node = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
        inner = helper.make_graph([node], "g", [], [value])
        if inner.ByteSize() > 1 << 20:
            break
    return _graph(onnx, list(inner.node), more=[condition])


def _filled(onnx: Any) -> bytes:
    helper, kind = onnx.helper, onnx.TensorProto
    shape = helper.make_tensor("s", kind.INT64, [3], [100_000, 100_000, 100_000])
    one = helper.make_tensor("v", kind.FLOAT, [1], [1.0])
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["z"], value=one),
        helper.make_node("ReduceSum", ["z"], ["y"]),
    ]
    return _graph(onnx, nodes, more=[shape])


def _recursive(onnx: Any) -> bytes:
    helper = onnx.helper
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("evil.domain", 1)]
    calls_itself = helper.make_node("F", ["a"], ["b"], domain="evil.domain")
    function = helper.make_function("evil.domain", "F", ["a"], ["b"], [calls_itself], opsets)
    node = helper.make_node("F", ["x"], ["y"], domain="evil.domain")
    return _graph(onnx, [node], functions=[function])


def _huge(onnx: Any) -> bytes:
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[2**31, 2**31, 2**31])
    return _graph(onnx, [onnx.helper.make_node("Add", ["x", "w"], ["y"])], more=[tensor])


def _foreign(onnx: Any) -> bytes:
    make = onnx.helper.make_node
    return _graph(onnx, [make("\x1b[2JRun", ["x"], ["y"], domain="evil.domain", path="/tmp/a.so")])


_MODELS: dict[str, Callable[[Any], bytes]] = {
    "operator of a foreign library": _foreign,
    "function that calls itself": _recursive,
    "nested branches": lambda onnx: _nested(onnx, 9),
    "constant of petabytes": _filled,
    "weights of a shape that overflows": _huge,
    "wrong inputs": lambda onnx: _graph(onnx, [onnx.helper.make_node("Relu", ["x"], ["y"])]),
    "pickle": lambda _: pickled(),
    "nothing": lambda _: b"",
    "zip": lambda _: climbing_zip(),
    "bytes that never end a number": lambda _: b"\xff" * 5000,
}


@pytest.mark.parametrize("attack", _MODELS)
def test_graph_that_is_no_encoder_is_refused(room: Room, copy: Path, attack: str) -> None:
    onnx = pytest.importorskip("onnx", reason="makes the hostile graphs")
    put(copy, "encoder.onnx", _MODELS[attack](onnx))
    room.refuses("model", copy)


_SAMPLES: dict[str, Callable[[dict[str, np.ndarray]], object]] = {
    "picture bomb": lambda t: t.update({"picture/0": np.frombuffer(png(60_000, 60_000), "u1")}),
    "EPS": lambda t: t.update({"picture/0": np.frombuffer(b"%!PS-Adobe-3.0 EPSF-3.0\n", "u1")}),
    "no picture": lambda t: t.pop("picture/0"),
}


@pytest.mark.parametrize("attack", _SAMPLES)
def test_parity_samples_that_are_bombs_are_refused(
    room: Room, tiny_bundle: Path, tmp_path: Path, attack: str
) -> None:
    tensors = load_file(tiny_bundle / "parity_samples.safetensors")
    _SAMPLES[attack](tensors)
    about = {"format_version": 1, "kind": "drawn", "pictures": 6, "threshold": 1}
    head = {"res2clip.parity_samples": json.dumps(about)}
    path = tmp_path / "parity_samples.safetensors"
    path.write_bytes(save(tensors, head))
    room.refuses("samples", path)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 500 + "1" + "}" * 500, "[]", "null", '{"stage":1}', "x" * 3_000_000],
)
def test_damaged_sidecar_of_an_engine_counts_as_none(room: Room, tmp_path: Path, text: str) -> None:
    (tmp_path / "encoder.json").write_text(text)
    assert room.open("sidecar", tmp_path / "encoder.json").said == "None"


def test_the_bundle_that_is_forged_is_good_itself(room: Room, copy: Path) -> None:
    assert room.open("model", copy).ended == "loaded"
