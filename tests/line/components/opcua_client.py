"""An OPC UA client as a process of its own; see ``opcua_client_program.py``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from line.components.child import Child, await_true

_PROGRAM = Path(__file__).with_name("opcua_client_program.py")
MACHINE = "VisionStateMachine."
LAST = "ResultManagement.LastResult."


class BadStatus(Exception):
    """The server, or the connection, refused; its text is the status."""


class OpcuaClient(Child):
    """What a PLC's or a host's program does."""

    def __init__(self) -> None:
        super().__init__([sys.executable, str(_PROGRAM)], ready_line="ready", stdin=subprocess.PIPE)

    def do(self, name: str, *arguments: object) -> Any:
        """Return what the command answers; :class:`BadStatus` where it is refused."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the client has ended"
        answer = json.loads(line)
        if "bad" in answer:
            raise BadStatus(answer["bad"])
        return answer["is"]

    def connect(self, port: int, *more: str, host: str = "127.0.0.1") -> None:
        """Open a session: user, password, security and application URI may follow."""
        self.do("connect", f"opc.tcp://{host}:{port}/res2clip", *more)

    def read(self, path: str) -> Any:
        return self.do("read", path)

    def machine(self, method: str, *arguments: object) -> Any:
        """Call a method of the state machine."""
        return self.do("call", MACHINE + method, *arguments)

    def single(self, *ids: str) -> str:
        """Start a single job; return its id."""
        job_id, error = self.machine("StartSingleJob", *(*ids, "", "", "", "")[:4])
        assert error == 0
        return job_id

    def prepare(self, product: str) -> Any:
        return self.do("call", "RecipeManagement.PrepareRecipe", product)

    @property
    def state(self) -> str:
        return self.read(MACHINE + "CurrentState")

    def last(self, field: str) -> Any:
        return self.read(LAST + field)

    def await_state(self, state: str) -> None:
        await_true(lambda: self.state == state, f"state {state}, not {self.state}")

    def events(self, count: int) -> list[dict[str, Any]]:
        """Return the events when there are ``count`` at least."""
        await_true(lambda: len(self.do("got")) >= count, f"{count} events")
        return self.do("got")

    def results_of(self, job_id: str) -> list[dict[str, Any]]:
        """Return the results of a job when there is one at least."""
        return await_true(
            lambda: [e for e in self.do("got") if e["jobId"] == job_id], f"a result of {job_id}"
        )

    def _reap(self) -> None:
        super()._reap()
        if self.process.stdin:
            self.process.stdin.close()
