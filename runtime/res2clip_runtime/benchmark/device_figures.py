"""What the CUDA device says of a call: its own clock, and its memory."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from res2clip_runtime.cuda import CudaDevice

__all__ = ["cuda_device", "device_figures"]


def cuda_device(stages: object) -> CudaDevice | None:
    """Return the device whose stream the stages work on, if they have one of ours."""
    found = getattr(stages, "device", None)
    return found if isinstance(found, CudaDevice) else None


def device_figures(
    device: CudaDevice, call: Callable[[], object], *, runs: int
) -> dict[str, float]:
    """Return ``device_ms`` and ``gpu_peak_mb`` of a call that ends with the stream idle.

    ``device_ms`` is the median between two CUDA events on the stream, around the whole call: copies
    between host and device are inside.  ``gpu_peak_mb`` is the memory in use on the device at most
    after a run, engines and other processes included.

    Args:
        device: what the call works on.
        call: already warmed up.
        runs: how often it is timed.
    """
    times, used = [], [_used_mb(device)]
    for _ in range(runs):
        times.append(device.time_ms(lambda: _discard(call)))
        used.append(_used_mb(device))
    return {"device_ms": round(median(times), 3), "gpu_peak_mb": round(max(used), 1)}


def _discard(call: Callable[[], object]) -> None:
    call()


def _used_mb(device: CudaDevice) -> float:
    with device.working("asking for the memory in use"):
        free, total = device.driver.mem_get_info()
    return (int(total) - int(free)) / 1e6
