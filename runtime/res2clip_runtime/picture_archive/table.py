"""Verdicts as a Parquet table. No column depends on time: the same archive gives the same file."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from res2clip_runtime.verdict import Verdict

__all__ = ["SCHEMA", "verdict_row", "verdict_table"]

_REGION = pa.struct(
    [
        ("left", pa.int32()),
        ("top", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("area_px", pa.int64()),
        ("peak", pa.float32()),
    ]
)
SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("product", pa.string(), nullable=False),
        pa.field("score", pa.float64()),  # null where none could be computed
        pa.field("threshold", pa.float64()),  # null where the recipe has none for this model
        pa.field("decision", pa.string(), nullable=False),  # OK, NG or ERROR
        pa.field("regions", pa.list_(_REGION), nullable=False),  # boxes in source pixels
        pa.field("reason", pa.string()),  # why the decision is ERROR, else null
    ]
)
"""Columns of the result."""


def verdict_row(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as one row of the table."""
    return {
        "path": verdict.frame_id,
        "product": verdict.product,
        "score": verdict.score if math.isfinite(verdict.score) else None,
        "threshold": verdict.threshold,
        "decision": verdict.decision.value,
        "regions": [dataclasses.asdict(region) for region in verdict.regions],
        "reason": verdict.reason or None,
    }


def verdict_table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Return rows as a table of ``SCHEMA``."""
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)
