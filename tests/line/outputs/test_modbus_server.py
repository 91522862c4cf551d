"""The handshake over the wire: a real client, a real server, a line that really inspects."""

from __future__ import annotations

import dataclasses
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from drawn_parts import draw_part
from line_waiting import wait_until
from small_line import SmallLine

from res2clip_runtime.errors import OutputError
from res2clip_runtime.modbus import ModbusConfig, ModbusServer
from res2clip_runtime.modbus.registers import NO_SCORE, FaultCode, StatusBit
from res2clip_runtime.sinks import SinkWorker

READY, BUSY, VALID = StatusBit.READY, StatusBit.BUSY, StatusBit.VALID
GOOD, BAD, FAULT = StatusBit.OK, StatusBit.NG, StatusBit.FAULT
ANY_PORT = ModbusConfig(
    port=0, recipes={1: "washer", 2: "nut"}, result_timeout_s=20.0, plc_heartbeat_s=5.0
)
SUPERVISED = dataclasses.replace(ANY_PORT, plc_heartbeat_s=0.8)


class Plc:
    """A PLC's program: a heartbeat at every cycle, a trigger, a look at the answer."""

    def __init__(self, port: int) -> None:
        from pymodbus.client import ModbusTcpClient

        self.client = ModbusTcpClient("127.0.0.1", port=port, timeout=5)
        assert self.client.connect()
        self._beat = 0

    def cycle(self) -> tuple[StatusBit, FaultCode]:
        self._beat = (self._beat + 1) & 0xFFFF
        self.writes(100, [self._beat])
        return self.looks()

    def looks(self) -> tuple[StatusBit, FaultCode]:
        words = self.reads(0, 10)
        return StatusBit(words[0]), FaultCode(words[2])

    def reads(self, address: int, count: int) -> list[int]:
        answer = self.client.read_holding_registers(address, count=count, device_id=1)
        assert not answer.isError(), answer
        return list(answer.registers)

    def writes(self, address: int, words: list[int]) -> None:
        answer = self.client.write_registers(address, words, device_id=1)
        assert not answer.isError(), answer

    def trigger(self, number: int, *, recipe: int = 0) -> None:
        self._beat += 1
        self.writes(101, [0])
        self.writes(100, [self._beat, 1, number, recipe])

    def awaits(self, condition: Callable[[StatusBit], object]) -> tuple[StatusBit, FaultCode]:
        """Cycle until the status is as wanted; return it."""
        seen: list[tuple[StatusBit, FaultCode]] = []

        def holds() -> object:
            seen.append(self.cycle())
            return condition(seen[-1][0])

        wait_until(holds, what="the PLC waits for a status")
        return seen[-1]

    def answered(self) -> tuple[StatusBit, FaultCode]:
        return self.awaits(lambda bits: BUSY not in bits)

    def close(self) -> None:
        self.client.close()


@pytest.fixture
def start(line: SmallLine) -> Iterator[Callable[[ModbusConfig], tuple[ModbusServer, Plc]]]:
    """Start a server on the line's answers, and a PLC that has found it ready."""
    running: list[ModbusServer | SinkWorker | Plc] = []

    def begin(config: ModbusConfig = ANY_PORT) -> tuple[ModbusServer, Plc]:
        server = ModbusServer(config, line)
        worker = SinkWorker(server, name="modbus", pictures=False)
        line.add_listener(lambda verdict: worker.offer(verdict, None))
        plc = Plc(server.port)
        running.extend([plc, worker])
        plc.awaits(lambda bits: READY in bits)
        return server, plc

    yield begin
    for each in running:
        each.close()


Start = Callable[..., tuple[ModbusServer, Plc]]


def test_a_plc_goes_through_the_whole_handshake(start: Start, line: SmallLine) -> None:
    _, plc = start()
    assert plc.looks() == (READY, FaultCode.NONE)
    line.hold()
    plc.trigger(number=17)
    assert plc.looks() == (BUSY, FaultCode.NONE)  # already when the write is answered
    line.go_on()
    assert plc.answered() == (READY | VALID | GOOD, FaultCode.NONE)
    line.picture = draw_part(9, scratched=True)
    plc.trigger(number=18)
    assert plc.answered() == (READY | VALID | BAD, FaultCode.NONE)
    words = plc.reads(0, 10)
    (score,) = struct.unpack(">i", struct.pack(">HH", *words[4:6]))
    assert score == round(line.verdicts[-1].score * 1000)
    assert (words[3], words[6], words[7], words[9]) == (2, 1, 18, 1)
    assert len(line.verdicts) == len(line.triggered) == 2


