"""The heat map's colour scale, fixed by the threshold.

A colour means the same in every picture of a product: the scale runs from 0 to twice the pixel
threshold, the threshold itself is yellow, and what is well below it leaves the picture as it is.
Scaling every picture to its own minimum and maximum would paint a defect into every good part.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["blend", "heat_colours", "heat_rgba", "scale_position"]

# Position on the scale, red, green, blue, opacity.
_SCALE = np.array(
    [
        (0.00, 0.10, 0.30, 0.80, 0.00),
        (0.40, 0.10, 0.45, 0.85, 0.00),
        (0.495, 0.20, 0.75, 0.75, 0.30),  # a step follows: what is yellow is anomalous
        (0.50, 1.00, 0.88, 0.15, 0.42),
        (0.65, 1.00, 0.52, 0.05, 0.52),
        (0.80, 0.90, 0.10, 0.10, 0.60),
        (1.00, 0.75, 0.05, 0.45, 0.70),
    ],
    dtype=np.float32,
)


def scale_position(
    values: npt.NDArray[np.float32], pixel_threshold: float
) -> npt.NDArray[np.float32]:
    """Return where ``values`` lie on the scale: 0 at zero, 0.5 at the threshold, 1 at twice it.

    NaN is at the hot end.
    """
    span = max(abs(pixel_threshold), 1e-6)
    known = np.nan_to_num(values, nan=np.inf, posinf=np.inf)
    return np.clip(0.5 + 0.5 * (known - pixel_threshold) / span, 0, 1).astype(np.float32)


def heat_colours(position: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return (..., 4) float32 RGB and opacity in [0, 1] for positions on the scale."""
    # A table of 256 steps: far quicker than interpolating every pixel, and finer than the eye.
    steps = np.linspace(0, 1, 256)
    table = np.stack([np.interp(steps, _SCALE[:, 0], _SCALE[:, c]) for c in range(1, 5)], axis=-1)
    colours: npt.NDArray[np.float32] = table.astype(np.float32)
    return colours[np.rint(position * 255).astype(np.uint8)]


def heat_rgba(
    anomaly_map: npt.NDArray[np.float32], pixel_threshold: float
) -> npt.NDArray[np.float32]:
    """Return the (H, W, 4) float32 heat map of an (H, W) anomaly map; NaN is fully hot."""
    return heat_colours(scale_position(anomaly_map, pixel_threshold))


def blend(picture: npt.NDArray[np.uint8], heat: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return the (H, W, 3) uint8 picture with the (H, W, 4) heat map over it."""
    opacity = heat[..., 3:]
    mixed = picture * (1 - opacity) + heat[..., :3] * (255 * opacity)
    return np.rint(mixed).astype(np.uint8)
