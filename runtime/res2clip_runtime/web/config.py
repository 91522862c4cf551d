"""Settings of the page and the HTTP API."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from res2clip_runtime.errors import InputError
from res2clip_runtime.sinks.config_checks import (
    check_number,
    check_port,
    check_text,
    check_whole,
)

__all__ = ["WebConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    """Where the page is served, to whom, and what it keeps."""

    host: str = "127.0.0.1"
    """Address to listen on; others on the network reach any but the loopback's."""
    port: int = 8109
    """TCP port."""
    folder: Path = Path("page")
    """Where recipes taught on the page, NG pictures, feedback and the audit log lie."""
    users_file: Path | None = None
    """Who may do what (``res2clip-run users``); None: on the loopback everybody is an engineer."""
    certificate: Path | None = None
    """The server's certificate and those between it and its authority, PEM."""
    private_key: Path | None = None
    """Its unencrypted key, PEM."""
    names: tuple[str, ...] = ()
    """Names of this machine in browsers' address bars, beside its own, localhost and addresses."""
    wait_s: float = 30.0
    """Longest time that ``/api/trigger?wait`` waits."""
    fps: float = 8.0
    """Most live pictures a second that a viewer is sent."""
    keep_parts: int = 500
    """Parts whose scores the page shows."""
    keep_ng: int = 200
    """NG pictures that are kept, the newest."""
    upload_mb: float = 32.0
    """Largest picture that is taken, in millions of bytes."""

    def __post_init__(self) -> None:
        check_text("web.host", self.host, forbidden=" /")
        check_port("web.port", self.port)
        check_number("web.wait_s", self.wait_s, above=0, most=3600)
        check_number("web.fps", self.fps, above=0, most=60)
        check_whole("web.keep_parts", self.keep_parts, least=1, most=10_000)
        check_whole("web.keep_ng", self.keep_ng, least=1, most=10_000)
        check_number("web.upload_mb", self.upload_mb, above=0, most=1000)
        for name in self.names:
            check_text("web.names", name, forbidden=" /:")
        if (self.certificate is None) != (self.private_key is None):
            raise InputError("web.certificate and web.private_key belong together; give both")
        if not self.on_loopback and not (self.users_file and self.certificate):
            raise InputError(
                f"web.host is {self.host!r}, which others on the network can reach; give "
                "web.users_file, web.certificate and web.private_key, or listen on 127.0.0.1"
            )

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def taught_folder(self) -> Path:
        """Where recipes of products taught on the page lie."""
        return self.folder / "recipes"
