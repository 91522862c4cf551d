"""``res2clip verify``: does a bundle answer like PyTorch on this machine and engine?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from res2clip_runtime.cli.bundle_choice import BackendOption
from res2clip_runtime.cli.engine_progress import with_engines

if TYPE_CHECKING:
    from res2clip_runtime.parity.report import ParityReport

__all__ = ["verify"]


def verify(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle's folder.")],
    backend: BackendOption = "onnxruntime",
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of the engine; default: its own choice.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The whole report as JSON.")] = False,
) -> None:
    """Compare a bundle, as this machine computes it, with PyTorch's answers recorded at its export.

    **Examples**

        res2clip verify bundles/mini-192px-fp16

        res2clip verify bundles/mini-192px-fp16 --backend onnxruntime-cuda --json

    Needs no torch. The limits are those of the bundle's precision; outside them the exit code is 1.
    """
    from res2clip_runtime.bundle import Bundle
    from res2clip_runtime.parity.verification import verify_bundle

    loaded = with_engines(Bundle.load(bundle), backend)
    report = verify_bundle(loaded, backend=backend, threads=threads)
    typer.echo(json.dumps(report.to_json()) if as_json else _text(report))
    report.require(f"{bundle} does not answer like PyTorch on {backend}")


def _text(report: ParityReport) -> str:
    felt = report.felt
    lines = [f"engine   {report.backend}: {report.arithmetic}"]
    lines += [
        f"{c.stage:8} {c.output:28} cosine {c.cosine:.7f}, largest difference {c.max_abs:.1e}"
        for c in report.comparisons
    ]
    lines += [
        f"verdicts {felt.verdicts_changed} of {felt.verdicts} changed; scores moved by up to "
        f"{felt.score_change:.2%} of the good/bad gap; rank correlation "
        f"{_figure(felt.rank_correlation, '.3f')}",
        f"figures  I-AUROC {_figure(felt.i_auroc_points, '+.2f')}, "
        f"P-AP {_figure(felt.p_ap_points, '+.2f')} points",
        f"judged   by {'verdicts and cosines' if felt.judged else 'cosines alone'}: {felt.why}",
        "result   " + ("outside the limits" if report.failures else "inside the limits"),
    ]
    return "\n".join(lines)


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
