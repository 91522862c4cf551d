"""A PLC that works through the line's Modbus registers, as its program would."""

from __future__ import annotations

from line.components.child import await_true

from res2clip_runtime.modbus.registers import FaultCode, StatusBit


class Plc:
    """Beats at every cycle, triggers, looks at the answer."""

    def __init__(self, port: int) -> None:
        from pymodbus.client import ModbusTcpClient

        self._client = ModbusTcpClient("127.0.0.1", port=port, timeout=5)
        await_true(self._client.connect, "the Modbus server listens")
        self._beat = 0
        self._number = 0

    def cycle(self) -> StatusBit:
        """Beat, and return the status bits."""
        self._beat = (self._beat + 1) & 0xFFFF
        self._write(100, [self._beat])
        return StatusBit(self._words()[0])

    @property
    def fault(self) -> FaultCode:
        return FaultCode(self._words()[2])

    def await_status(self, wanted: StatusBit) -> None:
        """Cycle until all bits of ``wanted`` are set."""
        await_true(lambda: wanted & self.cycle() == wanted, f"{wanted!r}; fault {self.fault!r}")

    def inspect(self) -> StatusBit:
        """Trigger when the line is ready; return the bits of the answer."""
        self.await_status(StatusBit.READY)
        self._number += 1
        self._write(101, [0])
        self._write(101, [1, self._number])
        await_true(lambda: StatusBit.BUSY not in self.cycle(), "the trigger is answered")
        bits = self.cycle()
        assert StatusBit.VALID not in bits or self._words()[7] == self._number
        return bits

    def close(self) -> None:
        self._client.close()

    def _words(self) -> list[int]:
        answer = self._client.read_holding_registers(0, count=10, device_id=1)
        assert not answer.isError(), answer
        return list(answer.registers)

    def _write(self, address: int, words: list[int]) -> None:
        answer = self._client.write_registers(address, words, device_id=1)
        assert not answer.isError(), answer
