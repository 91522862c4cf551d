"""What operators said of parts, with their pictures: kept for later learning.

<folder>/20261125T101532123Z-17-good.png    the picture (.jpg where only the NG history had it)
<folder>/20261125T101532123Z-17-good.json   verdict, label, who, when; written last
"""

from __future__ import annotations

import errno
import io
import json
import shutil
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from res2clip_runtime.errors import OutputError
from res2clip_runtime.inspection import utc_now
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.storage import output_error, write_atomically

__all__ = ["FeedbackStore", "Label"]

Label = Literal["good", "missed"]
"""``good``: it was good, whatever the line said; ``missed``: it was not."""

_LEAST_FREE = 0.02
"""Share of the disk that stays free for the others who write there."""


class FeedbackStore:
    """Adds to a folder and never takes away."""

    def __init__(self, folder: Path) -> None:
        """Write into ``folder``, which is made when it is needed."""
        self._folder = folder

    def keep(
        self,
        *,
        picture: PictureU8 | bytes,
        verdict: dict[str, Any],
        label: Label,
        comment: str,
        who: str,
    ) -> str:
        """Keep what somebody said of a part, on the disk when this returns; return its name.

        Args:
            picture: (H, W, 3) uint8 RGB as it was inspected, or the JPEG of the NG history.
            verdict: as JSON values, with the part's number.
            label: what they said.
            comment: in their own words; may be empty.
            who: they are.

        Raises:
            OutputError: there is no room, or the disk refused; nothing is kept of it.
        """
        moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S%f")[:-3] + "Z"
        name = f"{moment}-{verdict.get('number', 0)}-{label}"
        ending, data = ("jpg", picture) if isinstance(picture, bytes) else ("png", _png(picture))
        self._check_room(len(data))
        image = self._folder / f"{name}.{ending}"
        write_atomically(image, data)
        values = {
            "label": label,
            "comment": comment,
            "who": who,
            "when": utc_now(),
            "picture": image.name,
            "verdict": verdict,
        }
        text = json.dumps(values, ensure_ascii=False, indent=1)
        try:
            write_atomically(
                self._folder / f"{name}.json", text.encode("utf-8", "backslashreplace")
            )
        except OutputError:
            image.unlink(missing_ok=True)
            raise
        return name

    def _check_room(self, needed: int) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            disk = shutil.disk_usage(self._folder)
        except OSError as err:
            raise output_error(self._folder, err) from err
        if disk.free - needed < _LEAST_FREE * disk.total:
            raise OutputError(
                errno.ENOSPC,
                f"no room for feedback in {self._folder}: {disk.free / 1e6:.1f} MB of "
                f"{disk.total / 1e6:.1f} MB are free; free some space",
            )


def _png(picture: PictureU8) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", compress_level=3)
    return buffer.getvalue()
