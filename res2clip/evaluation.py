"""A model and a recipe against a category's test pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from res2clip.confusion import Confusion, confuse
from res2clip.datasets.category import Category, Sample
from res2clip.measurement import Measurement
from res2clip.metrics import Metrics
from res2clip_runtime.errors import InputError
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.run import run
from res2clip_runtime.sinks import Sink
from res2clip_runtime.sources.picture_files import PictureFiles
from res2clip_runtime.sources.picture_paths import PicturePaths
from res2clip_runtime.stages import Stages
from res2clip_runtime.threshold_steps import Curves
from res2clip_runtime.verdict import Verdict

__all__ = ["Evaluation", "choose_references", "evaluate"]

Progress = Callable[[int, int], None]
"""Called with (pictures done, pictures in all)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """What a model made of a category."""

    category: Category
    """What was inspected."""
    verdicts: tuple[Verdict, ...]
    """One for each of ``category.test``, in its order; without the maps."""
    metrics: Metrics
    """The seven figures, over the pictures that have a score."""
    seconds: float
    """Wall time of the inspection, reading and writing included."""
    pixel_curves: Curves | None = None
    """Curves over all pixels; None where the pixel figures are undefined."""

    def __post_init__(self) -> None:
        """Refuse verdicts that do not belong to the pictures."""
        if len(self.verdicts) != len(self.category.test):
            raise ValueError(
                f"{len(self.verdicts)} verdicts for {len(self.category.test)} pictures"
            )

    @property
    def outcomes(self) -> tuple[tuple[Sample, Verdict], ...]:
        """Every test picture with its verdict."""
        return tuple(zip(self.category.test, self.verdicts, strict=True))

    @cached_property
    def labels(self) -> npt.NDArray[np.bool_]:
        """(n,) bool: which test pictures show a defective part."""
        return np.array([sample.defective for sample in self.category.test], dtype=np.bool_)

    @cached_property
    def scores(self) -> npt.NDArray[np.float64]:
        """(n,) float64 image scores; NaN where there is none."""
        return np.array([verdict.score for verdict in self.verdicts], dtype=np.float64)

    @cached_property
    def confusion(self) -> Confusion:
        """Decisions against the truth."""
        return confuse((sample.defective, verdict.decision) for sample, verdict in self.outcomes)


def choose_references(category: Category, shots: int, seed: int) -> tuple[Path, ...]:
    """Return ``shots`` good pictures to teach from; fewer shots of a seed are the first of more.

    Raises:
        InputError: the category holds fewer good pictures, or ``shots`` is not positive.
    """
    have = len(category.train_good)
    if not 1 <= shots <= have:
        raise InputError(
            f"{category.name} has {have} good picture(s) to teach from, not {shots}; "
            f"give --shots between 1 and {have}"
        )
    order = np.random.default_rng(seed).permutation(have)
    return tuple(category.train_good[index] for index in order[:shots])


def evaluate(
    stages: Stages,
    recipe: Recipe,
    category: Category,
    *,
    sinks: Sequence[Sink] = (),
    progress: Progress | None = None,
) -> Evaluation:
    """Return verdicts and metrics of ``category``, inspected as on a line.

    A picture that cannot be inspected counts as ERROR and is left out of the metrics. Pixel
    figures are those of the S x S maps; they need a mask for every defective picture. Only then
    are maps kept, in a temporary file: 4 bytes x S x S a picture.

    Args:
        stages: the model: PyTorch, or an inspector's stages.
        recipe: the category, taught.
        category: its test pictures are inspected.
        sinks: take each verdict with its map, as in a run; frames are called by their path below
            ``category.test_folder``, in MVTec AD's layout ``defect/file``.
        progress: told after each picture.

    Raises:
        EncoderMismatchError: the recipe belongs to another encoder.
        InputError: a mask cannot be read.
        OutputError: a sink could not write.
    """
    start = time.perf_counter()
    samples = category.test
    paths = PicturePaths(category.test_folder, tuple(sample.path for sample in samples))
    frames = PictureFiles(paths, category.name)
    verdicts: list[Verdict] = []
    with Measurement(category) as measurement:
        for sample, verdict in zip(samples, run(stages, recipe, frames, sinks=sinks), strict=True):
            measurement.add(sample, verdict.score, verdict.anomaly_map)
            verdicts.append(verdict.without_map())
            if progress:
                progress(len(verdicts), len(samples))
        metrics, pixels = measurement.result()
    return Evaluation(
        category=category,
        verdicts=tuple(verdicts),
        metrics=metrics,
        pixel_curves=pixels.curves if pixels else None,
        seconds=time.perf_counter() - start,
    )
