"""Hashes of passwords and tokens, compared in constant time.

A password is guessable, so its hash is slow and salted (scrypt, RFC 7914); a token holds 256
random bits, so sha256 is enough, and quick enough for every request.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import unicodedata
from typing import Literal, NamedTuple

__all__ = [
    "check_hash",
    "matches_password",
    "matches_token",
    "password_hash",
    "spend_the_time_of_a_check",
    "token_hash",
]

# OWASP's password storage cheat sheet, 2025: N = 2^15, r = 8, p = 3 (32 MB).
_N, _R, _P = 2**15, 8, 3
_MOST = (2**17, 16, 8)
"""A file that asks for more would be a way to use up the machine's memory."""
_LONGEST = 1024
"""Characters of a password or token; what is longer is wrong anyway."""
_BYTES = 32


class _Scrypt(NamedTuple):
    n: int
    r: int
    p: int
    salt: bytes
    digest: bytes


def password_hash(password: str) -> str:
    """Return ``scrypt:N:r:p:<salt>:<hash>`` with a new salt."""
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, _N, _R, _P)
    return ":".join(["scrypt", str(_N), str(_R), str(_P), _text(salt), _text(digest)])


def matches_password(stored: str, password: str) -> bool:
    """Return whether ``stored`` is a hash of ``password``; the GIL is free while it computes."""
    parts = _parsed(stored)
    if parts is None or len(password) > _LONGEST:
        spend_the_time_of_a_check(password)
        return False
    digest = _scrypt(password, parts.salt, parts.n, parts.r, parts.p)
    return hmac.compare_digest(digest, parts.digest)


def spend_the_time_of_a_check(password: str) -> None:
    """Compute a hash for nobody, so that a wrong name takes as long as a wrong password."""
    _scrypt(password[:_LONGEST], b"nobody's salt...", _N, _R, _P)


def token_hash(token: str) -> str:
    """Return ``sha256:<64 hexadecimal digits>``."""
    return "sha256:" + hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def matches_token(stored: str, token: str) -> bool:
    """Return whether ``stored`` is the hash of ``token``."""
    return hmac.compare_digest(stored.encode(), token_hash(token[: _LONGEST + 1]).encode())


def check_hash(stored: str, *, of: Literal["password", "token"]) -> bool:
    """Return whether ``stored`` is written as it should be."""
    if of == "password":
        return _parsed(stored) is not None
    kind, _, digits = stored.partition(":")
    return kind == "sha256" and len(digits) == 64 and set(digits) <= set("0123456789abcdef")


def _parsed(stored: str) -> _Scrypt | None:
    try:
        kind, *numbers, salt, digest = stored.split(":")
        n, r, p = map(int, numbers)
        parts = _Scrypt(n, r, p, base64.b64decode(salt, validate=True),
                        base64.b64decode(digest, validate=True))  # fmt: skip
    except (ValueError, binascii.Error):
        return None
    sane = (
        kind == "scrypt"
        and 2**14 <= n <= _MOST[0]
        and n & (n - 1) == 0
        and 1 <= r <= _MOST[1]
        and 1 <= p <= _MOST[2]
        and len(parts.salt) >= 16
        and len(parts.digest) == _BYTES
    )
    return parts if sane else None


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    # NFC: the same password typed on another keyboard may come decomposed.
    data = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    need = 128 * r * (n + p + 2)
    return hashlib.scrypt(data, salt=salt, n=n, r=r, p=p, maxmem=2 * need, dklen=_BYTES)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
