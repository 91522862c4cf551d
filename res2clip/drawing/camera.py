"""From light to the picture a camera hands out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from res2clip.drawing.field import Field, Rng, blur
from res2clip.drawing.view import View

_STEPS = 4096
_BRIGHTEST = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """One exposure's settings."""

    gain: float
    """Exposure relative to the metered one."""
    white: tuple[float, float, float]
    """White-balance error of each channel."""
    vignette: float
    """How much darker the corners are."""
    softness: float
    """Lens blur in picture halves."""
    noise: float
    """Deviation of the noise in grey levels."""


def camera(design: Rng, chance: Rng) -> Camera:
    """A station's camera (from `design`) with this exposure's drift (from `chance`)."""
    warm, green = float(chance.normal(0, 0.008)), float(chance.normal(0, 0.004))
    return Camera(
        gain=float(np.exp(chance.normal(0, 0.045))),
        white=(1.0 + warm, 1.0 + green, 1.0 - warm),
        vignette=float(design.uniform(0.02, 0.22)),
        softness=float(design.uniform(0.0012, 0.003)) * float(chance.uniform(0.85, 1.25)),
        noise=float(design.uniform(0.6, 2.4)),
    )


def metered(light: Field) -> float:
    """A station's gain: bright scenes are brought below white, dark ones raised only a little."""
    bright = float(np.percentile(light[::3, ::3].mean(axis=-1), 96))
    ratio = 0.78 / max(bright, 1e-3)
    return float(ratio ** (0.9 if ratio < 1.0 else 0.4))


def developed(light: Field, view: View, settings: Camera, gain: float) -> Field:
    """The noise-free picture in grey levels 0..255.

    Args:
        light: (H, W, 3) linear.
        view: the view.
        settings: the camera.
        gain: from `metered`.

    Returns:
        (H, W, 3) float32, 0..255.
    """
    light = blur(light, settings.softness * view.size_px / 2.0)
    fall = 1.0 - settings.vignette * 0.5 * (view.x**2 + view.y**2)
    scale = np.asarray(settings.white, np.float32) * np.float32(settings.gain * gain)
    light = light * (fall[..., None] * (scale * np.float32(_STEPS / _BRIGHTEST)))
    return _tone_curve().take(np.clip(light, 0, _STEPS - 1).astype(np.int32))


@lru_cache(maxsize=1)
def _tone_curve() -> npt.NDArray[np.float32]:
    linear = (np.arange(_STEPS) + 0.5) * (_BRIGHTEST / _STEPS)
    knee = 0.7
    over = np.maximum(linear - knee, 0.0)
    rolled = np.where(linear > knee, knee + (1 - knee) * (1 - np.exp(-over / (1 - knee))), linear)
    encoded = np.where(rolled < 0.0031308, 12.92 * rolled, 1.055 * rolled ** (1 / 2.4) - 0.055)
    return (encoded * 255.0).astype(np.float32)  # sRGB transfer curve, IEC 61966-2-1


def sensor_noise(rng: Rng, size_px: int, settings: Camera) -> Field:
    """Noise to add to a developed picture, (H, W, 3) float32 in grey levels."""
    luma = _nearly_normal(rng, (size_px, size_px, 1))
    chroma = _nearly_normal(rng, (size_px, size_px, 3))
    return (0.85 * luma + 0.5 * chroma) * np.float32(settings.noise)


def _nearly_normal(rng: Rng, shape: tuple[int, ...]) -> Field:
    """Sums of four random bytes: bell-shaped, deviation 1, ten times as fast as normal()."""
    total = rng.integers(0, 256, (4, *shape), dtype=np.uint8).sum(axis=0, dtype=np.uint16)
    noise: Field = (total.astype(np.float32) - np.float32(510.0)) / np.float32(147.8)
    return noise


def quantised(levels: Field) -> npt.NDArray[np.uint8]:
    """Grey levels rounded to (H, W, 3) uint8."""
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)
