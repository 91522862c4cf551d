"""Live pictures: each drawn once and sent to all who look, and none while nobody looks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

from res2clip_runtime.web.heat_layer import draw_jpeg, heat_positions
from res2clip_runtime.web.recent_pictures import RecentPictures, Shot

__all__ = ["Drawn", "LivePictures"]

_View: TypeAlias = "tuple[str | None, bool]"
"""Camera (None: any) and whether with heat map."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A picture ready to be sent."""

    number: int
    """The part's."""
    jpeg: bytes = field(repr=False)
    """The picture."""


@dataclass(slots=True, eq=False)
class _Channel:
    """All who look at the same."""

    viewers: int = 0
    drawn: Drawn | None = None
    drawn_anew: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class LivePictures:
    """Lives on the server's loop; only :meth:`nudge` may be called from other threads."""

    def __init__(self, recent: RecentPictures, *, drawing: Executor, fps: float) -> None:
        """Draw pictures of ``recent`` in ``drawing``, each view at most ``fps`` times a second."""
        self._recent = recent
        self._drawing = drawing
        self._interval_s = 1 / fps
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._channels: dict[_View, _Channel] = {}

    def nudge(self) -> None:
        """Say that there is a newer picture; quick."""
        if self._channels:
            self._loop.call_soon_threadsafe(self._announce)

    async def once(self, camera: str | None, *, heat: bool) -> Drawn | None:
        """Return the newest picture, or None while there is none."""
        channel = self._channels.get((camera, heat))
        shot = self._recent.newest(camera)
        if shot is None:
            return None
        if channel is not None and channel.drawn and channel.drawn.number == shot.number:
            return channel.drawn
        return await self._draw(shot, heat)

    async def watch(self, camera: str | None, *, heat: bool) -> AsyncIterator[Drawn]:
        """Yield the newest picture and every newer one; who is slow misses some."""
        with self._looking((camera, heat)) as channel:
            seen: Drawn | None = None
            while True:
                while channel.drawn is None or channel.drawn is seen:
                    await channel.drawn_anew.wait()
                seen = channel.drawn
                yield seen

    @contextmanager
    def _looking(self, view: _View):  # type: ignore[no-untyped-def]  # a generator of _Channel
        channel = self._channels.setdefault(view, _Channel())
        channel.viewers += 1
        if channel.task is None:
            channel.task = self._loop.create_task(self._play(view, channel))
        try:
            yield channel
        finally:
            channel.viewers -= 1
            if not channel.viewers:
                channel.task.cancel()
                self._channels.pop(view, None)

    async def _play(self, view: _View, channel: _Channel) -> None:
        camera, heat = view
        shown: Shot | None = None
        while True:
            shot = self._recent.newest(camera)
            if shot is None or shot is shown:
                await self._changed.wait()
                continue
            began_s = self._loop.time()
            channel.drawn, shown = await self._draw(shot, heat), shot
            event, channel.drawn_anew = channel.drawn_anew, asyncio.Event()
            event.set()
            await asyncio.sleep(max(0.0, self._interval_s - (self._loop.time() - began_s)))

    async def _draw(self, shot: Shot, heat: bool) -> Drawn:
        jpeg = await self._loop.run_in_executor(self._drawing, _draw, shot, heat)
        return Drawn(shot.number, jpeg)

    def _announce(self) -> None:
        event, self._changed = self._changed, asyncio.Event()
        event.set()


def _draw(shot: Shot, heat: bool) -> bytes:
    verdict = shot.verdict
    if not heat or verdict.anomaly_map is None or verdict.pixel_threshold is None:
        return draw_jpeg(shot.picture)
    boxes = [(r.left, r.top, r.width, r.height) for r in verdict.regions]
    positions = heat_positions(verdict.anomaly_map, verdict.pixel_threshold)
    return draw_jpeg(shot.picture, heat=positions, boxes=boxes)
