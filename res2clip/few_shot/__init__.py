"""Few-shot figures as papers report them: k good pictures, several draws of them, the mean."""

from __future__ import annotations

from res2clip.few_shot.cell import Cell, measure_cells
from res2clip.few_shot.detector import Detector, StagesDetector
from res2clip.few_shot.draw import Draw, draw_references
from res2clip.few_shot.table import Block, Row, make_blocks

__all__ = [
    "Block",
    "Cell",
    "Detector",
    "Draw",
    "Row",
    "StagesDetector",
    "draw_references",
    "make_blocks",
    "measure_cells",
]
