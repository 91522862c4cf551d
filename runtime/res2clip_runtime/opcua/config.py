"""Settings of the OPC UA server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from res2clip_runtime.errors import InputError
from res2clip_runtime.sinks.config_checks import (
    check_number,
    check_port,
    check_text,
    check_whole,
)

__all__ = ["OpcuaConfig"]

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpcuaConfig:
    """Where the server listens, whom it trusts, and how jobs run."""

    host: str = "127.0.0.1"
    """Address to listen on; any other than the machine's own needs ``users_file``."""
    port: int = 4840
    """TCP port."""
    folder: Path = Path("opcua")
    """Holds ``own/`` (certificate and key, made at the first start), ``trusted/`` (certificates of
    clients) and ``rejected/`` (those that were refused, to be moved)."""
    users_file: Path | None = None
    """Names, roles and passwords; none: everybody on this machine is an engineer."""
    certificate: Path | None = None
    """The server's own, DER or PEM, instead of the one made."""
    private_key: Path | None = None
    """Its key, PEM."""
    job_timeout_s: float = 30.0
    """A single job that has no result by then ends with ERROR."""
    pause_s: float = 0.1
    """Between a result of a continuous job and the next trigger."""
    clients: int = 16
    """Connections at a time."""

    def __post_init__(self) -> None:
        check_text("opcua.host", self.host, forbidden=" /")
        check_port("opcua.port", self.port)
        check_number("opcua.job_timeout_s", self.job_timeout_s, above=0, most=86_400)
        check_number("opcua.pause_s", self.pause_s, least=0, most=3600)
        check_whole("opcua.clients", self.clients, least=1, most=256)
        if (self.certificate is None) != (self.private_key is None):
            raise InputError(
                "opcua.certificate and opcua.private_key belong together; give both or neither"
            )
        if not self.on_loopback and self.users_file is None:
            raise InputError(
                f"opcua.host is {self.host!r}, which others on the network can reach; give an "
                "opcua.users_file (res2clip-run users add), or listen on 127.0.0.1"
            )

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine reaches it; only then a session may be unsecured."""
        return self.host in _LOOPBACK
