"""A finished result: one Parquet file, or a folder of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from res2clip_runtime.errors import ArtefactError, InputError
from res2clip_runtime.picture_archive.fingerprint import METADATA_KEY, Fingerprint

__all__ = ["PLAN_NAME", "count_decisions", "is_one_file", "result_fingerprint"]

PLAN_NAME = "_plan.json"
"""The fingerprint in a folder; Parquet readers pass over names with an underscore."""


def is_one_file(out: Path) -> bool:
    """Return whether ``--out`` names a file rather than a folder."""
    return out.suffix.lower() == ".parquet"


def result_fingerprint(out: Path) -> Fingerprint | None:
    """Return what the result at ``out`` was made of; None where there is nothing yet.

    Raises:
        InputError: what lies there is no result of ``res2clip score``.
    """
    if not out.exists() or (out.is_dir() and not is_one_file(out) and not any(out.iterdir())):
        return None
    try:
        if is_one_file(out):
            return Fingerprint.from_json(pq.read_schema(out).metadata[METADATA_KEY])
        return Fingerprint.from_json((out / PLAN_NAME).read_bytes())
    except (ArtefactError, pa.ArrowException, OSError, KeyError, TypeError) as err:
        raise InputError(
            f"{out} is there and is no result of res2clip score that this version can read; "
            "remove it, or choose another --out"
        ) from err


def count_decisions(out: Path) -> Counter[tuple[str, str]]:
    """Return how many pictures there are of each (product, decision), read piece by piece."""
    counts: Counter[tuple[str, str]] = Counter()
    for file in [out] if is_one_file(out) else sorted(out.glob("*.parquet")):
        with pq.ParquetFile(file) as opened:
            for batch in opened.iter_batches(columns=["product", "decision"]):
                columns = (batch.column(name).to_pylist() for name in ("product", "decision"))
                counts.update(zip(*columns, strict=True))
    return counts
