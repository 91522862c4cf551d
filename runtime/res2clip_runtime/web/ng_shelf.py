"""The newest NG parts on the disk, with their pictures: what the page's history shows.

<folder>/000000000017.jpg    the picture
<folder>/000000000017.png    where the heat map lies on the colour scale, (S, S) 8 bits
<folder>/000000000017.json   the verdict; written last, so a part is there whole or not at all
"""

from __future__ import annotations

import io
import json
import logging
import re
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.storage import output_error, write_atomically
from res2clip_runtime.verdict import Decision, Verdict
from res2clip_runtime.web.heat_layer import draw_jpeg, heat_positions, jpeg_bytes

__all__ = ["NgShelf"]

logger = logging.getLogger(__name__)

_QUALITY = 95
_FREE_RUN_INTERVAL_S = 0.5
"""A camera that runs freely sees one bad part many times: so often it is kept at most."""
_NAME = re.compile(r"(\d{12})\.(jpg|png|json)")
_TORN = re.compile(r"\.\d{12}\.(jpg|png|json)\.\w{8}")


class NgShelf:
    """Keeps the newest; may be used from any thread, written by one."""

    def __init__(self, folder: Path, *, keep: int) -> None:
        """Take stock of ``folder`` and keep ``keep`` parts.

        Raises:
            OutputError: the place cannot be used.
        """
        self._folder = folder
        self._keep = keep
        self._lock = threading.Lock()
        self._last_s: dict[str, float] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._parts = _take_stock(folder)
        except OSError as err:
            raise output_error(folder, err) from err
        self._next = next(reversed(self._parts), 0) + 1
        self._forget_old()

    def wants(self, verdict: Verdict) -> bool:
        """Return whether this verdict is kept; to be asked once a verdict, in order."""
        if verdict.decision is not Decision.NG:
            return False
        if verdict.trigger_id is not None or verdict.part_id is not None:
            return True
        now_s = time.monotonic()
        if now_s - self._last_s.get(verdict.camera, -1e9) < _FREE_RUN_INTERVAL_S:
            return False
        self._last_s[verdict.camera] = now_s
        return True

    def put(self, number: int, verdict: Verdict, picture: PictureU8) -> int:
        """Keep a part and return its id; the oldest goes.

        Raises:
            OutputError: the disk refused; nothing is kept of it.
        """
        ng_id = self._next
        image = Image.fromarray(picture)
        write_atomically(
            self._path(ng_id, "jpg"), jpeg_bytes(image, quality=_QUALITY, subsampling=0)
        )
        if verdict.anomaly_map is not None and verdict.pixel_threshold is not None:
            positions = heat_positions(verdict.anomaly_map, verdict.pixel_threshold)
            buffer = io.BytesIO()
            Image.fromarray(positions).save(buffer, format="PNG", compress_level=1)
            write_atomically(self._path(ng_id, "png"), buffer.getvalue())
        values = {**verdict.to_json(), "id": ng_id, "number": number, "label": None}
        self._write(ng_id, values)
        self._next = ng_id + 1
        self._forget_old()
        return ng_id

    def newest(self, limit: int, *, before: int | None = None) -> list[dict[str, Any]]:
        """Return the last ``limit`` parts (with an id below ``before``), newest first."""
        with self._lock:
            ids = [i for i in reversed(self._parts) if before is None or i < before][:limit]
            return [dict(self._parts[i]) for i in ids]

    def find(self, ng_id: int) -> dict[str, Any] | None:
        """Return a part as JSON values, or None if it is not there (any more)."""
        with self._lock:
            values = self._parts.get(ng_id)
            return dict(values) if values is not None else None

    def id_of(self, number: int) -> int | None:
        """Return the id of the part of a number, or None where it was not kept."""
        with self._lock:
            found = (i for i in reversed(self._parts) if self._parts[i]["number"] == number)
            return next(found, None)

    def jpeg(self, ng_id: int, *, heat: bool) -> bytes | None:
        """Return a part's picture, with heat map and boxes or plain as it is; None without."""
        try:
            data = self._path(ng_id, "jpg").read_bytes()
            if not heat or (values := self.find(ng_id)) is None:
                return data
            with Image.open(self._path(ng_id, "png")) as layer:
                positions = np.asarray(layer.convert("L"))
            with Image.open(io.BytesIO(data)) as picture:
                boxes = [region["box"] for region in values.get("regions", ())]
                return draw_jpeg(picture.convert("RGB"), heat=positions, boxes=boxes)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as err:
            logger.warning("NG picture %d cannot be shown: %s", ng_id, err)
            return None

    def label(self, ng_id: int, label: str) -> None:
        """Note what a person said of a part that is there.

        Raises:
            OutputError: the disk refused.
        """
        values = self.find(ng_id)
        if values is not None:
            self._write(ng_id, {**values, "label": label})

    def _write(self, ng_id: int, values: dict[str, Any]) -> None:
        data = json.dumps(values, ensure_ascii=False).encode("utf-8", "backslashreplace")
        write_atomically(self._path(ng_id, "json"), data)
        with self._lock:
            self._parts[ng_id] = values

    def _forget_old(self) -> None:
        with self._lock:
            surplus = len(self._parts) - self._keep
            old = [self._parts.popitem(last=False)[0] for _ in range(surplus)]
        for ng_id in old:
            self._delete(ng_id)

    def _delete(self, ng_id: int) -> None:
        for ending in ("json", "png", "jpg"):
            try:
                self._path(ng_id, ending).unlink(missing_ok=True)
            except OSError as err:
                logger.warning("cannot delete an old NG picture: %s", err)

    def _path(self, ng_id: int, ending: str) -> Path:
        return self._folder / f"{ng_id:012}.{ending}"


def _take_stock(folder: Path) -> OrderedDict[int, dict[str, Any]]:
    """Return what is there by id; what a killed run left without its verdict is removed."""
    names = {path.name for path in folder.iterdir()}
    parts = {}
    for name in sorted(names):
        found = _NAME.fullmatch(name)
        if found and found[2] == "json" and (values := _read(folder / name)) is not None:
            parts[int(found[1])] = values
    for name in names:
        found = _NAME.fullmatch(name)
        if _TORN.fullmatch(name) or (found and int(found[1]) not in parts):
            (folder / name).unlink()
    return OrderedDict(sorted(parts.items()))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return None
    whole = isinstance(values, dict) and {"id", "number", "label"} <= values.keys()
    return values if whole and values["id"] == int(path.stem) else None
