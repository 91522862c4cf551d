"""One picture and a recipe -> a verdict, on any model that provides the three stages."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol, runtime_checkable

from res2clip_runtime.preprocess import ImageLike, PictureU8, load_rgb, resize_square
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.regions import find_regions
from res2clip_runtime.score import Scored, score
from res2clip_runtime.stages import FloatArray, Stages
from res2clip_runtime.teaching import check_encoder
from res2clip_runtime.verdict import Decision, Verdict, decide

__all__ = [
    "WholePipeline",
    "error_verdict",
    "inspect",
    "resize_picture",
    "score_maps",
    "utc_now",
]


@runtime_checkable
class WholePipeline(Stages, Protocol):
    """Stages that bring their own preprocessing and score, such as kernels on a device."""

    def resize(self, picture: PictureU8) -> PictureU8:
        """Return the (S, S, 3) uint8 square of an (H, W, 3) uint8 RGB picture."""

    def score(self, maps: FloatArray, scores: FloatArray) -> Scored:
        """Return the anomaly map and image score of (3, G, G) maps and (2,) scores."""


def inspect(
    stages: Stages,
    image: ImageLike,
    recipe: Recipe,
    *,
    frame_id: str | None = None,
    captured_at: str | None = None,
) -> Verdict:
    """Return the verdict on one picture.

    Raises:
        EncoderMismatchError: the recipe belongs to another encoder.
        InputError: the picture cannot be used (a line must turn this into an ERROR verdict).
    """
    check_encoder(stages, recipe)
    captured_at = captured_at or utc_now()
    spec, clock = stages.spec, _StageClock()
    with clock.measure("preprocess"):
        picture = load_rgb(image)
        square = resize_picture(stages, picture)
    with clock.measure("encoder"):
        features = stages.encode(square[None])
    with clock.measure("match"):
        residual = stages.match(features.patches, recipe.bank, recipe.bank_rho)
    with clock.measure("heads"):
        branches = stages.heads(
            features.patches[:, -1], residual, features.image, recipe.bank_global_mean
        )
    with clock.measure("score"):
        scored = score_maps(stages, branches.maps[0], branches.scores[0])
    threshold = recipe.thresholds.get(spec.score_id)
    decision, reason = decide(scored.image_score, threshold.score if threshold else None)
    if threshold is None and recipe.thresholds:
        reason = (
            "the recipe's threshold was made for another model (heads, precision or engine); "
            "calibrate it again, or give one with --threshold"
        )
    size = (picture.shape[1], picture.shape[0])
    pixel = threshold.pixel if threshold else None
    return Verdict(
        frame_id=frame_id or _frame_id(image),
        product=recipe.product,
        decision=decision,
        score=scored.image_score,
        threshold=threshold.score if threshold else None,
        pixel_threshold=pixel,
        calibrated=threshold.calibrated if threshold else False,
        anomaly_map=scored.anomaly_map,
        regions=()
        if pixel is None
        else find_regions(scored.anomaly_map, pixel, source_size_px=size),
        source_size_px=size,
        captured_at=captured_at,
        decided_at=utc_now(),
        latency_ms=clock.latency_ms,
        reason=reason,
    )


def error_verdict(frame_id: str, product: str, reason: str) -> Verdict:
    """Return the ERROR verdict for a picture that could not be inspected."""
    now = utc_now()
    return Verdict(
        frame_id=frame_id,
        product=product,
        decision=Decision.ERROR,
        score=float("nan"),
        threshold=None,
        captured_at=now,
        decided_at=now,
        reason=reason,
    )


def utc_now() -> str:
    """Return the time as ISO 8601 with milliseconds, in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def resize_picture(stages: Stages, picture: PictureU8) -> PictureU8:
    """Return the (S, S, 3) square of an (H, W, 3) picture, resized as ``stages`` do it."""
    if isinstance(stages, WholePipeline):
        return stages.resize(picture)
    return resize_square(picture, stages.spec.image_size_px)


def score_maps(stages: Stages, maps: FloatArray, scores: FloatArray) -> Scored:
    """Return map and score of (3, G, G) maps and (2,) scores, scored as ``stages`` do it."""
    if isinstance(stages, WholePipeline):
        return stages.score(maps, scores)
    return score(maps, scores, stages.spec)


def _frame_id(image: ImageLike) -> str:
    return Path(image).name if isinstance(image, (str, os.PathLike)) else "picture"


class _StageClock:
    """Milliseconds spent in each named stage."""

    def __init__(self) -> None:
        self.latency_ms: dict[str, float] = {}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        start = time.perf_counter_ns()
        yield
        self.latency_ms[stage] = (time.perf_counter_ns() - start) / 1e6
