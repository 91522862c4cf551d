"""The NVIDIA driver and its GPUs, asked of the driver itself."""

from __future__ import annotations

from res2clip_runtime.cuda.nvidia_driver import DRIVER, Gpu, ask_driver
from res2clip_runtime.doctor.check import Check, Status

__all__ = ["check_nvidia"]


def check_nvidia(driver: str = DRIVER) -> list[Check]:
    """Return every GPU that the driver lists, or why there is none."""
    said = ask_driver(driver)
    if said.problem:
        return [_none(said.problem)]
    return [_gpu(gpu, ordinal, said.cuda) for ordinal, gpu in enumerate(said.gpus)]


def _gpu(gpu: Gpu, ordinal: int, cuda: str) -> Check:
    if gpu.error:
        return _none(f"GPU {ordinal} does not answer (error {gpu.error})")
    detail = f"{gpu}, driver up to CUDA {cuda}"
    return Check(name=f"GPU {ordinal}", status=Status.OK, detail=detail)


def _none(detail: str) -> Check:
    return Check(
        name="NVIDIA GPU",
        status=Status.WARN,
        detail=detail,
        remedy="see docs/deploy-pc.md to use one, or leave it",
    )
