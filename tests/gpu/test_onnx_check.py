"""``check-onnx``: the static rules beside TensorRT's real parser and builder (RTX, no GPU)."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from res2clip.cli.app import app
from res2clip_export.onnx_check import check_onnx

needs_rtx = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx_bindings") is None,
    reason="TensorRT for RTX is not installed; `make` installs it on x86_64",
)


def value(name: str, shape: list, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name: str, array: np.ndarray) -> onnx.TensorProto:
    return numpy_helper.from_array(array, name)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A graph and what is said of it."""

    nodes: list[onnx.NodeProto]
    inputs: list[onnx.ValueInfoProto]
    outputs: list[onnx.ValueInfoProto]
    constants: list[onnx.TensorProto] = field(default_factory=list)
    domain: str = ""
    reason: str = ""
    """Words of the static rules; empty: nothing is wrong."""


def topk(k: int, reason: str = "") -> Case:
    return Case(
        nodes=[helper.make_node("TopK", ["x", "k"], ["y", "i"])],
        inputs=[value("x", [2, 8000])],
        outputs=[value("y", [2, k]), value("i", [2, k], TensorProto.INT64)],
        constants=[constant("k", np.array([k], np.int64))],
        reason=reason,
    )


def resize(reason: str = "", **attributes: object) -> Case:
    return Case(
        nodes=[helper.make_node("Resize", ["x", "", "", "s"], ["y"], mode="linear", **attributes)],
        inputs=[value("x", [1, 3, 32, 32])],
        outputs=[value("y", [1, 3, 24, 24])],
        constants=[constant("s", np.array([1, 3, 24, 24], np.int64))],
        reason=reason,
    )


def quantised(zero: np.ndarray, reason: str = "") -> Case:
    return Case(
        nodes=[
            helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
            helper.make_node("MatMul", ["d", "w"], ["y"]),
        ],
        inputs=[value("x", ["B", 64])],
        outputs=[value("y", ["B", 64])],
        constants=[
            constant("s", np.array(0.02, np.float32)),
            constant("z", zero),
            constant("w", np.ones((64, 64), np.float32)),
        ],
        reason=reason,
    )


def unary(node: str, *, kind: int = TensorProto.FLOAT, reason: str = "", domain: str = "") -> Case:
    return Case(
        nodes=[helper.make_node(node, ["x"], ["y"], domain=domain)],
        inputs=[value("x", [8], kind)],
        outputs=[value("y", [8], kind)],
        domain=domain,
        reason=reason,
    )


CASES: dict[str, Case] = {
    "a small TopK": topk(5),
    "the largest TopK": topk(3840),
    "a TopK that is too large": topk(3841, "at most 3840"),
    "a linear Resize": resize(),
    "a Resize with antialias": resize("antialias", antialias=1),
    "symmetric int8": quantised(np.array(0, np.int8)),
    "asymmetric int8": quantised(np.array(3, np.int8), "not symmetric"),
    "asymmetric uint8": quantised(np.array(128, np.uint8), "not symmetric"),
    "an operator of a custom domain": unary(
        "KnnScore", domain="ai.anomaly", reason="domain 'ai.anomaly' needs a plugin"
    ),
    "NonZero": Case(
        nodes=[helper.make_node("NonZero", ["x"], ["y"])],
        inputs=[value("x", [2, 8])],
        outputs=[value("y", [2, "n"], TensorProto.INT64)],
        reason="NonZero is not supported",
    ),
    "Unique": Case(
        nodes=[helper.make_node("Unique", ["x"], ["y"])],
        inputs=[value("x", [8])],
        outputs=[value("y", ["n"])],
        reason="Unique is not supported",
    ),
    "mixed types": Case(
        nodes=[
            helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
            helper.make_node("Add", ["h", "x"], ["y"]),
        ],
        inputs=[value("x", [8])],
        outputs=[value("y", [8])],
        reason="Add mixes float16 and float32",
    ),
    "types cast explicitly": Case(
        nodes=[
            helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
            helper.make_node("Add", ["h", "h"], ["s"]),
            helper.make_node("Cast", ["s"], ["y"], to=TensorProto.FLOAT),
        ],
        inputs=[value("x", [8])],
        outputs=[value("y", [8])],
    ),
    "bytes that are transposed first": Case(
        nodes=[
            helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0]),
            helper.make_node("Cast", ["t"], ["y"], to=TensorProto.FLOAT),
        ],
        inputs=[value("x", ["B", 8], TensorProto.UINT8)],
        outputs=[value("y", [8, "B"])],
        reason="Transpose is the first operator on a uint8 input",
    ),
    "bytes that are cast first": Case(
        nodes=[helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)],
        inputs=[value("x", ["B", 8], TensorProto.UINT8)],
        outputs=[value("y", ["B", 8])],
    ),
}


@pytest.fixture
def file_of(tmp_path: Path) -> Callable[[str], Path]:
    def write(name: str) -> Path:
        case = CASES[name]
        graph = helper.make_graph(case.nodes, "g", case.inputs, case.outputs, case.constants)
        domains = {"": 18, **({case.domain: 1} if case.domain else {})}
        opsets = [helper.make_opsetid(domain, version) for domain, version in domains.items()]
        path = tmp_path / "graph.onnx"
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
        return path

    return write


@pytest.mark.parametrize("name", CASES)
def test_the_static_rules_name_the_reason(file_of, name):
    verdict = check_onnx(file_of(name), rules_only=True)
    assert verdict.judge == "static rules"
    assert verdict.accepted == (not CASES[name].reason)
    assert CASES[name].reason in " ".join(verdict.reasons)


@needs_rtx
@pytest.mark.parametrize("name", CASES)
def test_the_real_parser_and_builder_agree(file_of, name):
    verdict = check_onnx(file_of(name))
    assert verdict.judge.startswith("TensorRT for RTX 1.")
    assert verdict.accepted == (not CASES[name].reason), verdict.reasons
    assert all(len(reason) > 20 for reason in verdict.reasons)


def test_the_command_refuses_with_the_reason_and_exit_code_1(file_of):
    path = str(file_of("a Resize with antialias"))
    done = CliRunner().invoke(app, ["check-onnx", path, "--rules-only"])
    assert done.exit_code == 1
    assert "refused by static rules\n  Resize with antialias" in done.stdout
    said = json.loads(
        CliRunner().invoke(app, ["check-onnx", path, "--rules-only", "--json"]).stdout
    )
    assert said["accepted"] is False
    assert said["reasons"] == ["Resize with antialias is not supported"]


@pytest.mark.parametrize(
    ("content", "expected"), [(None, "there is no file"), (b"no protobuf", "is no ONNX model")]
)
def test_what_is_no_model_is_one_line(tmp_path, content, expected):
    path = tmp_path / "graph.onnx"
    if content is not None:
        path.write_bytes(content)
    done = CliRunner().invoke(app, ["check-onnx", str(path)])
    assert done.exit_code == 1
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1
