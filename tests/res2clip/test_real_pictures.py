"""The packaged mini on photographs, where they are at hand (CC BY 4.0; not part of the project)."""

from __future__ import annotations

from pathlib import Path

import pytest

import res2clip
from res2clip.datasets import find_categories
from res2clip.evaluation import choose_references, evaluate

DATA = Path(__file__).parents[3] / "shared" / "data"
PER_CLASS = 8

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no photographs in {DATA}"),
]


# Floors far below what docs/mini.md reports: they notice a broken model, not a worse one.
@pytest.mark.parametrize(
    ("place", "i_auroc", "p_auroc"),
    [("hazelnut/hazelnut", 0.9, 0.9), ("piped/paper_gla01_tl", 0.9, 0.85)],
)
def test_four_good_photographs_are_enough_to_find_defects(place, i_auroc, p_auroc) -> None:
    (category,) = find_categories(DATA / place)
    category = category.limited(PER_CLASS)
    model = res2clip.Res2CLIP(res2clip.load_backbone("mini"))
    recipe = model.teach(choose_references(category, 4, 0), product=category.name)
    metrics = evaluate(model, recipe, category).metrics
    assert metrics.i_auroc >= i_auroc
    assert metrics.p_auroc >= p_auroc
