"""Which commands each state of the vision machine takes."""

from __future__ import annotations

from res2clip_runtime.opcua.vision_machine import VisionState

LEGAL = {
    VisionState.PREOPERATIONAL: {"prepare"},
    VisionState.READY: {"prepare", "single", "continuous", "reset"},
    VisionState.SINGLE_EXECUTION: {"stop", "abort"},
    VisionState.CONTINUOUS_EXECUTION: {"stop", "abort"},
    VisionState.ERROR: {"reset"},
}
