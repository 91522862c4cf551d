"""``res2clip check-onnx``: would TensorRT take this graph?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from res2clip_export.onnx_check import OnnxVerdict

__all__ = ["check_onnx"]


def check_onnx(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="ONNX files.")],
    rules_only: Annotated[
        bool, typer.Option("--rules-only", help="Leave TensorRT's real parser out.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a file.")] = False,
) -> None:
    """Say whether TensorRT takes ONNX files, and why not, on a machine without a GPU.

    **Examples**

        res2clip check-onnx bundles/mini/encoder.onnx

        res2clip check-onnx *.onnx --json

    Where TensorRT for RTX is installed (pip install 'res2clip[rtx]'), its real parser and builder
    judge, in a process of their own; elsewhere static rules do, which may be stricter.

    **Exit code** 0: all are accepted. 1: one is refused, or is no ONNX model.
    """
    from res2clip_export.onnx_check import check_onnx as judge

    refused = False
    for path in files:
        verdict = judge(path, rules_only=rules_only)
        refused |= not verdict.accepted
        typer.echo(json.dumps(verdict.to_json()) if as_json else _text(verdict))
    raise typer.Exit(1 if refused else 0)


def _text(verdict: OnnxVerdict) -> str:
    word = "accepted" if verdict.accepted else "refused"
    lines = [f"{verdict.file}: {word} by {verdict.judge}"]
    lines += [f"  {reason}" for reason in verdict.reasons]
    lines += [f"  rule: {rule}" for rule in verdict.rules if rule not in verdict.reasons]
    return "\n".join(lines)
