"""The OPC UA server on a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from typing import TYPE_CHECKING

from res2clip_runtime.closable import Closable
from res2clip_runtime.errors import MissingExtraError, OutputError, Res2ClipError
from res2clip_runtime.opcua.config import OpcuaConfig
from res2clip_runtime.opcua.own_certificate import OwnCertificate, own_certificate
from res2clip_runtime.opcua.trust_list import TrustList
from res2clip_runtime.opcua.vision_machine import VisionMachine
from res2clip_runtime.service.control import LineControl
from res2clip_runtime.service.health import ControlHealth
from res2clip_runtime.service.library_log import LibraryLog
from res2clip_runtime.service.loop_thread import LoopThread
from res2clip_runtime.service.users import UserBook
from res2clip_runtime.verdict import Verdict

if TYPE_CHECKING:
    from res2clip_runtime.opcua.gate import Gate
    from res2clip_runtime.opcua.guarded_server import GuardedServer
    from res2clip_runtime.opcua.vision_service import VisionService

__all__ = ["OpcuaServer"]

logger = logging.getLogger(__name__)

TICK_S = 0.1
_FAREWELL_S = 10.0
_VERDICTS_KEPT = 256
_USERS_EVERY = 20
"""Ticks between two looks at who may still be here."""


class OpcuaServer(Closable):
    """Serves jobs, results and health; a listener of the line (``take``)."""

    def __init__(
        self, config: OpcuaConfig, control: LineControl, *, line: str, triggers: bool
    ) -> None:
        """Begin to listen.

        Args:
            config: where, and for whom.
            control: the line.
            line: its name.
            triggers: whether jobs trigger it; otherwise they take what it inspects anyway.

        Raises:
            MissingExtraError: asyncua is not installed.
            InputError, ArtefactNotFoundError: certificate or users cannot be used.
            OutputError: the folder cannot be written, or the address not be listened on.
        """
        _check_library()
        self._config = config
        self._control = control
        self._line = line
        self._own = own_certificate(
            config.folder / "own",
            certificate=config.certificate,
            private_key=config.private_key,
            line=line,
            host=config.host,
        )
        self._trust = TrustList(config.folder)
        self._users = UserBook(config.users_file) if config.users_file is not None else None
        self._machine = VisionMachine(
            triggers=triggers, job_timeout_s=config.job_timeout_s, pause_s=config.pause_s
        )
        self._verdicts: deque[Verdict] = deque(maxlen=_VERDICTS_KEPT)
        self._ended: deque[str] = deque()
        self._news = asyncio.Event()
        self._end = False
        self._clients = 0
        self.port = config.port
        self._thread = LoopThread(self._serve, name="opcua")
        try:
            self._thread.start()
        except Exception as err:
            raise self._why_not(err) from err
        logger.info(
            "opcua: listening at opc.tcp://%s:%d as %s, certificate %s",
            config.host, self.port, self._own.application_uri, self._own.sha1,
        )  # fmt: skip

    def take(self, verdict: Verdict) -> None:
        """Leave a verdict for the server; never waits.

        A server that hangs loses the oldest: a job without its answer ends with ERROR.
        """
        self._verdicts.append(verdict.without_map())
        if not self._thread.call(self._news.set):
            self._verdicts.clear()  # the server has ended

    def health(self) -> ControlHealth:
        """Return whether a client is connected."""
        clients = self._clients
        return ControlHealth(
            name="opcua",
            state="ok" if clients else "silent",
            clients=clients,
            reason="" if clients else "no client is connected",
        )

    def close(self) -> None:
        """End serving: clients see their connections end."""
        self._end = True
        self._thread.end(self._news.set, within_s=_FAREWELL_S)

    async def _serve(self) -> None:
        with LibraryLog("asyncua", events=logger, strangers_cause_them=True):
            await self._serve_clients()

    async def _serve_clients(self) -> None:
        from res2clip_runtime.opcua.gate import Gate
        from res2clip_runtime.opcua.guarded_server import GuardedServer
        from res2clip_runtime.opcua.guarded_session import GuardedCore

        core = GuardedCore(clients=self._config.clients, on_session_end=self._session_ended)
        gate = Gate(self._trust, self._users, unsecured=self._config.on_loopback)
        server = GuardedServer(core, gate)
        service = await self._built(server, gate)
        await server.start()
        try:
            self.port = server.port
            self._thread.say_listening()
            await self._work(server, service)
        finally:
            await server.stop()

    async def _built(self, server: GuardedServer, gate: Gate) -> VisionService:
        from asyncua import ua

        from res2clip_runtime.opcua.address_space import AddressSpace
        from res2clip_runtime.opcua.result_events import ResultEvents
        from res2clip_runtime.opcua.vision_service import VisionService

        await server.init()
        await _introduce(server, self._own, self._config, self._line)
        policies = [
            ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
            ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
        ]
        if gate.unsecured:
            policies.append(ua.SecurityPolicyType.NoSecurity)
        server.set_security_policy(policies)
        tokens = ua.AnonymousIdentityToken if gate.users is None else ua.UserNameIdentityToken
        server.set_identity_tokens([tokens])
        space = AddressSpace(server)
        events = ResultEvents(server, space)
        service = VisionService(self._machine, self._control, space, events)
        await space.build(service.call)
        await events.build()
        await space.write({"Line": self._line})
        await service.tick()
        return service

    async def _work(self, server: GuardedServer, service: VisionService) -> None:
        ticks = 0
        while not self._end:
            try:
                while self._ended:
                    await service.session_ended(self._ended.popleft())
                while self._verdicts:
                    await service.take(self._verdicts.popleft())
                await service.tick()
                ticks += 1
                if ticks % _USERS_EVERY == 0:
                    server.end_those_removed()
            except Exception:  # a defect must not end the service without a word
                logger.exception("a defect of res2clip, please report it: the OPC UA server")
            self._clients = server.connections
            try:
                await asyncio.wait_for(self._news.wait(), TICK_S)
            except asyncio.TimeoutError:  # another class than TimeoutError before 3.11
                continue
            self._news.clear()

    def _session_ended(self, key: str) -> None:
        self._ended.append(key)
        self._news.set()

    def _why_not(self, err: Exception) -> Exception:
        if isinstance(err, Res2ClipError) or not isinstance(err, OSError):
            return err
        reason = os.strerror(err.errno) if err.errno else str(err)
        return OutputError(
            err.errno,
            f"cannot listen for OPC UA at {self._config.host}:{self._config.port}: {reason}; "
            "choose another opcua.host or opcua.port",
        )


async def _introduce(
    server: GuardedServer, own: OwnCertificate, config: OpcuaConfig, line: str
) -> None:
    """Say who the server is."""
    from datetime import datetime, timezone

    import res2clip_runtime

    server.set_endpoint(f"opc.tcp://{config.host}:{config.port}/res2clip")
    server.set_server_name(f"res2clip {line}")
    server.product_uri = "urn:res2clip"
    server.manufacturer_name = "res2clip"
    version = getattr(res2clip_runtime, "__version__", "")
    await server.set_application_uri(own.application_uri)
    await server.set_build_info(
        server.product_uri, "res2clip", server.name, version, "", datetime.now(timezone.utc)
    )
    await server.load_certificate(own.certificate_der, format="der")
    await server.load_private_key(own.private_key_pem, format="pem")


def _check_library() -> None:
    try:
        import asyncua  # noqa: F401
    except ImportError as err:
        raise MissingExtraError("asyncua", extra="opcua", purpose="OPC UA") from err