def test_a_picture_that_cannot_be_inspected_is_ng_without_a_result(
    start: Start, line: SmallLine
) -> None:
    _, plc = start()
    line.picture = None
    plc.trigger(number=1)
    bits, fault = plc.answered()
    assert bits == READY | VALID | BAD | FAULT | StatusBit.NO_RESULT
    assert fault is FaultCode.NO_RESULT
    assert struct.unpack(">i", struct.pack(">HH", *plc.reads(4, 2))) == (NO_SCORE,)


def test_the_plc_switches_the_recipe_with_its_trigger(start: Start, line: SmallLine) -> None:
    _, plc = start()
    line.picture = draw_part(3)
    plc.trigger(number=1, recipe=2)
    bits, _ = plc.answered()
    assert VALID in bits
    assert line.verdicts[-1].product == "nut"
    wait_until(lambda: plc.reads(6, 1) == [2])
    plc.trigger(number=2, recipe=3)
    assert plc.answered() == (BAD | FAULT, FaultCode.RECIPE)
    plc.trigger(number=3, recipe=1)
    bits, fault = plc.answered()
    assert (VALID in bits, fault) == (True, FaultCode.NONE)
    assert line.verdicts[-1].product == "washer"


def test_a_client_gone_in_the_middle_finds_a_void_result_when_it_is_back(
    start: Start, line: SmallLine
) -> None:
    server, plc = start(SUPERVISED)
    line.hold()
    plc.trigger(number=5)
    plc.close()
    with closing(Plc(server.port)) as display:  # somebody else who only looks
        wait_until(lambda: display.looks() == (BAD | FAULT, FaultCode.PLC_HEARTBEAT))
    line.go_on()
    wait_until(lambda: line.verdicts)
    with closing(Plc(server.port)) as again:
        again._beat = 1000
        bits, fault = again.awaits(lambda bits: READY in bits)
        assert (bits, fault) == (READY | BAD | FAULT, FaultCode.PLC_HEARTBEAT)
        assert again.reads(7, 1) == [5]
        again.trigger(number=6)
        assert again.answered() == (READY | VALID | GOOD, FaultCode.NONE)


def test_a_heartbeat_that_stops_voids_an_ok_that_stands(start: Start) -> None:
    _, plc = start(SUPERVISED)
    plc.trigger(number=1)
    assert GOOD in plc.answered()[0]
    wait_until(lambda: FAULT in plc.looks()[0])  # looking is no sign of life
    assert plc.looks() == (BAD | FAULT, FaultCode.PLC_HEARTBEAT)


def test_whether_a_plc_is_there_is_seen_in_the_health(start: Start) -> None:
    server, plc = start(SUPERVISED)
    plc.cycle()
    health = server.health()
    assert (health.name, health.state, health.clients, health.reason) == ("modbus", "ok", 1, "")
    wait_until(lambda: server.health().state == "silent", what="the heartbeat is missed")
    assert server.health().reason == "the PLC's heartbeat stands still"
    plc.cycle()
    assert server.health().state == "ok"
    plc.close()
    wait_until(lambda: server.health().clients == 0, what="the PLC is gone")
    assert server.health().reason == "no PLC is connected"


def test_a_line_too_slow_for_the_plc_is_late_and_its_answer_void(
    start: Start, line: SmallLine
) -> None:
    _, plc = start(dataclasses.replace(ANY_PORT, result_timeout_s=0.2))
    line.hold()
    plc.trigger(number=1)
    assert plc.answered() == (READY | BAD | FAULT, FaultCode.LATE)
    line.go_on()
    wait_until(lambda: line.verdicts)
    assert line.verdicts[0].decision.value == "OK"
    assert plc.cycle() == (READY | BAD | FAULT, FaultCode.LATE)


def test_a_camera_that_is_lost_voids_the_result_and_stops_triggers_from_being_ok(
    start: Start, line: SmallLine
) -> None:
    _, plc = start()
    plc.trigger(number=1)
    assert GOOD in plc.answered()[0]
    line.camera_is(state="lost")
    _, fault = plc.awaits(lambda bits: FAULT in bits)
    assert fault is FaultCode.CAMERA
    plc.trigger(number=2)
    wait_until(lambda: len(line.verdicts) == 2)  # the line answers nonetheless
    assert plc.answered() == (BAD | FAULT, FaultCode.CAMERA)
    line.camera_is(state="ready")
    plc.awaits(lambda bits: READY in bits)
    plc.trigger(number=3)
    assert plc.answered() == (READY | VALID | GOOD, FaultCode.NONE)


