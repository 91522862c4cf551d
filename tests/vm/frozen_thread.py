"""Freezes the one thread of a process that computes in the engine, until the process has ended.

    python -m vm.frozen_thread PID

A model that hangs, as when a GPU's driver never returns: the other threads go on. Done with ptrace,
by which a debugger stops a thread; only root may.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from pathlib import Path

_CONT, _SEIZE, _INTERRUPT = 7, 0x4206, 0x4207
_ALL_THREADS = 0x40000000
_ENGINE = "onnxruntime"


def main() -> None:
    pid = int(sys.argv[1])
    thread = _busiest(pid)
    _ptrace(_SEIZE, thread)
    end = time.monotonic() + 60
    while not _is_in_engine(pid, thread):
        assert time.monotonic() < end, "the engine was never seen at work"
        time.sleep(0.002)
        _ptrace(_INTERRUPT, thread)
        os.waitpid(thread, _ALL_THREADS)
        if _is_in_engine(pid, thread):
            break
        _ptrace(_CONT, thread)
    sys.stdout.write("frozen\n")
    sys.stdout.flush()
    # Whoever froze it has to take note of its end; before that, the process cannot end.
    while not os.WIFSIGNALED(os.waitpid(thread, _ALL_THREADS)[1]):
        pass


def _busiest(pid: int) -> int:
    """Return the thread that used most of the processor within two seconds."""
    before = _ticks(pid)
    time.sleep(2)
    used = {thread: ticks - before.get(thread, 0) for thread, ticks in _ticks(pid).items()}
    return max(used, key=used.__getitem__)


def _ticks(pid: int) -> dict[int, int]:
    ticks = {}
    for folder in Path(f"/proc/{pid}/task").iterdir():
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        ticks[int(folder.name)] = int(fields[11])
    return ticks


def _is_in_engine(pid: int, thread: int) -> bool:
    """Return whether a frozen thread executes the engine's code, where it holds no lock of ours."""
    words = Path(f"/proc/{pid}/task/{thread}/syscall").read_text().split()
    if words[0] != "-1":
        return False
    counter = int(words[2], 16)
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        first, last = (int(text, 16) for text in line.split()[0].split("-"))
        if first <= counter < last:
            return _ENGINE in line
    return False


def _ptrace(request: int, thread: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(request, thread, None, None):
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x} of thread {thread}")


if __name__ == "__main__":
    main()
