"""A network namespace that holds only ``lo``.

GenICam libraries broadcast on every interface when they look for cameras; in here nobody hears it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest

_TESTS = Path(__file__).parents[2]


class PrivateNetwork:
    """Made on entering, gone on leaving, with all interfaces in it."""

    def __enter__(self) -> PrivateNetwork:
        self.name = f"r2c-{uuid.uuid4().hex[:8]}"
        if not shutil.which("ip") or _ip("netns", "add", self.name).returncode:
            pytest.skip("a network namespace cannot be made here (needs root and iproute2)")
        _ip("-n", self.name, "link", "set", "lo", "up")
        return self

    def __exit__(self, *unused: object) -> None:
        _ip("netns", "delete", self.name)

    def command(self, command: Sequence[str]) -> list[str]:
        """Return ``command`` as it runs in here (the same pid: ``ip`` becomes it)."""
        return ["ip", "netns", "exec", self.name, *command]

    def call(
        self, module: str, function: str, *arguments: object, env: dict[str, str] | None = None
    ):
        """Return what ``module.function(*arguments)`` returns in a Python of its own in here."""
        code = (
            "import importlib, json, sys; module, name, given = sys.argv[1:]; "
            "answer = getattr(importlib.import_module(module), name)(*json.loads(given)); "
            "print('\\nANSWER ' + json.dumps(answer))"
        )
        search = os.pathsep.join([str(_TESTS), *(path for path in sys.path if path)])
        done = subprocess.run(
            self.command([sys.executable, "-c", code, module, function, json.dumps(arguments)]),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            env={**os.environ, **(env or {}), "PYTHONPATH": search},
        )
        if done.returncode or "\nANSWER " not in done.stdout:
            raise AssertionError(f"{function}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return json.loads(done.stdout.rpartition("\nANSWER ")[2])


def _ip(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["ip", *arguments], capture_output=True, check=False)
