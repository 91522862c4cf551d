"""Live pictures: each drawn once and sent to all who look, and none while nobody looks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from res2clip_runtime.web.heat_layer import draw_jpeg, heat_positions
from res2clip_runtime.web.recent_pictures import RecentPictures, Shot

__all__ = ["Drawn", "LivePictures"]

logger = logging.getLogger(__name__)

REPEAT_S = 0.25
"""A picture that no newer one follows within so long is sent once more."""

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
        self._asking = asyncio.Lock()
        self._asked: dict[_View, tuple[float, Drawn | None]] = {}

    def nudge(self) -> None:
        """Say that there is a newer picture; quick."""
        if self._channels:
            with suppress(RuntimeError):  # the server has ended
                self._loop.call_soon_threadsafe(self._announce)

    async def once(self, camera: str | None, *, heat: bool) -> Drawn | None:
        """Return the newest picture, or None while there is none."""
        view, shot = (camera, heat), self._recent.newest(camera)
        if shot is None:
            return None
        async with self._asking:  # who asks very often is given the same picture again
            at_s, drawn = self._asked.get(view, (-self._interval_s, None))
            fresh = self._loop.time() - at_s < self._interval_s
            if drawn is None or not (fresh or drawn.number == shot.number):
                drawn = await self._draw(shot, heat)
                self._asked[view] = (self._loop.time(), drawn)
            return drawn

    async def watch(self, camera: str | None, *, heat: bool) -> AsyncIterator[Drawn]:
        """Yield the newest picture and every newer one; who is slow misses some.

        After a moment without a newer one the last comes again: browsers show a picture of such a
        stream when the next begins, and would be a part behind where parts come one by one.
        """
        with self._looking((camera, heat)) as channel:
            seen: Drawn | None = None
            repeated = True
            while True:
                while channel.drawn is None or channel.drawn is seen:
                    if await _happens(channel.drawn_anew, None if repeated else REPEAT_S):
                        continue
                    assert seen is not None
                    repeated = True
                    yield seen
                seen, repeated = channel.drawn, False
                yield seen

    @contextmanager
    def _looking(self, view: _View) -> Iterator[_Channel]:
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
            shown = shot
            try:
                channel.drawn = await self._draw(shot, heat)
            except Exception:  # the next picture may be drawn
                logger.exception("a defect of res2clip, please report it: a live picture")
                continue
            event, channel.drawn_anew = channel.drawn_anew, asyncio.Event()
            event.set()
            await asyncio.sleep(max(0.0, self._interval_s - (self._loop.time() - began_s)))

    async def _draw(self, shot: Shot, heat: bool) -> Drawn:
        jpeg = await self._loop.run_in_executor(self._drawing, _draw, shot, heat)
        return Drawn(shot.number, jpeg)

    def _announce(self) -> None:
        event, self._changed = self._changed, asyncio.Event()
        event.set()


async def _happens(event: asyncio.Event, within_s: float | None) -> bool:
    """Return whether ``event`` is set within so many seconds."""
    try:
        await asyncio.wait_for(event.wait(), within_s)
    except asyncio.TimeoutError:
        return False
    return True


def _draw(shot: Shot, heat: bool) -> bytes:
    verdict = shot.verdict
    if not heat or verdict.anomaly_map is None or verdict.pixel_threshold is None:
        return draw_jpeg(shot.picture)
    boxes = [(r.left, r.top, r.width, r.height) for r in verdict.regions]
    positions = heat_positions(verdict.anomaly_map, verdict.pixel_threshold)
    return draw_jpeg(shot.picture, heat=positions, boxes=boxes)
