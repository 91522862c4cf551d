"""The line as a Modbus TCP server: a PLC triggers, reads results and switches recipes."""

from __future__ import annotations

from res2clip_runtime.modbus.config import ModbusConfig
from res2clip_runtime.modbus.server import ModbusServer

__all__ = ["ModbusConfig", "ModbusServer"]
