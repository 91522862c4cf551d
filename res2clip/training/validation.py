"""How the heads do on categories that they are not trained on."""

from __future__ import annotations

from collections.abc import Sequence

from res2clip.datasets import Category
from res2clip.encoding import FeaturesOf
from res2clip.few_shot import StagesDetector, draw_references, measure_cells
from res2clip.heads import ResidualHeads
from res2clip.metrics import Metrics, mean_metrics
from res2clip.model import Res2CLIP
from res2clip_runtime.errors import InputError

__all__ = ["check_held_out", "merit", "validate"]

_SHOTS = 1
"""As many references as in training."""


def check_held_out(held_out: Sequence[Category]) -> None:
    """Refuse categories that say nothing.

    Raises:
        InputError: good or defective pictures are missing, or a mask.
    """
    for category in held_out:
        kinds = {sample.defective for sample in category.test}
        unmasked = any(s.defective and s.mask is None for s in category.test)
        if kinds != {False, True} or unmasked:
            raise InputError(
                f"{category.name} (--validate) needs good and defective test pictures, and a mask "
                "for each defective one"
            )


def validate(
    model: Res2CLIP,
    heads: ResidualHeads,
    held_out: Sequence[Category],
    features: FeaturesOf,
    *,
    seed: int,
) -> Metrics:
    """Return the mean figures of some categories, one reference each, with these heads."""
    detector = StagesDetector(model.with_heads(heads), features)
    return mean_metrics(
        [
            cell.metrics
            for category in held_out
            for cell in measure_cells(
                {"trained": detector}, category, draw_references(category, [_SHOTS], [seed])
            )
        ]
    )


def merit(figures: Metrics) -> float:
    """Return by which figure the best epoch is chosen: the mean of I-AUROC and P-AP."""
    return (figures.i_auroc + figures.p_ap) / 2
