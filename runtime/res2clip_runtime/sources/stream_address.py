"""The address of a network stream, with its password and without."""

from __future__ import annotations

from urllib.parse import quote, urlsplit, urlunsplit

from res2clip_runtime.errors import InputError
from res2clip_runtime.sources.settings import CameraSettings

__all__ = ["with_password", "without_password"]


def with_password(url: str, settings: CameraSettings) -> str:
    """Return ``url`` with the user and password of ``settings``, where these are given.

    Raises:
        InputError: it is no address, or the password is given but cannot be read.
    """
    try:
        parts = urlsplit(url)
        host, port, known = parts.hostname, parts.port, parts.username
    except ValueError as err:
        raise InputError(f"{without_password(url)} is no address: {err}") from err
    if not host:
        raise InputError(f"{without_password(url)} names no machine; expected scheme://HOST/...")
    password = settings.password()
    user = settings.user or known
    if password is None and settings.user is None:
        return url
    if not user:
        raise InputError("a password is given but no user; set user, or put it into the address")
    secret = password if password is not None else (parts.password or "")
    place = f"[{host}]" if ":" in host else host
    at = f"{quote(user, safe='%')}:{quote(secret, safe='')}@{place}"
    return urlunsplit(parts._replace(netloc=f"{at}:{port}" if port else at))


def without_password(url: str) -> str:
    """Return ``url`` as it may be shown and logged: without user, password and query."""
    scheme, slashes, rest = url.partition("://")
    place = rest.partition("?")[0]
    machine, slash, path = place.partition("/")
    return f"{scheme}{slashes}{machine.rpartition('@')[2]}{slash}{path}"
