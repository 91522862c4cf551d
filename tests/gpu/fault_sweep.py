"""Lets every call that a scenario makes of the driver fail once, each in a run of its own."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Callable

from gpu.fake_cuda import LAUNCH_FAILED, OUT_OF_MEMORY, FakeDriver
from res2clip_runtime.errors import BackendError

__all__ = ["fault_sweep"]

_ALLOCATING = ("cuMemAlloc_v2", "cuMemHostAlloc", "cuMemAllocHost_v2")
_LETTING_GO = ("Free", "Destroy", "Pop")
"""What could not be freed stays, and what the driver then says is all that can be done."""


def fault_sweep(scenario: Callable[[], object]) -> dict[str, list[str]]:
    """Return, for every function of the driver, what its failures came to.

    ``ours``: our error, and all that was held is freed.  ``fine``: the scenario did not mind.
    Everything else is a defect and says what happened.  The scenario opens and closes what it
    needs; its first run here is without a fault.
    """
    fake = FakeDriver()
    scenario()
    before = {name: fake.calls(name) for name in fake.called()}
    scenario()
    counts = {name: fake.calls(name) - before.get(name, 0) for name in fake.called()}
    quiet = fake.live()
    outcomes = {
        name: [_outcome(scenario, fake, name, nth, quiet) for nth in range(1, count + 1)]
        for name, count in sorted(counts.items())
        if count
    }
    _pop_left_contexts(fake)
    return outcomes


def _outcome(
    scenario: Callable[[], object], fake: FakeDriver, name: str, nth: int, quiet: dict[str, int]
) -> str:
    letting_go = any(part in name for part in _LETTING_GO)
    if name in _ALLOCATING:
        fake.fail(name, OUT_OF_MEMORY, nth=nth, times=2)
    else:
        fake.fail(name, LAUNCH_FAILED, nth=nth)
    try:
        scenario()
        said = "fine"
    except BackendError:
        said = "ours"
    except Exception as err:
        return f"{type(err).__name__}: {err}"
    finally:
        fake.forgive(name)  # a call that did not come must not fail in the next run
    gc.collect()  # the error's traceback holds what failed, in a cycle
    alive = fake.live()
    if alive != quiet:
        quiet.clear()
        quiet.update(alive)  # what the next fault is judged by
        if not letting_go:
            return f"{said}, but alive: {alive}"
    return said


def _pop_left_contexts(fake: FakeDriver) -> None:
    """Pop what failed to be popped: pycuda ends the process with an abort otherwise."""
    import pycuda.driver as cuda

    with contextlib.suppress(cuda.Error):
        while True:  # until pycuda's stack is empty; the driver's must not be before
            fake.library.cuCtxPushCurrent_v2(ctypes.c_void_p(1))
            cuda.Context.pop()
