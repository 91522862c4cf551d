"""Nothing on the edge box reports to anyone."""

from __future__ import annotations

import os
import sys

__all__ = ["forbid_telemetry"]


def forbid_telemetry() -> None:
    """Keep ONNX Runtime and OpenVINO from making identifiers and sending events to their makers.

    ONNX Runtime's official wheels do both by default, also on Linux (Privacy.md in the wheel of
    1.32).  Call this before the first ``import onnxruntime``: afterwards a first event may be on
    its way.  Whoever wants the telemetry sets ``ORT_DISABLE_TELEMETRY=0`` in the environment.

    OpenVINO's Python package writes an identifier to ``~/intel`` and sends an event when it is
    imported (``openvino/tools/ovc/__init__.py`` of 2026.4), through the package
    ``openvino_telemetry``.  Where that cannot be imported OpenVINO goes on in silence, and so does
    NNCF.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # None makes the import system raise ModuleNotFoundError for this name.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
