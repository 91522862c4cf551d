"""What comes over the wire and is no OPC UA: inspection and good clients do not notice."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.common.connection import SecureConnection, TransportLimits
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.ua.ua_binary import nodeid_to_binary, struct_to_binary, uatcp_to_binary
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from line.components.child import await_true
from line.components.opcua_client import OpcuaClient
from line.components.served_line import Served

MOST_MB = 150
"""By which the process may grow while it is attacked; an attack that works takes gigabytes."""
ENDLESS = 0x7FFF_FFFF


def memory_mb() -> int:
    (kb,) = re.findall(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kb) // 1000


@contextlib.contextmanager
def unharmed(served: Served, client: OpcuaClient) -> Iterator[None]:
    """Whatever happens meanwhile, jobs are done as before and the memory is not filled."""
    before_mb, threads = memory_mb(), served.inspected
    yield
    (event,) = client.results_of(client.single())
    assert event["decision"] == "OK"
    client.await_state("Ready")
    assert served.inspected > threads
    assert memory_mb() - before_mb < MOST_MB


class Wire:
    """A connection on which anything can be sent."""

    def __init__(self, served: Served, source: str = "127.0.0.1") -> None:
        where = ("127.0.0.1", served.server.port)
        self._socket = socket.create_connection(where, 5, (source, 0))

    def send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # the server may have had enough
            self._socket.sendall(data)

    def answer(self) -> bytes:
        """Return the next packet; empty when the server has hung up."""
        try:
            head = self._exactly(8)
            return head + self._exactly(struct.unpack("<I", head[4:])[0] - 8)
        except (OSError, EOFError):
            return b""

    def ended(self) -> bool:
        """Return whether the server hangs up, after whatever it has to say."""
        while data := self.answer():
            assert data[:3] in (b"ERR", b"ACK", b"OPN", b"MSG")
        return True

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *unused: object) -> None:
        self._socket.close()


HELLO = uatcp_to_binary(
    ua.MessageType.Hello,
    ua.Hello(0, 65535, 65535, 0, 0, "opc.tcp://127.0.0.1/res2clip"),
)


class Channel(Wire):
    """One that has opened a channel without security, as every stranger may."""

    def __init__(self, served: Served) -> None:
        super().__init__(served)
        self._connection = SecureConnection(SecurityPolicyNone(), TransportLimits())
        self.send(HELLO)
        assert self.answer()[:3] == b"ACK"
        request = ua.OpenSecureChannelRequest()
        request.Parameters.RequestType = ua.SecurityTokenRequestType.Issue
        request.Parameters.SecurityMode = ua.MessageSecurityMode.None_
        request.Parameters.RequestedLifetime = 60_000
        self.send(self.packet(struct_to_binary(request), ua.MessageType.SecureOpen))
        answer = self.answer()
        assert answer[:3] == b"OPN"
        self._connection.security_token.ChannelId = struct.unpack("<I", answer[8:12])[0]
        self._connection.security_token.TokenId = 13

    def packet(self, body: bytes, kind: bytes = ua.MessageType.SecureMessage) -> bytes:
        return self._connection.message_to_binary(body, message_type=kind, request_id=1)

    def request(self, service: int, parameters: bytes, extra: bytes = b"") -> bytes:
        """Return a request; ``extra`` stands where its additional header is."""
        header = struct_to_binary(ua.RequestHeader())
        header = header[:-3] + extra if extra else header
        return self.packet(nodeid_to_binary(ua.NodeId(service)) + header + parameters)


def literal(variant: bytes) -> bytes:
    """Return an extension object that holds any value."""
    kind = struct.pack("<BBH", 1, 0, ua.ObjectIds.LiteralOperand_Encoding_DefaultBinary)
    return kind + b"\x01" + struct.pack("<i", len(variant)) + variant


ENDPOINTS = ua.ObjectIds.GetEndpointsRequest_Encoding_DefaultBinary
SESSION = ua.ObjectIds.CreateSessionRequest_Encoding_DefaultBinary
EXTRAS = {
    "2^31 Nulls": literal(b"\x80" + struct.pack("<i", ENDLESS)),
    "2^31 texts that each step back": literal(
        b"\x8c" + struct.pack("<i", ENDLESS) + struct.pack("<i", -4) * 4
    ),
    "a text of negative length": literal(b"\x0c" + struct.pack("<i", -ENDLESS)),
    "dimensions without elements": b"".join(
        literal(b"\xc0" + struct.pack("<iii", 0, 1, 1_000_000)) for _ in range(1)
    ),
    "variants in variants": literal(b"\x18" * 5000 + b"\x01\x01"),
}


@pytest.mark.parametrize("name", EXTRAS)
def test_a_value_that_claims_to_be_endless_ends_the_connection_and_nothing_else(
    served: Served, client: OpcuaClient, name: str
) -> None:
    with unharmed(served, client), Channel(served) as stranger:
        parameters = struct_to_binary(ua.GetEndpointsParameters())
        stranger.send(stranger.request(ENDPOINTS, parameters, EXTRAS[name]))
        answer = stranger.answer()
        assert answer[:3] in (b"ERR", b"MSG", b"")  # refused, or a fault of this request


def test_a_list_that_claims_to_be_endless_is_refused(served: Served, client: OpcuaClient) -> None:
    with unharmed(served, client), Channel(served) as stranger:
        url = struct.pack("<i", -1)
        endless = struct.pack("<i", ENDLESS) + struct.pack("<i", -4) * 8
        stranger.send(stranger.request(ENDPOINTS, url + endless))
        assert b"urn:" not in stranger.answer()


@pytest.mark.parametrize("size", [0, 7, 12, 65_536, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_a_packet_that_is_too_long_or_too_short_ends_the_connection(
    served: Served, client: OpcuaClient, size: int
) -> None:
    with unharmed(served, client), Wire(served) as stranger:
        stranger.send(b"HELF" + struct.pack("<I", size) + bytes(100))
        assert stranger.ended()


def test_a_message_of_endless_parts_ends_at_a_megabyte(served: Served, client: OpcuaClient) -> None:
    with unharmed(served, client), Channel(served) as stranger:
        for _ in range(60):
            part = bytearray(stranger.packet(bytes(60_000)))
            part[3:4] = b"C"  # there is more to come
            stranger.send(bytes(part))
        assert stranger.ended()


def test_a_client_that_asks_and_never_reads_is_cut_off(served: Served, client: OpcuaClient) -> None:
    with unharmed(served, client), Channel(served) as stranger:
        stranger._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stranger._socket.settimeout(5)
        ask = struct_to_binary(ua.GetEndpointsParameters(EndpointUrl="opc.tcp://x"))

        def cut_off() -> bool:
            try:
                for _ in range(20):
                    stranger._socket.sendall(stranger.request(ENDPOINTS, ask))
            except OSError:
                return True
            return False

        await_true(cut_off, "the client is cut off")


def test_a_stranger_who_holds_connections_keeps_out_neither_old_clients_nor_new_ones(
    served: Served, client: OpcuaClient
) -> None:
    with unharmed(served, client), contextlib.ExitStack() as stack:
        strangers = [stack.enter_context(Wire(served, "127.0.0.3")) for _ in range(30)]
        assert strangers[-1].ended()
        other = stack.enter_context(OpcuaClient())
        other.connect(served.server.port)
        assert other.state == "Ready"


PACKETS = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda kind, chunk, size, body: kind + chunk + struct.pack("<I", size) + body,
        st.sampled_from([b"HEL", b"ACK", b"ERR", b"OPN", b"MSG", b"CLO", b"RHE", b"XXX"]),
        st.sampled_from([b"F", b"C", b"A", b"?"]),
        st.one_of(st.integers(0, 400), st.integers(0, 2**32 - 1)),
        st.binary(max_size=300),
    ),
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(hello=st.booleans(), packets=st.lists(PACKETS, max_size=4))
def test_garbage_never_stops_inspection(
    served: Served, client: OpcuaClient, hello: bool, packets: list[bytes]
) -> None:
    with Wire(served) as stranger:
        if hello:
            stranger.send(HELLO)
        for packet in packets:
            stranger.send(packet)
    assert client.read("Line") == "line3"


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    service=st.sampled_from([ENDPOINTS, SESSION, *range(420, 440), 527, 629, 673, 710, 787, 826]),
    body=st.binary(max_size=300),
    value=st.binary(max_size=60),
)
def test_garbage_in_a_channel_never_stops_inspection(
    served: Served, client: OpcuaClient, service: int, body: bytes, value: bytes
) -> None:
    with Channel(served) as stranger:
        stranger.send(stranger.request(service, body, literal(value)))
        stranger.send(stranger.request(service, body))
        stranger.answer()
    assert client.read("Line") == "line3"


def test_after_all_that_the_line_works_as_before(served: Served, client: OpcuaClient) -> None:
    with unharmed(served, client):
        await_true(lambda: served.server.health().clients == 1, "all strangers are gone")
