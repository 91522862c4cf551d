"""How the heads do on categories that they are not trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch

from res2clip.branches import Branches
from res2clip.datasets import Category, load_mask
from res2clip.evaluation import choose_references
from res2clip.heads import ResidualHeads
from res2clip.metrics import Metrics, mean_metrics, measure
from res2clip.model import RESIDUAL_WEIGHT_FINE_TUNED, Res2CLIP
from res2clip.training.batch import FeaturesOf
from res2clip_runtime.errors import InputError
from res2clip_runtime.score import Scored, score
from res2clip_runtime.stages import Features, FloatArray, grid_rho

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
    """Return the mean figures of some categories, one reference each, with ``heads`` in ``model``.

    Maps of one category at a time are kept: 4 bytes x S x S a picture.
    """
    branches = Branches(model.spec.taps, model.branches.text, heads).to(model.device)
    return mean_metrics([_measure(model, branches, c, features, seed) for c in held_out])


def merit(figures: Metrics) -> float:
    """Return by which figure the best epoch is chosen: the mean of I-AUROC and P-AP."""
    return (figures.i_auroc + figures.p_ap) / 2


def _measure(
    model: Res2CLIP, branches: Branches, category: Category, features: FeaturesOf, seed: int
) -> Metrics:
    size = model.spec.image_size_px
    reference = features(choose_references(category, _SHOTS, seed))
    maps = np.empty((len(category.test), size, size), np.float32)
    masks = np.zeros(maps.shape, np.bool_)
    scores = np.empty(len(category.test))
    for index, sample in enumerate(category.test):
        scored = _score(model, branches, features([sample.path]), reference)
        maps[index], scores[index] = scored.anomaly_map, scored.image_score
        if sample.mask:
            masks[index] = load_mask(sample.mask, size)
    labels = [sample.defective for sample in category.test]
    return measure(labels, scores, maps=maps, masks=masks)


def _score(model: Res2CLIP, branches: Branches, query: Features, reference: Features) -> Scored:
    spec = dataclasses.replace(model.spec, residual_weight=RESIDUAL_WEIGHT_FINE_TUNED)
    bank: FloatArray = reference.patches[0]  # (T, P, D) of the one reference
    residual = model.match(query.patches, bank, grid_rho(spec.grid))
    inputs = (query.patches[:, -1], residual, query.image, reference.image[0])
    with torch.no_grad():
        tensors = (torch.from_numpy(np.ascontiguousarray(a)).to(model.device) for a in inputs)
        maps, scores = branches(*tensors)
    return score(maps[0].cpu().numpy(), scores[0].cpu().numpy(), spec)
