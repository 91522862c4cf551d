"""A real component as a process: started, awaited, frozen, killed, always ended by its pid."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

DEADLINE_S = 20.0
_TESTS = Path(__file__).parents[2]
_CALL = (
    "import importlib, json, sys; module, name, given = sys.argv[1:]; "
    "answer = getattr(importlib.import_module(module), name)(*json.loads(given)); "
    "print('\\nANSWER ' + json.dumps(answer))"
)


def free_port() -> int:
    """Return a TCP port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_true(condition: Callable[[], object], what: str, *, deadline_s: float = DEADLINE_S):
    """Return the first true answer of ``condition``; fail after ``deadline_s``."""
    end = time.monotonic() + deadline_s
    while not (answer := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"in {deadline_s:g} s it did not come true: {what}")
        time.sleep(0.02)
    return answer


def call(
    module: str,
    function: str,
    *arguments: object,
    env: dict[str, str] | None = None,
    prefix: Sequence[str] = (),
):
    """Return what ``module.function(*arguments)`` returns in a Python of its own.

    Arguments and answer are JSON; ``prefix`` comes before the command.
    """
    search = os.pathsep.join([str(_TESTS), *(path for path in sys.path if path)])
    done = subprocess.run(
        [*prefix, sys.executable, "-c", _CALL, module, function, json.dumps(arguments)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env={**os.environ, **(env or {}), "PYTHONPATH": search},
    )
    if done.returncode or "\nANSWER " not in done.stdout:
        raise AssertionError(f"{function}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.rpartition("\nANSWER ")[2])


class Child:
    """A running process; ``with`` ends it."""

    def __init__(self, command: Sequence[str], *, ready_line: str | None = None, **options) -> None:
        """Start ``command``; with ``ready_line``, wait until it has printed that line."""
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE if ready_line else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            **options,
        )
        if ready_line:
            assert self.process.stdout is not None
            line = self.process.stdout.readline().strip()
            if line != ready_line:
                self.end()
                raise AssertionError(f"{command[0]} said '{line}', not '{ready_line}'")

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, as a loss of power."""
        self.process.kill()
        self._reap()

    def end(self) -> None:
        """Ask it to end; make it, if it does not listen."""
        if self.process.poll() is None:
            self.process.terminate()
            self.thaw()
            try:
                self.process.wait(3)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self._reap()

    def _reap(self) -> None:
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()
