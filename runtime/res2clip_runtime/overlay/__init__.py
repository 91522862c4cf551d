"""Pictures of verdicts: heat map, outlines and a banner that is readable from afar."""

from __future__ import annotations

from res2clip_runtime.overlay.overlay import draw_verdict

__all__ = ["draw_verdict"]
