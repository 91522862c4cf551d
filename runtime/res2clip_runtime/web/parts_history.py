"""The last parts in numbers, for the score strip; every part has a number of its own."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict, deque
from typing import Any, TypeAlias

from res2clip_runtime.verdict import Verdict

__all__ = ["PartsHistory"]

_Key: TypeAlias = "tuple[str, str, str | None, str]"
_NUMBERED = 1024
"""So many verdicts are known by number: a picture follows its verdict within a few parts."""


class PartsHistory:
    """Numbers verdicts as they come and keeps the last ones; may be used from any thread."""

    def __init__(self, *, keep: int, first_number: int = 1) -> None:
        """Keep ``keep`` parts, without pictures and maps; begin with ``first_number``."""
        self._lock = threading.Lock()
        self._next = first_number
        self._numbers: OrderedDict[_Key, int] = OrderedDict()
        self._parts: deque[dict[str, Any]] = deque(maxlen=keep)

    @property
    def next_number(self) -> int:
        """The number of the part that comes next."""
        return self._next

    def add(self, verdict: Verdict) -> int:
        """Return the number of a verdict that has just come; quick."""
        with self._lock:
            number, self._next = self._next, self._next + 1
            self._numbers[_key(verdict)] = number
            if len(self._numbers) > _NUMBERED:
                self._numbers.popitem(last=False)
            if verdict.product:  # before a product is chosen nothing is judged
                self._parts.append(_row(number, verdict))
            return number

    def number_of(self, verdict: Verdict) -> int | None:
        """Return the number it was given; None if that was long ago."""
        with self._lock:
            return self._numbers.get(_key(verdict))

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """Return the last ``limit`` parts as JSON values, oldest first."""
        with self._lock:
            return [dict(row) for row in list(self._parts)[-limit:]]

    def label(self, number: int, label: str) -> None:
        """Note what a person said of a part."""
        with self._lock:
            for row in self._parts:
                if row["number"] == number:
                    row["label"] = label


def _key(verdict: Verdict) -> _Key:
    return verdict.camera, verdict.frame_id, verdict.trigger_id, verdict.decided_at


def _row(number: int, verdict: Verdict) -> dict[str, Any]:
    return {
        "number": number,
        "frame_id": verdict.frame_id,
        "product": verdict.product,
        "decision": verdict.decision.value,
        "score": verdict.score if math.isfinite(verdict.score) else None,
        "threshold": verdict.threshold,
        "camera": verdict.camera,
        "decided_at": verdict.decided_at,
        "reason": verdict.reason,
        "trigger_id": verdict.trigger_id,
        "label": None,
    }
