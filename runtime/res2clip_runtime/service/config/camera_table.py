"""The tables ``[[camera]]``."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from res2clip_runtime.errors import InputError
from res2clip_runtime.service.camera_plan import CameraPlan
from res2clip_runtime.sinks.backoff import Backoff
from res2clip_runtime.sources import CameraSettings, Source, open_source
from res2clip_runtime.sources.accepted_settings import refuse_ignored_settings

__all__ = ["CameraTable", "is_place_of_files"]

_SCHEME = re.compile(r"[a-z][a-z0-9+]*:", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraTable(CameraSettings):
    """Where pictures come from, and when the camera counts as lost."""

    source: str
    """A camera, stream, folder, pattern or video, as docs/cameras.md lists them."""
    name: str = "camera"
    """Name in results, health and logs; unique in the line."""
    stale_s: float = 2.0
    """A camera that runs freely and gives nothing for so long is lost and opened anew."""
    picture_timeout_s: float = 2.0
    """Longest wait for the picture after a trigger."""
    trigger_delay_ms: float = 200.0
    """A software trigger that a busy camera would get later than this is answered with ERROR."""
    retry_first_s: float = 0.2
    """Wait before a lost camera is opened anew; doubled after each failure."""
    retry_most_s: float = 5.0
    """Longest such wait."""

    def __post_init__(self) -> None:
        CameraSettings.__post_init__(self)
        if not self.source:
            raise InputError("source is empty, expected a camera, stream, folder or file")
        if not re.fullmatch(r"[\w.-]{1,64}", self.name):
            raise InputError(f"name is {self.name!r}, expected up to 64 letters, digits, and . _ -")
        for name in ("stale_s", "picture_timeout_s", "trigger_delay_ms"):
            if not 0 < getattr(self, name) < 1e6:
                raise InputError(f"{name} is {getattr(self, name)}, expected more than 0")
        if not 0 < self.retry_first_s <= self.retry_most_s < 1e6:
            raise InputError(
                f"retry_first_s is {self.retry_first_s} and retry_most_s {self.retry_most_s}, "
                "expected 0 < retry_first_s <= retry_most_s"
            )

    def plan(self, *, base: Path, exclude: Sequence[Path] = ()) -> CameraPlan:
        """Return what the camera's thread needs.

        Args:
            base: folder that a relative path in ``source`` is relative to.
            exclude: folders that are not looked into for pictures.

        Raises:
            InputError: the source does not take what is set.
        """
        place = self.place(base)
        settings = CameraSettings(
            **{
                field.name: getattr(self, field.name)
                for field in dataclasses.fields(CameraSettings)
            }
        )

        try:
            # Now and not in the camera's thread: waiting does not mend it.
            refuse_ignored_settings(place, settings)
        except InputError as err:
            raise InputError(f"camera {self.name}: {err}") from err

        def opened() -> Source:
            return open_source(place, exclude=exclude, settings=settings)

        size_px = (self.width, self.height) if self.width and self.height else None
        return CameraPlan(
            name=self.name,
            open=opened,
            trigger=self.trigger,
            stale_s=self.stale_s,
            picture_timeout_s=self.picture_timeout_s,
            trigger_delay_s=self.trigger_delay_ms / 1000,
            size_px=size_px,
            backoff=Backoff(first_s=self.retry_first_s, most_s=self.retry_most_s),
        )

    def place(self, base: Path) -> str:
        """Return ``source`` with a relative path made absolute."""
        if self.source.lower().startswith("watch:") and "://" not in self.source:
            return f"watch:{base / Path(self.source[6:]).expanduser()}"
        if not is_place_of_files(self.source):
            return self.source
        return str(base / Path(self.source).expanduser())


def is_place_of_files(place: str) -> bool:
    """Return whether ``place`` names files, not a camera or stream."""
    return not place.isdigit() and (not _SCHEME.match(place) or Path(place).exists())
