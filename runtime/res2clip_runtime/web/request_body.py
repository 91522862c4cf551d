"""What stands in a request, checked: messages name the key, the value, and what is expected."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from res2clip_runtime.strict_json import parse_json

__all__ = [
    "a_flag",
    "a_number",
    "a_product",
    "a_text",
    "a_whole",
    "check_query",
    "flag",
    "number_in_query",
    "read_body",
    "read_object",
    "text_in_query",
]

_LARGEST_OBJECT = 65_536
_WITHIN_S = 30.0
_DRAIN_BYTES = 64_000_000
"""Of a body that is too large so much is still read, so that its sender sees the answer."""


async def read_body(request: Request, *, most_bytes: int) -> bytes:
    """Return the body.

    Raises:
        HTTPException: it is larger than ``most_bytes``, or does not come in time.
    """
    close = {"Connection": "close"}
    too_large = HTTPException(413, f"the body is larger than {most_bytes} bytes", close)
    declared = request.headers.get("content-length", "0")
    if len(declared) > 15 or int(declared) > most_bytes + _DRAIN_BYTES:
        raise too_large
    try:
        data = await asyncio.wait_for(_received(request, most_bytes), _WITHIN_S)
    except asyncio.TimeoutError as err:
        message = f"the body did not come within {_WITHIN_S:.0f} s"
        raise HTTPException(408, message, close) from err
    except ClientDisconnect as err:
        raise HTTPException(400, "the body broke off") from err
    if data is None:
        raise too_large
    return data


async def read_object(request: Request, *known: str) -> dict[str, Any]:
    """Return the JSON object in the body; an empty body is an empty object.

    Raises:
        HTTPException: it is no such object, or has other keys than ``known``.
    """
    data = await read_body(request, most_bytes=_LARGEST_OBJECT)
    try:
        given = parse_json(data, most_bytes=_LARGEST_OBJECT) if data.strip() else {}
    except ValueError as err:
        raise HTTPException(400, f"the body is no JSON: {err}") from err
    if not isinstance(given, dict):
        raise HTTPException(400, "the body is no JSON object, expected {...}")
    _refuse_unknown(list(given), known, "key")
    return given


def a_text(
    given: dict[str, Any], key: str, *, longest: int = 200, required: bool = True
) -> str | None:
    """Return a text of the body; None if it may be left out and is.

    Raises:
        HTTPException: it is none, or too long, or empty where it is required.
    """
    value = given.get(key)
    if value is None and not required:
        return None
    if not isinstance(value, str) or len(value) > longest or (required and not value.strip()):
        raise HTTPException(
            400, f"{key} is {_short(value)}, expected a text of up to {longest} characters"
        )
    _check_encodable(key, value)
    return value


def a_number(given: dict[str, Any], key: str) -> float:
    """Return a finite number of the body.

    Raises:
        HTTPException: it is none.
    """
    value = given.get(key)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= 1e12:
        return float(value)
    raise HTTPException(400, f"{key} is {_short(value)}, expected a number")


def a_product(given: dict[str, Any]) -> str:
    """Return the name of a product that is to be: one line, as people write it.

    Raises:
        HTTPException: it is none.
    """
    name = a_text(given, "product", longest=100) or ""
    if not name.isprintable() or name != name.strip():
        raise HTTPException(
            400, f"product is {_short(name)}, expected a name in one line, without spaces around it"
        )
    return name


def a_flag(given: dict[str, Any], key: str) -> bool:
    """Return whether a key of the body is true; it may be left out.

    Raises:
        HTTPException: it is neither true nor false.
    """
    value = given.get(key, False)
    if not isinstance(value, bool):
        raise HTTPException(400, f"{key} is {_short(value)}, expected true or false")
    return value


def a_whole(given: dict[str, Any], key: str, *, most: int) -> int:
    """Return a whole number of the body, from 1 to ``most``.

    Raises:
        HTTPException: it is none.
    """
    value = given.get(key)
    if type(value) is not int or not 1 <= value <= most:
        raise HTTPException(400, f"{key} is {_short(value)}, expected a whole number from 1 on")
    return value


def check_query(request: Request, *known: str) -> None:
    """Refuse parameters that are not ``known``: a typing error is no wish.

    Raises:
        HTTPException: there is one.
    """
    _refuse_unknown(list(request.query_params), known, "parameter")


def flag(request: Request, name: str) -> bool:
    """Return whether a parameter is there, and not ``0``, ``false`` or ``no``.

    Raises:
        HTTPException: it is neither that nor nothing, ``1``, ``true`` or ``yes``.
    """
    value = request.query_params.get(name, "0").lower()
    if value in ("0", "false", "no"):
        return False
    if value in ("", "1", "true", "yes"):
        return True
    raise HTTPException(400, f"{name} is {_short(value)}, expected true or false")


def text_in_query(request: Request, name: str, *, longest: int = 200) -> str | None:
    """Return a parameter, or None where it is not there.

    Raises:
        HTTPException: it is too long.
    """
    value = request.query_params.get(name)
    if value is not None and len(value) > longest:
        raise HTTPException(400, f"{name} is too long, expected up to {longest} characters")
    if value is not None:
        _check_encodable(name, value)
    return value


def number_in_query(request: Request, name: str, *, default: int, most: int) -> int:
    """Return a whole number from 1 to ``most``.

    Raises:
        HTTPException: it is none.
    """
    value = request.query_params.get(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit()) or len(value) > 12 or not 1 <= int(value) <= most:
        raise HTTPException(400, f"{name} is {_short(value)}, expected a number from 1 to {most}")
    return int(value)


async def _received(request: Request, most_bytes: int) -> bytes | None:
    """Return the body, or None if it is larger; then a part of the rest is read and forgotten."""
    kept, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= most_bytes:
            kept += chunk
        elif size > most_bytes + _DRAIN_BYTES:
            return None
    return bytes(kept) if size <= most_bytes else None


def _refuse_unknown(given: Sequence[str], known: Sequence[str], kind: str) -> None:
    if unknown := [key for key in given if key not in known]:
        expected = ", ".join(known) or "none"
        raise HTTPException(400, f"there is no {kind} {_short(unknown[0])}, expected: {expected}")


def _check_encodable(key: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as err:
        raise HTTPException(400, f"{key} holds lone surrogates, expected valid Unicode") from err


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
