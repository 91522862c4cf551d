"""``res2clip doctor``: the runtime's checks and what training, export and scoring archives need."""

from __future__ import annotations

from typing import Annotated

import typer

from res2clip_runtime.cli.doctor import KERNELS_HELP, run_doctor
from res2clip_runtime.doctor import Check, Status
from res2clip_runtime.doctor.packages import check_package

__all__ = ["doctor"]


def doctor(
    kernels: Annotated[bool, typer.Option("--kernels", help=KERNELS_HELP)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say what works on this machine, what is missing, and the command that installs it.

    **Exit code** 1 if something that inspecting needs is missing, or a kernel answers wrongly,
    else 0.
    """
    raise typer.Exit(run_doctor(extra_checks=_further_checks(), kernels=kernels, as_json=as_json))


def _further_checks() -> list[Check]:
    train, export = "pip install 'res2clip[train]'", "pip install 'res2clip[export]'"
    archive, ray = "pip install 'res2clip[archive]'", "pip install 'res2clip[ray]'"
    checks = [
        check_package("torch", purpose="teach and export", remedy=train, required=False),
        check_package(
            "open_clip_torch",
            module="open_clip",
            purpose="backbones and text",
            remedy=train,
            required=False,
        ),
        check_package("onnx", purpose="export", remedy=export, required=False),
        check_package("onnxscript", purpose="export", remedy=export, required=False),
        check_package("pyarrow", purpose="score", remedy=archive, required=False),
        check_package("ray", purpose="score --ray", remedy=ray, required=False),
    ]
    if checks[0].status is Status.OK:
        checks.append(_device_check())
    return checks


def _device_check() -> Check:
    """Return whether torch can compute on a GPU, by computing on it."""
    import torch

    if not torch.cuda.is_available():
        return Check(name="torch device", status=Status.OK, detail="CPU only")
    name = torch.cuda.get_device_name()
    try:
        torch.ones(1, device="cuda").add_(1).item()
    except RuntimeError as err:
        return Check(
            name="torch device",
            status=Status.WARN,
            detail=f"{name} found but unusable: {err}",
            remedy="check the driver with nvidia-smi",
        )
    return Check(name="torch device", status=Status.OK, detail=name)
