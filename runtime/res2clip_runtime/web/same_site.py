"""Whether a request was meant for this server, and came from its own page if from any."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

__all__ = ["MARK", "check_host", "check_reader", "check_same_origin", "own_names"]

MARK = "x-res2clip"
"""A header that no form and no foreign page can send; for programs that send no ``Origin``."""


def own_names(given: Collection[str]) -> frozenset[str]:
    """Return the names that browsers may know this machine by, addresses left out."""
    machine = socket.gethostname().lower()
    names = {"localhost", machine, f"{machine.partition('.')[0]}.local"}
    return frozenset(names | {name.lower().rstrip(".") for name in given})


def check_host(headers: Headers, names: frozenset[str]) -> None:
    """Refuse a request for a name that is not ours: a foreign name may point here (rebinding).

    Raises:
        HTTPException: it is for another name, or none.
    """
    hosts = headers.getlist("host")
    name = _name(hosts[0]) if len(hosts) == 1 else None
    if name is None or not (name in names or _is_address(name)):
        raise HTTPException(
            421, "this server is not called so; use its address, or add the name to web.names"
        )


def check_reader(headers: Headers) -> None:
    """Refuse what another site's page asks of the API, in browsers that say so.

    Raises:
        HTTPException: it came from another site.
    """
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise HTTPException(403, "another site's page asked for this; open this server's own page")


def check_same_origin(headers: Headers, *, tls: bool) -> None:
    """Refuse a change that did not come from our own page or from a program that marks itself.

    Raises:
        HTTPException: its ``Origin`` is another, or it has none and no ``X-Res2clip`` either.
    """
    check_reader(headers)
    origin = headers.get("origin")
    if origin is None:
        if not headers.get(MARK):
            raise HTTPException(403, "without an Origin, send the header X-Res2clip: 1, or a token")
        return
    scheme, _, host = origin.partition("://")
    schemes = ("https",) if tls else ("http", "https")  # a proxy before us may add TLS
    if scheme not in schemes or host.lower() != headers.get("host", "").lower():
        raise HTTPException(403, "another site's page sent this; use this server's own page")


def _name(host: str) -> str | None:
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    if parts.path or parts.query or parts.fragment or "@" in host:
        return None
    return (parts.hostname or "").rstrip(".") or None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
