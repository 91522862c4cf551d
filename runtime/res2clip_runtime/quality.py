"""Doubts about a "good" picture that the person teaching should hear about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from res2clip_runtime.preprocess import PictureU8

__all__ = [
    "Doubt",
    "Sharpness",
    "exposure_doubts",
    "measure_sharpness",
    "outlier_doubts",
    "sharpness_doubts",
]

SATURATED_FRACTION = 0.25
"""More blown-out pixels than this and surface detail is probably lost."""
BINARY_FRACTION = 0.95
"""Where nearly every pixel is pure black or white, the picture was binarised on purpose."""
SOFT_RATIO = 0.2
"""A picture whose edges are this much weaker than its companions' is out of focus."""
BLUR_LIMIT = 0.8
"""Share of edge strength that survives another blur; a focused picture loses more."""
OUTLIER_RATIO = 1.5
"""A good part whose leave-one-out score is this many times the median may be defective."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """One warning about one reference picture."""

    name: str
    """The picture."""
    message: str
    """What is doubtful and what to do."""


def exposure_doubts(name: str, image: PictureU8) -> list[Doubt]:
    """Return a doubt if much of the (H, W, 3) uint8 picture is blown out or black."""
    bright = float((image.min(axis=2) >= 254).mean())
    dark = float((image.max(axis=2) <= 2).mean())
    if min(bright, dark) > 1 - BINARY_FRACTION and bright + dark > BINARY_FRACTION:
        return []  # a black-and-white scan is meant to be so
    if bright > SATURATED_FRACTION:
        return [
            Doubt(
                name,
                f"over-exposed: {bright:.0%} of its pixels are pure white; shorten the exposure, "
                "unless the background is meant to be white",
            )
        ]
    if dark > 1 - SATURATED_FRACTION:
        return [Doubt(name, f"under-exposed: {dark:.0%} of its pixels are black; add light")]
    return []


@dataclass(frozen=True, slots=True)
class Sharpness:
    """How well a picture is focused."""

    edge_strength: float
    """Variance of the Laplacian; comparable between pictures of one product."""
    survives_blur: float
    """Share of edge strength that another blur leaves; comparable between all pictures."""


def measure_sharpness(image: PictureU8) -> Sharpness:
    """Return the focus of an (H, W, 3) uint8 picture."""
    grey = _grey(image)
    return Sharpness(_edge_strength(grey), _survives_blur(grey))


def sharpness_doubts(named: Sequence[tuple[str, Sharpness]]) -> list[Doubt]:
    """Return doubts about pictures that are blurred, alone or beside their companions."""
    edges = np.array([sharpness.edge_strength for _, sharpness in named])
    doubts = []
    for index, (name, sharpness) in enumerate(named):
        others = np.delete(edges, index)
        softer = len(others) >= 2 and edges[index] < SOFT_RATIO * float(np.median(others))
        if softer or sharpness.survives_blur > BLUR_LIMIT:
            doubts.append(Doubt(name, "blurred: its edges are soft; focus and take it again"))
    return doubts


def outlier_doubts(names: Sequence[str], leave_one_out: Sequence[float]) -> list[Doubt]:
    """Return doubts about references that look unlike the others (three or more needed)."""
    if len(names) < 3:
        return []
    scores = np.asarray(leave_one_out)
    median = float(np.median(scores))
    return [
        Doubt(
            name,
            f"unlike the other good parts (score {score:.3f}, median {median:.3f}); look at it "
            "again, and remove it with --remove if it is defective",
        )
        for name, score in zip(names, scores, strict=True)
        if score - median > (OUTLIER_RATIO - 1) * abs(median)
    ]


def _grey(image: PictureU8) -> npt.NDArray[np.float32]:
    """Return (h, w) luminance, at most 1024 pixels wide or high."""
    picture = Image.fromarray(image).convert("L")
    picture.thumbnail((1024, 1024), Image.Resampling.BOX)
    return np.asarray(picture, dtype=np.float32)


def _edge_strength(grey: npt.NDArray[np.float32]) -> float:
    """Return the variance of the Laplacian, a usual measure of focus."""
    centre = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * centre
    return float(laplacian.var())


def _survives_blur(grey: npt.NDArray[np.float32], window: int = 11) -> float:
    """Return the share of neighbour differences that is left after a box blur, the worst axis.

    Crete et al., "The blur effect" (2007): blurring a sharp picture destroys its differences,
    blurring a blurred one changes little.
    """
    shares = []
    for line in (grey, grey.T):
        total = np.cumsum(np.pad(line, ((0, 0), (window // 2 + 1, window // 2)), "edge"), axis=1)
        blurred = (total[:, window:] - total[:, :-window]) / window
        sharp_steps = np.abs(np.diff(line, axis=1))
        lost = np.maximum(sharp_steps - np.abs(np.diff(blurred, axis=1)), 0)
        shares.append(1 - float(lost.sum()) / max(float(sharp_steps.sum()), 1e-6))
    return max(shares)
