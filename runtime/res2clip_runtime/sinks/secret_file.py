"""Passwords and tokens from files, so that they stand in no configuration, command line or log."""

from __future__ import annotations

from pathlib import Path

from res2clip_runtime.errors import InputError

__all__ = ["read_secret"]

_LONGEST_BYTES = 65_536


def read_secret(field: str, path: Path) -> str:
    """Return the text of a file without the newline at its end.

    Args:
        field: the setting that names the file, for the message.
        path: of the file.

    Raises:
        InputError: it cannot be read, is empty, is no text, or has several lines.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST_BYTES + 1)
    except OSError as err:
        raise InputError(
            f"{field}: cannot read {path}: {err.strerror}; "
            "it must hold the secret and be readable by this user"
        ) from err
    try:
        secret = data.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as err:
        raise InputError(f"{field}: {path} is no UTF-8 text, expected the secret alone") from err
    if not secret or "\n" in secret or "\r" in secret or len(data) > _LONGEST_BYTES:
        raise InputError(
            f"{field}: {path} holds {'nothing' if not secret else 'more than one line'}, "
            "expected the secret in one line"
        )
    return secret
