"""``doctor``: what works on this machine; shared with ``res2clip doctor``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import typer

from res2clip_runtime.doctor import Check, Status, diagnose

__all__ = ["KERNELS_HELP", "checks_text", "doctor", "run_doctor"]

KERNELS_HELP = "Compile the CUDA kernels, compare them with NumPy and time them; needs a GPU."


def doctor(
    kernels: Annotated[bool, typer.Option("--kernels", help=KERNELS_HELP)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say what works on this machine, what is missing, and the command that installs it.

    **Exit code** 1 if something required is missing, or a kernel answers wrongly, else 0.
    """
    raise typer.Exit(run_doctor(kernels=kernels, as_json=as_json))


def run_doctor(*, extra_checks: Sequence[Check] = (), kernels: bool = False, as_json: bool) -> int:
    """Print the runtime's checks and then ``extra_checks``; return the exit code."""
    checks = [*diagnose(), *extra_checks]
    if kernels:
        from res2clip_runtime.doctor.kernels import check_kernels

        checks += check_kernels()
    if as_json:
        typer.echo(json.dumps([check.to_json() for check in checks], ensure_ascii=False))
    else:
        typer.echo(checks_text(checks))
    return 1 if any(check.status in (Status.MISSING, Status.WRONG) for check in checks) else 0


def checks_text(checks: Sequence[Check]) -> str:
    """Return one line a check, with the remedy below where there is one."""
    width = max((len(check.name) for check in checks), default=0)
    lines = []
    for check in checks:
        lines.append(f"{check.status.value:<8}{check.name:<{width}}  {check.detail}")
        if check.remedy:
            lines.append(f"{'':<8}{'':<{width}}  -> {check.remedy}")
    return "\n".join(lines)
