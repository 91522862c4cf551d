"""The page and the HTTP API on a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from res2clip_runtime.closable import Closable
from res2clip_runtime.errors import InputError, MissingExtraError, OutputError
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.service.control import LineControl
from res2clip_runtime.service.library_log import LibraryLog
from res2clip_runtime.sinks.metrics_figures import MetricsFigures
from res2clip_runtime.sinks.worker import SinkWorker
from res2clip_runtime.verdict import Verdict
from res2clip_runtime.web.config import WebConfig
from res2clip_runtime.web.ng_shelf import NgShelf
from res2clip_runtime.web.part_numbers import PartNumbers
from res2clip_runtime.web.parts_history import PartsHistory
from res2clip_runtime.web.recent_pictures import RecentPictures, Shot
from res2clip_runtime.web.tls_server import server_context
from res2clip_runtime.web.work_threads import WorkThreads

if TYPE_CHECKING:
    import uvicorn

    from res2clip_runtime.web.state import State

__all__ = ["WebServer"]

logger = logging.getLogger(__name__)

_STOP_S = 1
"""Seconds that answers under way have to end."""


class WebServer(Closable):
    """Serves the page; takes verdicts from the line and never holds it up."""

    def __init__(
        self, config: WebConfig, control: LineControl, *, add_sink: Callable[[SinkWorker], None]
    ) -> None:
        """Begin to listen.

        Args:
            config: its folder is absolute.
            control: the line.
            add_sink: of the line, which closes what is added.

        Raises:
            MissingExtraError: starlette or uvicorn is not installed.
            OutputError: the address is taken or is none of this machine's, or the folder cannot
                be written.
            InputError, ArtefactNotFoundError: certificate, key or users cannot be used.
        """
        try:
            import prometheus_client  # noqa: F401
            import starlette  # noqa: F401
            import uvicorn  # noqa: F401
        except ImportError as err:
            raise MissingExtraError(
                "starlette, uvicorn or prometheus-client", extra="web", purpose="the page"
            ) from err
        self._config = config
        self._control = control
        self._tls = (
            server_context(config.certificate, config.private_key)
            if config.certificate and config.private_key
            else None
        )
        ng = self._ng = NgShelf(config.folder / "ng", keep=config.keep_ng)
        self._numbers = PartNumbers(config.folder / "part_numbers.json")
        self._parts = PartsHistory(keep=config.keep_parts, first_number=self._numbers.first)
        self._recent = RecentPictures()
        self._figures = MetricsFigures(control, extra="web")
        self._socket = _listening(config.host, config.port)
        self.port = int(self._socket.getsockname()[1])
        self._work = WorkThreads(8, name="web-work")
        self._drawing = WorkThreads(1, name="web-drawing")
        self._state: State | None = None
        self._uvicorn: uvicorn.Server | None = None
        self._trouble: Exception | None = None
        self._begun = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._thread.start()
        self._begun.wait()
        if self._trouble is not None:
            self.close()
            raise self._trouble
        control.add_listener(self.take)
        add_sink(SinkWorker(_Pictures(self.show), name="page", capacity=32))
        add_sink(SinkWorker(_Pictures(self.keep), name="page-ng", capacity=8, wants=ng.wants))
        logger.info("page: %s", self.url)

    @property
    def url(self) -> str:
        """Where the page is."""
        host = f"[{self._config.host}]" if ":" in self._config.host else self._config.host
        return f"http{'s' if self._tls else ''}://{host}:{self.port}/"

    def take(self, verdict: Verdict) -> None:
        """Number a verdict and tell those who watch; quick."""
        number = self._parts.add(verdict)
        self._figures.count(verdict)
        state = self._state
        if state is not None:
            state.answers.take(verdict)
            state.events.publish("verdict", lambda: {**verdict.to_json(), "number": number})

    def show(self, verdict: Verdict, picture: PictureU8) -> None:
        """Keep a verdict's picture, and draw it if anybody looks."""
        number = self._parts.number_of(verdict)
        if number is not None:
            self._recent.put(Shot(number=number, verdict=verdict, picture=picture))
            if self._state is not None:
                self._state.live.nudge()
        self._numbers.keep_ahead(self._parts.next_number)

    def keep(self, verdict: Verdict, picture: PictureU8) -> None:
        """Keep an NG part for the history.

        Raises:
            OutputError: the disk refused.
        """
        number = self._parts.number_of(verdict)
        if number is None:
            return  # the disk was away for a thousand parts
        ng_id = self._ng.put(number, verdict, picture)
        if self._state is not None:
            self._state.changed("ng", id=ng_id, number=number)

    def close(self) -> None:
        """End serving; open streams are ended, answers under way have a second."""
        if self._closed:
            return
        self._closed = True
        if self._state is not None:
            self._state.ending = True
        if self._uvicorn is not None:
            self._uvicorn.should_exit = True
        self._thread.join()
        self._socket.close()
        self._drawing.close(0.5)
        self._work.close(0.5)

    def _run(self) -> None:
        try:
            with LibraryLog("uvicorn", events=logger):
                asyncio.run(self._serve())
        except Exception as err:  # it is raised where the server was wanted
            logger.exception("a defect of res2clip, please report it: the page")
            self._trouble = err
        finally:
            self._state = None
            self._begun.set()

    async def _serve(self) -> None:
        import uvicorn

        from res2clip_runtime.web.app import build_app
        from res2clip_runtime.web.bounded_server import BoundedServer
        from res2clip_runtime.web.connection import Connection

        try:
            state = self._build_state()
        except (InputError, OSError) as err:
            self._trouble = err
            return
        settings = uvicorn.Config(
            build_app(state),
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # whoever sets them could be anybody
            timeout_graceful_shutdown=_STOP_S,
        )
        server = BoundedServer(settings, listener=self._socket, tls=self._tls)
        tending = asyncio.ensure_future(self._tend(state, server))
        await server.serve()
        tending.cancel()

    async def _tend(self, state: State, server: uvicorn.Server) -> None:
        """Once a second: tell the line's health, end streams of those who are gone."""
        while not server.started:
            await asyncio.sleep(0.005)
        self._state, self._uvicorn = state, server
        self._begun.set()
        ticks = 0
        while not server.should_exit:
            if ticks % 10 == 0:
                self._look(state)
            ticks += 1
            await asyncio.sleep(0.1)
        state.streams.close()

    def _look(self, state: State) -> None:
        try:
            health = self._control.health()
            state.events.publish("health", lambda: state.health_values(health))
            state.notice_product(health)
            state.streams.tend()
        except Exception:  # the next look may succeed
            logger.exception("a defect of res2clip, please report it: the page's health")

    def _build_state(self) -> State:
        from res2clip_runtime.web.access import Access
        from res2clip_runtime.web.audit_log import AuditLog
        from res2clip_runtime.web.events import Events
        from res2clip_runtime.web.feedback_store import FeedbackStore
        from res2clip_runtime.web.live_pictures import LivePictures
        from res2clip_runtime.web.state import State
        from res2clip_runtime.web.static_files import load_static
        from res2clip_runtime.web.streams import Streams
        from res2clip_runtime.web.teaching_tray import TeachingTray
        from res2clip_runtime.web.trigger_answers import TriggerAnswers

        config = self._config
        return State(
            config=config,
            control=self._control,
            access=Access(config, port=self.port),
            audit=AuditLog(config.folder),
            parts=self._parts,
            recent=self._recent,
            live=LivePictures(self._recent, drawing=self._drawing, fps=config.fps),
            events=Events(),
            answers=TriggerAnswers(),
            streams=Streams(),
            tray=TeachingTray(),
            ng=self._ng,
            feedback=FeedbackStore(config.folder / "feedback"),
            static=load_static(Path(__file__).with_name("static")),
            figures=self._figures,
            work=self._work,
        )


class _Pictures:
    """A sink that passes verdicts on with their pictures."""

    def __init__(self, take: Callable[[Verdict, PictureU8], None]) -> None:
        self._take = take

    def write(self, verdict: Verdict, picture: PictureU8 | None) -> None:
        if picture is not None:
            self._take(verdict, picture)

    def close(self) -> None:
        pass


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as err:
        raise OutputError(
            err.errno,
            f"cannot listen at {host}:{port}: {err.strerror or err}; "
            "choose another web.host or web.port",
        ) from err
