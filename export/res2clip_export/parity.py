"""Does the exported model answer like PyTorch?  Stage by stage, and verdict by verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from res2clip_runtime.errors import ParityError
from res2clip_runtime.inspection import inspect
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.stages import FloatArray, Stages, grid_rho, mean_direction
from res2clip_runtime.teaching import teach

__all__ = ["TOLERANCES", "Comparison", "ParityReport", "compare_models"]

TOLERANCES = {"fp32": 1e-4}
"""Largest absolute difference allowed in any output, by precision.

All outputs are of order one: unit features, residuals of norm at most 2, maps and scores.
"""

STAGE_PICTURES = 6
"""Pictures in the stage by stage comparison; verdicts are compared on all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One output of one stage, on one set of pictures."""

    stage: str
    """encoder, match, heads or verdict."""
    output: str
    """Name of the output."""
    pictures: str
    """``seeded`` noise, or ``drawn`` / ``given`` pictures."""
    max_abs: float
    """Largest absolute difference to PyTorch; NaN if an output is not finite."""
    cosine: float
    """Cosine between both outputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParityReport:
    """All comparisons of one export."""

    precision: str
    """Precision that was exported."""
    tolerance: float
    """Limit of every ``max_abs``."""
    comparisons: tuple[Comparison, ...]
    """Stage by stage."""
    verdicts: int
    """Pictures inspected end to end by both."""
    verdicts_changed: int
    """Decisions that differ."""

    @property
    def failures(self) -> tuple[str, ...]:
        """What is out of tolerance, one sentence each; empty when all is well."""
        found = [
            f"stage '{c.stage}' output '{c.output}' differs by {c.max_abs:.2e} on {c.pictures} "
            f"pictures, allowed {self.tolerance:.0e}"
            for c in self.comparisons
            if not c.max_abs <= self.tolerance  # a NaN fails too
        ]
        if self.verdicts_changed:
            found.append(f"{self.verdicts_changed} of {self.verdicts} verdicts changed")
        return tuple(found)

    def require(self) -> None:
        """Raise ParityError if anything is out of tolerance."""
        if self.failures:
            raise ParityError(
                "the exported model does not answer like PyTorch, no bundle is written: "
                + "; ".join(self.failures)
            )

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {**dataclasses.asdict(self), "failures": list(self.failures)}

    def summary(self) -> dict[str, Any]:
        """Return the few figures for the manifest."""
        worst = max(self.comparisons, key=lambda c: c.max_abs)
        return {
            "max_abs": worst.max_abs,
            "where": f"{worst.stage}.{worst.output}",
            "tolerance": self.tolerance,
            "verdicts": self.verdicts,
            "verdicts_changed": self.verdicts_changed,
        }


def compare_models(
    reference: Stages,
    exported: Stages,
    *,
    pictures: Sequence[PictureU8],
    pictures_kind: str,
    seed: int = 0,
) -> ParityReport:
    """Return the parity of ``exported`` with ``reference``.

    Every stage gets the reference's inputs, so that an error shows where it is made; the verdicts
    are made end to end.

    Args:
        reference: the PyTorch model.
        exported: the same model on another engine.
        pictures: four or more (S, S, 3) pictures; the first two teach the recipe.
        pictures_kind: what they are, for the report.
        seed: of the noise pictures.
    """
    size = reference.spec.image_size_px
    noise = np.random.default_rng(seed).integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    comparisons = [
        *_compare_stages(reference, exported, noise, "seeded"),
        *_compare_stages(reference, exported, _some(pictures), pictures_kind),
    ]
    recipe = teach(reference, pictures[:2], product="parity").recipe
    verdicts, changed = _compare_verdicts(reference, exported, recipe, pictures, pictures_kind)
    return ParityReport(
        precision=exported.spec.precision,
        tolerance=TOLERANCES[exported.spec.precision],
        comparisons=(*comparisons, *verdicts),
        verdicts=len(pictures),
        verdicts_changed=changed,
    )


def _some(pictures: Sequence[PictureU8]) -> PictureU8:
    """Return a batch of at most ``STAGE_PICTURES``, evenly spread: its memory grows squared."""
    count = min(len(pictures), STAGE_PICTURES)
    return np.stack([pictures[i] for i in np.linspace(0, len(pictures) - 1, count).astype(int)])


def _compare_stages(
    reference: Stages, exported: Stages, pictures: PictureU8, kind: str
) -> list[Comparison]:
    found = []

    def compare(stage: str, output: str, expected: FloatArray, actual: FloatArray) -> None:
        found.append(_comparison(stage, output, kind, expected, actual))

    want, got = reference.encode(pictures), exported.encode(pictures)
    compare("encoder", "patches", want.patches, got.patches)
    compare("encoder", "image_feature", want.image, got.image)
    for shots in {1, len(pictures) - 1}:
        # The first picture is the query, the others are the bank, as the taps' (T, N, D).
        bank = np.concatenate(list(want.patches[1 : 1 + shots]), axis=1)
        rho = np.tile(grid_rho(reference.spec.grid), shots)
        residual = reference.match(want.patches, bank, rho)
        compare(
            "match", f"residual ({shots} shot)", residual, exported.match(want.patches, bank, rho)
        )
    inputs = (want.patches[:, -1], residual, want.image, mean_direction(want.image[1:]))
    want_maps, got_maps = reference.heads(*inputs), exported.heads(*inputs)
    compare("heads", "maps", want_maps.maps, got_maps.maps)
    compare("heads", "scores", want_maps.scores, got_maps.scores)
    return found


def _compare_verdicts(
    reference: Stages,
    exported: Stages,
    recipe: Recipe,
    pictures: Sequence[PictureU8],
    kind: str,
) -> tuple[list[Comparison], int]:
    wanted = [inspect(reference, picture, recipe) for picture in pictures]
    got = [inspect(exported, picture, recipe) for picture in pictures]
    # The references themselves sit on the threshold; only pictures clear of it can change sides.
    changed = sum(
        a.decision != b.decision
        for a, b in zip(wanted, got, strict=True)
        if a.threshold is None or abs(a.score - a.threshold) > TOLERANCES[exported.spec.precision]
    )
    scores = [np.array([v.score for v in side], dtype=np.float32) for side in (wanted, got)]
    maps = [np.stack([v.anomaly_map for v in side]) for side in (wanted, got)]  # type: ignore[misc]
    return [
        _comparison("verdict", "score", kind, *scores),
        _comparison("verdict", "anomaly_map", kind, *maps),
    ], changed


def _comparison(
    stage: str, output: str, pictures: str, expected: FloatArray, actual: FloatArray
) -> Comparison:
    if expected.shape != actual.shape:
        raise ParityError(
            f"stage '{stage}' output '{output}' has shape {actual.shape}, expected {expected.shape}"
        )
    finite = bool(np.isfinite(expected).all() and np.isfinite(actual).all())
    a, b = expected.ravel().astype(np.float64), actual.ravel().astype(np.float64)
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return Comparison(
        stage=stage,
        output=output,
        pictures=pictures,
        max_abs=float(np.abs(a - b).max()) if finite else float("nan"),
        cosine=float(a @ b) / norm if finite and norm > 0 else (1.0 if finite else float("nan")),
    )
