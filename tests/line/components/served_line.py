"""A line with an OPC UA server before it, and who comes to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from line.components.line_of import CollectedLine
from line.components.mjpeg_server import MjpegServer

from res2clip_runtime.opcua import OpcuaServer


@dataclass
class Served:
    """A line that inspects what a camera shows, and the server before it."""

    line: CollectedLine
    server: OpcuaServer
    camera: MjpegServer
    folder: Path

    @property
    def inspected(self) -> int:
        return self.line.line.health().inspected


@dataclass(frozen=True)
class Identity:
    """A client's certificate and key."""

    folder: Path
    uri: str

    @property
    def certificate(self) -> Path:
        return self.folder / "certificate.der"

    def security(self, server: Path, policy: str = "Basic256Sha256") -> str:
        """Return what the client needs to speak to a server of the certificate ``server``."""
        key = self.folder / "private_key.pem"
        return f"{policy},SignAndEncrypt,{self.certificate},{key},{server}"


Serve = Callable[..., Served]
