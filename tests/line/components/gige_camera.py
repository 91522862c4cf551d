"""Aravis's fake GigE Vision camera: the real protocol over UDP, in a process that can be killed.

Start it inside a :class:`PrivateNetwork`; its address there is 127.0.0.1.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from line.components.child import Child, await_true

PROGRAM = "arv-fake-gv-camera-0.8"
ADDRESS = "127.0.0.1"
_CONTROL_PORT = ":0F74"
"""3956, GigE Vision's, as /proc writes it."""


def need_aravis() -> None:
    """Skip where the fake camera or Aravis's bindings are not installed."""
    from res2clip_runtime.errors import Res2ClipError
    from res2clip_runtime.sources.gi_modules import gi_module

    if not shutil.which(PROGRAM):
        pytest.skip("the fake GigE camera is not installed (apt: aravis-tools)")
    try:
        gi_module("Aravis", "0.8")
    except Res2ClipError as err:
        pytest.skip(str(err))


class GigeCamera(Child):
    """A GigE Vision camera that draws moving stripes, 512 x 512 px at first."""

    def __init__(
        self, *, serial: str = "FAKE01", lost_per_mille: int = 0, prefix: Sequence[str] = ()
    ) -> None:
        """Switch it on.

        Args:
            serial: its serial number.
            lost_per_mille: share of its packets that get lost.
            prefix: of the command, as ``network.command([])`` makes it; empty inside the network.
        """
        options = ["-r", str(lost_per_mille)] if lost_per_mille else []
        super().__init__([*prefix, PROGRAM, "-i", ADDRESS, "-s", serial, *options])
        await_true(self._listens, "the fake GigE camera listens")

    def _listens(self) -> bool:
        sockets = Path("/proc", str(self.process.pid), "net", "udp")
        return any(_CONTROL_PORT in line.split()[1] for line in sockets.read_text().splitlines())
