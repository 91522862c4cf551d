"""The line as an OPC UA server, in the spirit of OPC 40100-1 (machine vision): docs/opcua.md."""

from __future__ import annotations

from res2clip_runtime.opcua.config import OpcuaConfig
from res2clip_runtime.opcua.server import OpcuaServer

__all__ = ["OpcuaConfig", "OpcuaServer"]
