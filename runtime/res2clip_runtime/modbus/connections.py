"""A Modbus TCP server whose connections are counted: a flood of them shuts nobody out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import SimDevice

__all__ = ["MOST_CONNECTIONS", "make_server"]

MOST_CONNECTIONS = 16
"""A plant has a PLC, its spare and a panel or two; each connection takes a descriptor."""
_FIRST_ERROR = 0x80
"""Function codes of answers that refuse."""


def make_server(
    device: SimDevice, *, address: tuple[str, int], trace_connect: Callable[[bool], None]
) -> ModbusTcpServer:
    """Return a server that ends the longest silent of ``MOST_CONNECTIONS`` when another comes.

    Refusing the new one instead would lock a PLC out that lost power a few times: of its old
    connections nobody ever hears the end.
    """
    from pymodbus.server import ModbusTcpServer
    from pymodbus.server.requesthandler import ServerRequestHandler

    class Connection(ServerRequestHandler):
        heard_s = 0.0

        def callback_connected(self) -> None:
            self.heard_s = time.monotonic()
            super().callback_connected()

        def callback_data(self, data: bytes, addr: Any = None) -> int:
            self.heard_s = time.monotonic()
            used = int(super().callback_data(data, addr))
            if self.last_pdu and self.last_pdu.function_code >= _FIRST_ERROR:
                self.last_pdu = None  # an answer where a request is due; pymodbus stumbles over it
            return used

    class Server(ModbusTcpServer):
        def callback_new_connection(self) -> Connection:
            known: list[Any] = list(self.active_connections.values())
            alive = [c for c in known if c.transport and not c.transport.is_closing()]
            alive.sort(key=lambda connection: connection.heard_s)
            for silent in alive[: max(0, len(alive) + 1 - MOST_CONNECTIONS)]:
                silent.transport.abort()
            given = (self, self.trace_packet, self.trace_pdu, self.trace_connect)
            return Connection(*given)  # type: ignore[no-untyped-call]

    return Server(device, address=address, trace_connect=trace_connect)
