"""Would TensorRT take an ONNX file? Its real parser and builder say so where they are installed."""

from __future__ import annotations

import dataclasses
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from res2clip_export.parser_rules import parser_problems
from res2clip_runtime.errors import ArtefactError, ArtefactNotFoundError, BackendError
from res2clip_runtime.tensorrt import EngineJob
from res2clip_runtime.tensorrt.isolated_build import build_in_process
from res2clip_runtime.tensorrt.library import MODULES, RTX, load_library

__all__ = ["OnnxVerdict", "check_onnx"]

RULES = "static rules"
_TRIED = {"B": 2, "N": 64}
"""Largest sizes of the free axes that are built for; the smallest is 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxVerdict:
    """What became of one file."""

    file: str
    """Its path."""
    accepted: bool
    """Whether TensorRT takes it."""
    judge: str
    """Who says so: TensorRT for RTX with its release, or ``static rules``."""
    reasons: tuple[str, ...]
    """Why not."""
    rules: tuple[str, ...]
    """What the static rules object to; they may be stricter than the judge."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return dataclasses.asdict(self)


def check_onnx(
    path: str | Path, *, architecture: str = "sm86", rules_only: bool = False
) -> OnnxVerdict:
    """Return whether TensorRT takes an ONNX file, and why not.

    Args:
        path: the file.
        architecture: what the real builder builds for.
        rules_only: whether to leave the real parser out.

    Raises:
        ArtefactNotFoundError: there is no such file.
        ArtefactError: it is no ONNX model.
    """
    path = Path(path)
    model = _loaded(path)
    rules = tuple(parser_problems(model, path.parent))
    judge, reasons = RULES, rules
    if not rules_only and _rtx_is_installed():
        judge = f"TensorRT for RTX {load_library(RTX).version}"
        reasons = _real_problems(path, model, architecture)
    return OnnxVerdict(
        file=str(path), accepted=not reasons, judge=judge, reasons=reasons, rules=rules
    )


def _loaded(path: Path) -> onnx.ModelProto:
    if not path.is_file():
        raise ArtefactNotFoundError(f"there is no file {path}; give an ONNX file")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as err:  # protobuf's errors share no public base class
        raise ArtefactError(f"{path} is no ONNX model ({err}); export it again") from err
    if not model.graph.node:
        raise ArtefactError(f"{path} is no ONNX model, or an empty one; export it again")
    return model


def _rtx_is_installed() -> bool:
    return any(importlib.util.find_spec(name) for name in MODULES[RTX])


def _real_problems(path: Path, model: onnx.ModelProto, architecture: str) -> tuple[str, ...]:
    job = EngineJob(
        stage=path.stem,
        onnx=str(path),
        onnx_sha256="",
        inputs=tuple((value.name, _shape(value)) for value in _inputs(model)),
        precision="fp32",
        max_batch=_TRIED["B"],
        max_references=_TRIED["N"],
        usual_references=_TRIED["N"],
        workspace_mib=2048,
    )
    try:
        build_in_process(job, architecture)
    except BackendError as err:
        return (str(err),)
    return ()


def _inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    constants = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in constants]


def _shape(value: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    """Return the sizes; every free axis that is not N counts as a batch."""
    return tuple(
        axis.dim_value if axis.HasField("dim_value") else ("N" if axis.dim_param == "N" else "B")
        for axis in value.type.tensor_type.shape.dim
    )
