"""Answers without an end: live pictures and events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable

from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from res2clip_runtime.web.connection import ABORT

__all__ = ["Streams"]

logger = logging.getLogger(__name__)

MOST = 64
"""Streams at once; each open page takes two."""
_GOODBYE_S = 0.5
_STUCK_S = 30.0
"""A viewer that takes nothing for so long is gone."""


class Streams:
    """All that are open; lives on the server's loop."""

    def __init__(self) -> None:
        """Begin with none."""
        self._open: set[_Stream] = set()

    def open(
        self,
        chunks: AsyncGenerator[bytes, None],
        *,
        media_type: str,
        allowed: Callable[[], bool],
    ) -> _Stream:
        """Return the answer (an ASGI application) that sends ``chunks`` as they come.

        Args:
            chunks: asked for the next one when the last has been taken: who is slow misses some.
            media_type: of the whole.
            allowed: asked every second whether the viewer may still look.

        Raises:
            HTTPException: there are too many already.
        """
        if len(self._open) >= MOST:
            raise HTTPException(503, f"{MOST} streams are open already; close a page")
        return _Stream(self._open, chunks, media_type, allowed)

    def tend(self) -> None:
        """End those whose viewers are gone or may not look any more."""
        for stream in list(self._open):
            if stream.stuck() or not stream.allowed():
                stream.end()

    def close(self) -> None:
        """End all."""
        for stream in list(self._open):
            stream.end()


class _Stream:
    def __init__(
        self,
        registry: set[_Stream],
        chunks: AsyncGenerator[bytes, None],
        media_type: str,
        allowed: Callable[[], bool],
    ) -> None:
        self._registry = registry
        self._chunks = chunks
        self._media_type = media_type
        self.allowed = allowed
        self._sending_since_s: float | None = None
        self._pump: asyncio.Task[None] | None = None

    def stuck(self) -> bool:
        since_s = self._sending_since_s
        return since_s is not None and asyncio.get_running_loop().time() - since_s > _STUCK_S

    def end(self) -> None:
        if self._pump is not None:
            self._pump.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", self._media_type.encode()), (b"x-accel-buffering", b"no")]
        self._registry.add(self)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            self._pump = asyncio.ensure_future(self._send_all(send))
            gone = asyncio.ensure_future(_disconnected(receive))
            try:
                await asyncio.wait({self._pump, gone}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._pump.cancel()
                gone.cancel()
                await asyncio.gather(self._pump, gone, return_exceptions=True)
            if not self._pump.cancelled() and (err := self._pump.exception()) is not None:
                logger.error("a defect of res2clip, please report it: a stream", exc_info=err)
            await _finish(scope, send)
        finally:
            self._registry.discard(self)
            await self._chunks.aclose()

    async def _send_all(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        async for chunk in self._chunks:
            self._sending_since_s = loop.time()
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            self._sending_since_s = None


async def _finish(scope: Scope, send: Send) -> None:
    """End the answer; a viewer who does not even take that is cut off."""
    last = {"type": "http.response.body", "body": b"", "more_body": False}
    try:
        await asyncio.wait_for(send(last), _GOODBYE_S)
    except asyncio.TimeoutError:
        scope["state"][ABORT]()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