def test_a_line_that_breaks_stops_the_heartbeat_and_voids_the_result(
    start: Start, line: SmallLine
) -> None:
    _, plc = start()
    plc.trigger(number=1)
    assert GOOD in plc.answered()[0]
    line.health_breaks = True
    _, fault = plc.awaits(lambda bits: FAULT in bits)
    assert fault is FaultCode.LINE_SILENT
    before = plc.reads(1, 1)
    plc.awaits(lambda bits: True)
    assert plc.reads(1, 1) == before


def test_a_trigger_that_the_line_refuses_is_ng(start: Start, line: SmallLine) -> None:
    _, plc = start()
    line.refuses = True
    plc.trigger(number=1)
    assert plc.answered() == (READY | BAD | FAULT, FaultCode.REFUSED)


def test_a_trigger_before_the_answer_voids_both(start: Start, line: SmallLine) -> None:
    _, plc = start()
    line.hold()
    plc.trigger(number=1)
    plc.trigger(number=2)
    assert plc.looks() == (READY | BAD | FAULT, FaultCode.OVERRUN)
    line.go_on()
    wait_until(lambda: line.verdicts)
    assert plc.cycle() == (READY | BAD | FAULT, FaultCode.OVERRUN)
    assert len(line.triggered) == 1


def test_a_hundred_triggers_are_answered_one_by_one(start: Start, line: SmallLine) -> None:
    _, plc = start()
    good, scratched = draw_part(0), draw_part(9, scratched=True)
    for number in range(100):
        line.picture = scratched if number % 3 == 0 else good
        plc.trigger(number=number)
        bits, _ = plc.answered()
        assert bits == READY | VALID | (BAD if number % 3 == 0 else GOOD)
        assert plc.reads(7, 1) == [number]
    assert plc.reads(3, 1) == [100]


def test_both_read_functions_answer_and_nothing_else_can_be_touched(start: Start) -> None:
    _, plc = start()
    both = plc.client.read_input_registers(9, count=1, device_id=1)
    assert both.registers == plc.reads(9, 1) == [1]
    for answer in (
        plc.client.write_register(0, 0xFFFF, device_id=1),
        plc.client.write_registers(3, [1, 2], device_id=1),
        plc.client.write_registers(102, [1, 2, 3], device_id=1),
        plc.client.write_coil(0, True, device_id=1),
        plc.client.read_coils(0, count=8, device_id=1),
        plc.client.read_holding_registers(8, count=5, device_id=1),
    ):
        assert answer.isError(), answer
    assert plc.cycle()[0] == READY
    assert plc.client.read_holding_registers(9, count=1, device_id=77).registers == [1]


def test_garbage_on_the_wire_hurts_nobody(start: Start) -> None:
    server, plc = start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as rude:
        rude.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(range(256)) * 20)
        plc.trigger(number=1)
        assert plc.answered() == (READY | VALID | GOOD, FaultCode.NONE)
    plc.trigger(number=2)
    assert GOOD in plc.answered()[0]


def test_several_clients_read_whole_snapshots_while_results_change(
    start: Start, line: SmallLine
) -> None:
    server, plc = start()
    wrong: list[list[int]] = []
    done = threading.Event()

    def watch() -> None:
        with closing(Plc(server.port)) as display:
            while not done.is_set():
                words = display.reads(0, 10)
                bits = StatusBit(words[0])
                has_score = words[4:6] != [0x8000, 0]
                if (VALID in bits) != has_score or (BUSY in bits and VALID in bits):
                    wrong.append(words)

    watchers = [threading.Thread(target=watch) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    for number in range(30):
        plc.trigger(number=number)
        plc.answered()
    done.set()
    for watcher in watchers:
        watcher.join()
    assert not wrong


def test_a_port_that_is_taken_is_said_so(start: Start, line: SmallLine) -> None:
    server, _ = start()
    with pytest.raises(OutputError, match=r"Address already in use; choose another modbus\.host"):
        ModbusServer(ModbusConfig(port=server.port), line)
    with pytest.raises(OutputError, match=r"choose another modbus\.host"):
        ModbusServer(ModbusConfig(host="192.0.2.1", port=0), line)


def test_closing_ends_the_connections_at_once(start: Start) -> None:
    server, plc = start()
    server.close()
    server.close()
    begin = time.monotonic()
    from pymodbus.exceptions import ModbusException

    with pytest.raises((ModbusException, AssertionError, OSError)):
        plc.looks()
    assert time.monotonic() - begin < 30
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), timeout=1)
