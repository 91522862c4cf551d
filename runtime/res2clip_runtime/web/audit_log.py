"""Who changed what: one line of JSON for each change, on the disk before the change is made."""

from __future__ import annotations

import json
import os
import threading
from datetime import datetime, timezone
from pathlib import Path

from res2clip_runtime.inspection import utc_now
from res2clip_runtime.storage import output_error

__all__ = ["AuditLog"]

_LARGEST_BYTES = 16_000_000


class AuditLog:
    """Appends to ``audit.jsonl``; a full one is put aside under the time and a new one begun."""

    def __init__(self, folder: Path) -> None:
        """Write into ``folder``.

        Raises:
            OutputError: the place cannot be written.
        """
        self._path = folder / "audit.jsonl"
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab"):
                pass
        except OSError as err:
            raise output_error(self._path, err) from err

    def record(self, *, who: str, role: str, address: str, what: str, **details: object) -> None:
        """Write a line; it is on the disk when this returns.

        Args:
            who: name of the user; as given, where a login failed.
            role: of the user.
            address: where the request came from.
            what: ``product``, ``threshold``, ``teach``, ``feedback``, ``login`` ...
            details: what else there is to say; ``old`` and ``new`` for a change.

        Raises:
            OutputError: it could not be written; no half line is left.
        """
        values = {"time": utc_now(), "who": who, "role": role, "address": address, "what": what}
        text = json.dumps({**values, **details}, ensure_ascii=False, default=str)
        line = text.encode("utf-8", "backslashreplace") + b"\n"
        with self._lock:
            try:
                self._append(line)
            except OSError as err:
                raise output_error(self._path, err) from err

    def _append(self, line: bytes) -> None:
        self._put_aside_if_full()
        with self._path.open("ab") as file:
            whole = file.tell()
            torn = whole > 0 and not _ends_with_newline(self._path)
            try:
                file.write(b"\n" + line if torn else line)  # a killed run may have left half a line
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                os.ftruncate(file.fileno(), whole)
                raise

    def _put_aside_if_full(self) -> None:
        if self._path.exists() and self._path.stat().st_size > _LARGEST_BYTES:
            moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
            self._path.rename(self._path.with_name(f"audit-{moment}.jsonl"))


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
