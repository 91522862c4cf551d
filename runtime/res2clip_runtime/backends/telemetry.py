"""Nothing on the edge box reports to anyone."""

from __future__ import annotations

import os

__all__ = ["forbid_telemetry"]


def forbid_telemetry() -> None:
    """Keep ONNX Runtime from making a device identifier and sending events to its maker.

    Its official wheels do both by default, also on Linux (Privacy.md in the wheel of 1.32).  Call
    this before the first ``import onnxruntime``: afterwards a first event may be on its way.
    Whoever wants the telemetry sets ``ORT_DISABLE_TELEMETRY=0`` in the environment.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
