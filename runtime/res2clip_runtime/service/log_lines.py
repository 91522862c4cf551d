"""Events as lines for machines and people: key=value or JSON, no secrets, repeats counted."""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from datetime import datetime, timezone
from typing import Literal

from res2clip_runtime.safe_text import shown

__all__ = ["JsonLines", "RepeatFilter", "TextLines", "hide_secrets", "line_formatter"]

_OURS = "res2clip"
_LONGEST_EVENT = 2000
_SUBJECTS = ("%s", "camera %s", "sink %s", "recipe %s", "product %s")
_CREDENTIALS = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s]+@", re.IGNORECASE)
_SECRET = re.compile(
    r"(?i)\b(password|passwd|token|secret|authorization)(\s*[=:]\s*)(bearer\s+|basic\s+)?[^\s,;&]+"
)


class RepeatFilter(logging.Filter):
    """Lets an event through once a minute and says how often it came meanwhile.

    Two events are the same if logger, level and text are, and the camera, sink or recipe they are
    about; not what else they name: a thousand late triggers are one event with a count.
    """

    def __init__(self, *, window_s: float = 60.0, kept: int = 256) -> None:
        """Count repeats within ``window_s`` seconds; remember ``kept`` events at most."""
        super().__init__()
        self._window_s = window_s
        self._kept = kept
        self._seen: dict[tuple[str, int, str, str], tuple[float, int]] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the event is shown; ``record.repeats`` says how many were not."""
        # Other libraries put what a client sent into the text: each would be another event.
        text = str(record.msg) if record.name.startswith(_OURS) else ""
        key = (record.name, record.levelno, text, _subject(record))
        now_s = time.monotonic()
        with self._lock:
            since_s, hidden = self._seen.get(key, (-self._window_s, 0))
            if now_s - since_s < self._window_s:
                self._seen[key] = (since_s, hidden + 1)
                return False
            self._seen.pop(key, None)
            self._seen[key] = (now_s, 0)
            if len(self._seen) > self._kept:
                del self._seen[next(iter(self._seen))]
        record.repeats = hidden
        return True


class _Lines(logging.Formatter):
    def values(self, record: logging.LogRecord) -> dict[str, object]:
        """Return what an event says, in order."""
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        text = shown(" ".join(hide_secrets(record.getMessage()).split()))
        if len(text) > _LONGEST_EVENT:
            text = f"{text[:_LONGEST_EVENT]}..."
        values: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": text,
        }
        if repeats := getattr(record, "repeats", 0):
            values["repeats"] = repeats
        if record.exc_info:
            values["trace"] = hide_secrets(self.formatException(record.exc_info))
        return values


class JsonLines(_Lines):
    """One JSON object an event."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the event as JSON."""
        return json.dumps(self.values(record), ensure_ascii=False)


class TextLines(_Lines):
    """``key=value`` pairs; texts with spaces stand in quotes."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the event as one line."""
        pairs = self.values(record).items()
        return " ".join(f"{key}={_quoted(value)}" for key, value in pairs)


def line_formatter(kind: Literal["text", "json"]) -> logging.Formatter:
    """Return the formatter for ``--log-format``."""
    return JsonLines() if kind == "json" else TextLines()


def hide_secrets(text: str) -> str:
    """Return ``text`` with user and password of addresses, and named secrets, as ``***``."""
    return _SECRET.sub(r"\1\2***", _CREDENTIALS.sub(r"\1***@", text))


def _subject(record: logging.LogRecord) -> str:
    """Return what an event is about, where its text begins with that."""
    about = str(record.msg).startswith(_SUBJECTS) and isinstance(record.args, tuple)
    return str(record.args[0]) if about and record.args else ""  # type: ignore[index]


def _quoted(value: object) -> str:
    text = str(value)
    plain = re.fullmatch(r"[^\s\"=]+", text)
    return text if plain else json.dumps(text, ensure_ascii=False)
