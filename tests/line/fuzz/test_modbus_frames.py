"""Frames that no PLC would send: the line goes on, and a good PLC gets right answers."""

from __future__ import annotations

import socket
import struct
from contextlib import ExitStack, closing

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from line.components.child import await_true
from line.components.plc import Plc
from line.fuzz.hostile_line import HostileLine

from res2clip_runtime.modbus.registers import StatusBit

quietly = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)


def connect(line: HostileLine) -> socket.socket:
    return socket.create_connection(("127.0.0.1", line.modbus), timeout=5)


def throw(line: HostileLine, *pieces: bytes) -> bytes:
    """Send ``pieces`` over one connection and return what came back until the peer had enough."""
    with closing(connect(line)) as peer:
        try:
            for piece in pieces:
                peer.sendall(piece)
            peer.shutdown(socket.SHUT_WR)
            answer = b""
            while block := peer.recv(4096):
                answer += block
        except (ConnectionError, TimeoutError):
            return b""
    return answer


def frame(body: bytes, *, transaction: int = 1, protocol: int = 0, length: int | None = None):
    size = len(body) + 1 if length is None else length
    return struct.pack(">HHHB", transaction, protocol, size, 1) + body


bodies = st.binary(max_size=260)
headers = st.builds(
    frame,
    bodies,
    transaction=st.integers(0, 0xFFFF),
    protocol=st.sampled_from([0, 0, 0, 1, 0xFFFF]),
    length=st.one_of(st.none(), st.integers(0, 0xFFFF)),
)
commands = st.builds(
    lambda function, address, count, rest: frame(
        struct.pack(">BHH", function, address, count) + rest
    ),
    st.integers(0, 0xFF),
    st.one_of(st.integers(0, 0xFFFF), st.sampled_from([0, 9, 10, 99, 100, 101, 103, 104])),
    st.one_of(st.integers(0, 0xFFFF), st.integers(0, 8)),
    bodies,
)


def test_frames_of_every_shape(level: HostileLine) -> None:
    @quietly
    @given(st.lists(st.one_of(bodies, headers, commands), min_size=1, max_size=12))
    def attack(pieces: list[bytes]) -> None:
        throw(level, *pieces)

    attack()


def test_a_good_plc_is_right_between_any_two_frames(level: HostileLine) -> None:
    @settings(quietly, max_examples=12)
    @given(st.lists(st.one_of(headers, commands), min_size=1, max_size=4))
    def attack(pieces: list[bytes]) -> None:
        throw(level, *pieces)
        level.check_plc()

    attack()


def test_reading_never_shows_ok_without_valid_or_beside_a_fault(level: HostileLine) -> None:
    @settings(quietly, max_examples=40)
    @given(commands)
    def attack(piece: bytes) -> None:
        throw(level, piece)
        with closing(connect(level)) as peer:
            peer.sendall(frame(struct.pack(">BHH", 3, 0, 10)))
            words = struct.unpack(">10H", peer.recv(64)[9:29])
        bits = StatusBit(words[0])
        if StatusBit.OK in bits:
            assert StatusBit.VALID in bits
            assert not bits & (StatusBit.NG | StatusBit.FAULT | StatusBit.NO_RESULT)
            assert words[2] == 0

    attack()


def test_broken_off_half_frames_leave_nothing_behind(level: HostileLine) -> None:
    whole = frame(struct.pack(">BHH", 3, 0, 10))
    for length in range(1, len(whole)):
        assert throw(level, whole[:length]) == b""


def test_slow_sender_gets_its_answer_and_delays_nobody(level: HostileLine) -> None:
    whole = frame(struct.pack(">BHH", 3, 0, 10))
    with closing(connect(level)) as slow:
        for number, byte in enumerate(whole):
            slow.sendall(bytes([byte]))
            if number in (2, 6, 9):
                level.check_plc()
        assert len(slow.recv(64)) == 29


def test_garbage_without_end_takes_no_memory(level: HostileLine) -> None:
    with closing(connect(level)) as peer:
        peer.settimeout(30)
        block = bytes(range(256)) * 256
        try:
            for _ in range(200):  # 13 MB
                peer.sendall(block)
        except ConnectionError:
            pass


def test_flood_of_connections_shuts_no_plc_out(level: HostileLine) -> None:
    before = level.descriptors
    with closing(Plc(level.modbus)) as working, ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(closing(connect(level)))
            working.cycle()
        # The PLC that works all the time is still connected, and a new one comes in as well.
        assert level.descriptors < before + 40
        level.check_plc()
        assert StatusBit.READY in working.cycle()
    await_true(lambda: level.descriptors <= before, "the connections are gone")
