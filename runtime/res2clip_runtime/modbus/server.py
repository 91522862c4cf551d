"""The handshake served by Modbus TCP."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from typing import TYPE_CHECKING, Any

from res2clip_runtime.closable import Closable
from res2clip_runtime.errors import MissingExtraError, OutputError, Res2ClipError
from res2clip_runtime.modbus.config import ModbusConfig
from res2clip_runtime.modbus.connections import make_server
from res2clip_runtime.modbus.handshake import Handshake, Order, Trigger
from res2clip_runtime.modbus.registers import COMMANDS, STATUS
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.service.control import LineControl
from res2clip_runtime.service.health import ControlHealth
from res2clip_runtime.service.loop_thread import LoopThread
from res2clip_runtime.verdict import Verdict

if TYPE_CHECKING:
    from pymodbus.constants import ExcCodes
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import SimDevice

__all__ = ["ModbusServer"]

logger = logging.getLogger(__name__)

HEALTH_INTERVAL_S = 0.1
_FAREWELL_S = 5.0
_WORDS = sum(register.words for register in STATUS)
_FIRST_COMMAND = COMMANDS[0].address
_REGISTER_FUNCTIONS = (3, 4, 6, 16, 22, 23)


class ModbusServer(Closable):
    """Serves the register map on a thread of its own; triggers the line and shows its answers.

    It is a sink (``write``) and a listener of the line (``take``): one of the two is enough.
    """

    def __init__(self, config: ModbusConfig, control: LineControl) -> None:
        """Begin to listen.

        Raises:
            MissingExtraError: pymodbus is not installed.
            OutputError: the address is taken, is none of this machine's, or needs more rights.
        """
        try:
            import pymodbus.server  # noqa: F401
        except ImportError as err:
            raise MissingExtraError("pymodbus", extra="plc", purpose="Modbus TCP") from err
        self._config = config
        self._control = control
        self._handshake = Handshake(config)
        self._silent = False
        self._clients = 0
        self._end = asyncio.Event()
        self.port = config.port
        self._thread = LoopThread(self._serve, name="modbus")
        try:
            self._thread.start()
        except Exception as err:
            raise self._why_not(err) from err

    def take(self, verdict: Verdict) -> None:
        """Show a verdict, if it answers the PLC's trigger; never waits."""
        self._handshake.take(verdict, time.monotonic())

    def write(self, verdict: Verdict, picture: PictureU8 | None = None) -> None:
        """Do the same as ``take``, as a sink."""
        self.take(verdict)

    def health(self) -> ControlHealth:
        """Return whether a PLC is there."""
        reason = ""
        if not self._clients:
            reason = "no PLC is connected"
        elif self._handshake.plc_silent(time.monotonic()):
            reason = "the PLC's heartbeat stands still"
        return ControlHealth(
            name="modbus",
            state="silent" if reason else "ok",
            clients=self._clients,
            reason=reason,
        )

    def close(self) -> None:
        """End serving: the PLC sees the connection end."""
        self._thread.end(self._end.set, within_s=_FAREWELL_S)

    async def _serve(self) -> None:
        server = make_server(
            self._device(),
            address=(self._config.host, self._config.port),
            trace_connect=self._note_connection,
        )
        await server.serve_forever(background=True)
        self.port = _port_of(server)
        self._ask_health()
        self._thread.say_listening()
        try:
            while not self._end.is_set():
                self._ask_health()
                try:
                    await asyncio.wait_for(self._end.wait(), HEALTH_INTERVAL_S)
                except asyncio.TimeoutError:  # another class than TimeoutError before 3.11
                    continue
        finally:
            await server.shutdown()
            await asyncio.sleep(0)  # transports end on the loop's next turn

    def _device(self) -> SimDevice:
        from pymodbus.simulator import DataType, SimData, SimDevice

        words = DataType.REGISTERS
        return SimDevice(
            0,  # any device id
            simdata=[
                SimData(0, values=[0] * _WORDS, datatype=words, readonly=True),
                SimData(_FIRST_COMMAND, values=[0] * len(COMMANDS), datatype=words),
            ],
            action=self._access,
        )

    async def _access(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Bring the registers up to date before they are read; act on what is written."""
        from pymodbus.constants import ExcCodes

        if function not in _REGISTER_FUNCTIONS:
            return ExcCodes.ILLEGAL_FUNCTION
        now_s = time.monotonic()
        if values is not None:
            for order in self._handshake.command(address, [int(v) for v in values], now_s):
                self._ask_line(order)
        registers[:_WORDS] = self._handshake.status_words(now_s)
        return None

    def _ask_line(self, order: Order) -> None:
        try:
            if isinstance(order, Trigger):
                self._control.trigger(order.trigger_id)
            else:
                self._control.choose_recipe(order.product)
        except Exception as err:
            self._handshake.refused(order)
            if isinstance(err, Res2ClipError):
                logger.warning("the PLC asked for %s: %s", order, err)
            else:
                logger.exception("a defect of res2clip, please report it: %s", order)

    def _ask_health(self) -> None:
        try:
            health = self._control.health()
        except Exception:
            if not self._silent:
                logger.exception("a defect of res2clip, please report it: the line's health")
            self._silent = True
        else:
            self._silent = False
            self._handshake.note_health(health, time.monotonic())

    def _note_connection(self, connected: bool) -> None:
        self._clients = max(0, self._clients + (1 if connected else -1))
        logger.info("a Modbus client has %s", "connected" if connected else "gone")

    def _why_not(self, err: Exception) -> OutputError:
        place = f"{self._config.host}:{self._config.port}"
        reason = str(err)
        try:  # pymodbus keeps the reason to itself
            with socket.create_server((self._config.host, self._config.port)):
                pass
        except OSError as refused:
            reason = os.strerror(refused.errno) if refused.errno else str(refused)
        return OutputError(
            f"cannot listen for the PLC at {place}: {reason}; choose another modbus.host or "
            "modbus.port (below 1024 needs CAP_NET_BIND_SERVICE)"
        )


def _port_of(server: ModbusTcpServer) -> int:
    listener: Any = server.transport
    return int(listener.sockets[0].getsockname()[1])
