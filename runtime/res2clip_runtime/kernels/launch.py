"""What is to run on the device, decided without touching it.

A plan is a tuple of launches in order.  Who runs it (pycuda on a GPU, the tests' host shim on a
CPU) only needs to turn an argument into what the driver wants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

__all__ = ["Buffer", "Launch", "ceil_divide", "null"]

Buffer: TypeAlias = Any
"""Memory on the device that runs the plan; a launch only passes it on."""


@dataclass(frozen=True, slots=True)
class Launch:
    """One kernel with its arguments."""

    kernel: str
    """Name of the function in ``csrc/``."""
    grid: tuple[int, int, int]
    """Blocks in x, y and z."""
    threads: int
    """Threads of a block."""
    arguments: tuple[Any, ...]
    """Buffers, NumPy scalars and structures, in the kernel's order."""


def ceil_divide(amount: int, size: int) -> int:
    """Return how many pieces of ``size`` cover ``amount``."""
    return -(-amount // size)


def null() -> np.uintp:
    """Return the argument that a kernel reads as "no such buffer"."""
    return np.uintp(0)
