"""Pictures of verdicts in a folder."""

from __future__ import annotations

import io
import re
from collections.abc import Collection
from pathlib import Path

from PIL import Image

from res2clip_runtime.overlay import draw_verdict
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.spec import sha256_hex
from res2clip_runtime.storage import write_atomically
from res2clip_runtime.verdict import Decision, Verdict

__all__ = ["PictureFolder", "picture_name"]

JPEG_QUALITY = 90


class PictureFolder:
    """Writes ``<frame id>.jpg`` for the wanted decisions, each file whole or not at all."""

    def __init__(self, folder: Path, *, decisions: Collection[Decision] = tuple(Decision)) -> None:
        """Write the pictures of verdicts with one of ``decisions`` into ``folder``."""
        self._folder = folder
        self._decisions = frozenset(decisions)

    def write(self, verdict: Verdict, picture: PictureU8 | None) -> None:
        """Draw the verdict on its (H, W, 3) uint8 RGB picture and save it.

        Raises:
            OutputError: the disk is full or not writable; no half picture is left.
        """
        if verdict.decision not in self._decisions:
            return
        buffer = io.BytesIO()
        drawn = Image.fromarray(draw_verdict(verdict, picture))
        drawn.save(buffer, format="JPEG", quality=JPEG_QUALITY)
        write_atomically(self._folder / picture_name(verdict.frame_id), buffer.getvalue())

    def close(self) -> None:
        """Do nothing: every picture is on the disk already."""


def picture_name(frame_id: str) -> str:
    """Return the file name for a frame, inside the folder whatever the frame is called.

    Subfolders are kept (``scratch/3.png`` -> ``scratch/3.png.jpg``); the ending stays, because
    ``3.png`` and ``3.bmp`` are two pictures.
    """
    parts = [re.sub(r"[^\w.#+=@ -]", "_", part) for part in frame_id.split("/")]
    # A leading dot would hide the file or climb out of the folder.
    name = "/".join(re.sub(r"^\.+", "_", part) or "_" for part in parts)
    if name == frame_id:
        return f"{name}.jpg"
    # Two frames may have become one name: a piece of the hash keeps them apart.
    return f"{name}-{sha256_hex(frame_id.encode())[:8]}.jpg"
