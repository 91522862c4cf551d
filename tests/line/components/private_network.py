"""A network namespace that holds only ``lo``.

GenICam libraries broadcast on every interface when they look for cameras; in here nobody hears it.
"""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Sequence

import pytest
from line.components.child import call


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
        return call(module, function, *arguments, env=env, prefix=self.command([]))


def _ip(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["ip", *arguments], capture_output=True, check=False)
