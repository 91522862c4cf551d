"""Which good pictures ``res2clip eval`` teaches from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from res2clip.datasets import Category, parse_prefix, read_few_shot_records
from res2clip.few_shot import Draw, draw_references
from res2clip_runtime.errors import InputError

__all__ = ["DrawRequest", "draws_of"]

_SHOTS = "1,2,4,8"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawRequest:
    """The options that choose references."""

    shots: str | None = None
    """``--shots``: numbers with commas; None: 1,2,4,8, or as many as the records name."""
    draws: int = 3
    """``--draws``."""
    seed: int = 0
    """``--seed``: of the first draw."""
    records: Path | None = None
    """``--records``: exact references; then there is one draw."""
    records_prefix: str | None = None
    """``--records-prefix``."""


def draws_of(
    categories: Sequence[Category], request: DrawRequest, *, data: Path
) -> Mapping[str, tuple[Draw, ...]]:
    """Return the draws of each category, by its name.

    Args:
        categories: of the data set.
        request: how many, or which.
        data: the data set, where the records' paths start.

    Raises:
        InputError: there are fewer good pictures than shots, or the records do not fit.
    """
    if request.records is None:
        shots = _counts(request.shots or _SHOTS)
        seeds = range(request.seed, request.seed + request.draws)
        return {category.name: draw_references(category, shots, seeds) for category in categories}
    prefix = parse_prefix(request.records_prefix) if request.records_prefix else None
    root = data.parent if data.is_file() else data
    listed = read_few_shot_records(request.records, root=root, prefix=prefix)
    choose = partial(_recorded, listed, request.records)
    draws = {}
    for category in categories:
        every = len(listed.get(category.name, ()))
        shots = _counts(request.shots) if request.shots else (every,)
        draws[category.name] = draw_references(category, shots, [0], choose=choose)
    return draws


def _recorded(
    listed: Mapping[str, tuple[Path, ...]], file: Path, category: Category, shots: int, _seed: int
) -> tuple[Path, ...]:
    references = listed.get(category.name, ())
    if not references:
        raise InputError(
            f"{file} names no references of {category.name}; add them, or choose the categories "
            "it has with --category"
        )
    if len(references) < shots:
        raise InputError(
            f"{file} names {len(references)} reference(s) of {category.name}, not {shots}; give "
            f"--shots {len(references)} or less"
        )
    return references[:shots]


def _counts(text: str) -> tuple[int, ...]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = [0]
    if min(counts) < 1 or len(set(counts)) < len(counts):
        raise InputError(f"--shots is '{text}'; give different numbers above 0, such as 1,2,4,8")
    return tuple(counts)
