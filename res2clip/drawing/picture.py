"""One drawn picture: a product under light, seen by a camera, with its exact defect mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from res2clip.drawing.backdrop import backdrop
from res2clip.drawing.camera import Camera, camera, developed, metered, quantised, sensor_noise
from res2clip.drawing.captions import GOOD, captions
from res2clip.drawing.defects import STRUCTURAL, damaged
from res2clip.drawing.draft import Draft
from res2clip.drawing.families import FAMILIES, Family
from res2clip.drawing.field import Field, Rng
from res2clip.drawing.lighting import Lighting, rig, shade, shadowed
from res2clip.drawing.products import Product
from res2clip.drawing.surface import Surface
from res2clip.drawing.view import View, bent, place
from res2clip_runtime.errors import InputError

TRIES = 8  # a defect that cannot be seen is drawn again elsewhere, stronger each time
SMALLEST_MASK = 0.0004  # of the picture: the smallest defect worth a mask


@dataclass(frozen=True, slots=True)
class Drawing:
    """A picture of a product and what is known about it."""

    image_rgb_u8: npt.NDArray[np.uint8]
    """(H, W, 3) RGB."""
    mask: npt.NDArray[np.bool_]
    """(H, W) True where the defect changes the picture visibly."""
    defect: str
    """Name of the defect, or "good"."""
    captions: tuple[str, ...]
    """English sentences that fit the picture."""


def draw(product: Product, *, seed: int, size_px: int = 256, defect: str | None = None) -> Drawing:
    """One picture of a product.

    The same arguments give the same picture. Pictures that differ only in `defect` show the same
    part in the same pose, light and noise.

    Args:
        product: what to draw.
        seed: of the picture: pose, light, noise, the random part of the texture, the defect.
        size_px: side of the square picture, at least 32.
        defect: one of `product.defects`, or None for a good part.

    Raises:
        InputError: if the product cannot have that defect, or a number is out of range.
    """
    _check(product, seed, size_px, defect)
    scene = _Scene.of(product, seed, size_px)
    surface = scene.surface("")
    light = scene.light(surface)
    gain = metered(light)
    good = scene.developed(light, gain)
    noise = sensor_noise(product.rng("noise", seed), size_px, scene.camera)
    words = product.rng("captions", seed, 0 if defect is None else 1)
    noun = FAMILIES[product.family].noun
    if defect is None:
        blank = np.zeros((size_px, size_px), np.bool_)
        return Drawing(quantised(good + noise), blank, GOOD, captions(words, noun, GOOD))
    levels, mask = _spoiled(scene, surface, good, gain, defect)
    return Drawing(quantised(levels + noise), mask, defect, captions(words, noun, defect))


def _check(product: Product, seed: int, size_px: int, defect: str | None) -> None:
    if defect is not None and defect not in product.defects:
        known = ", ".join(product.defects)
        raise InputError(f"{product.name} cannot have the defect {defect!r}; it has: {known}")
    if seed < 0:
        raise InputError(f"seed must be 0 or more, got {seed}")
    if size_px < 32:
        raise InputError(f"size_px must be at least 32, got {size_px}")


@dataclass(frozen=True, slots=True)
class _Scene:
    """Everything about a picture but the product's surface."""

    product: Product
    seed: int
    view: View
    still: View
    ground: Field | None
    """(H, W, 3) light from the ground without the product's shadow; None for textures."""
    lighting: Lighting
    camera: Camera

    @classmethod
    def of(cls, product: Product, seed: int, size_px: int) -> _Scene:
        family = FAMILIES[product.family]
        still = place(size_px)
        lighting = rig(product.rng("light"), product.rng("light", seed), family.light)
        ground = None
        if family.kind == "object":
            rngs = (product.rng("ground"), product.rng("ground", seed))
            bare = backdrop(Draft(still, *rngs, "", product.rng("fate")), family.ground)
            ground = shade(bare, still, lighting)
        settings = camera(product.rng("camera"), product.rng("camera", seed))
        view = _pose(family, product.rng("pose", seed), size_px)
        return cls(product, seed, view, still, ground, lighting, settings)

    def surface(self, flaw: str, attempt: int = 0) -> Surface:
        """The product's surface with one of its structural flaws, or "" for none."""
        fate = self.product.rng("fate", self.seed, attempt)
        view = bent(self.view, fate) if flaw == "bent" else self.view
        texture = self.product.rng("texture", self.seed)
        draft = Draft(view, self.product.rng("design"), texture, flaw, fate)
        return FAMILIES[self.product.family].draw(draft)

    def light(self, surface: Surface) -> Field:
        """(H, W, 3) linear light towards the camera."""
        light = shade(surface, self.view, self.lighting)
        if self.ground is None:
            return light
        thickness = FAMILIES[self.product.family].thickness
        reach = shadowed(surface.cover, self.still, self.lighting, thickness=thickness)
        cover = surface.cover[..., None]
        return self.ground * (reach * (1.0 - surface.cover))[..., None] + light * cover

    def developed(self, light: Field, gain: float) -> Field:
        """(H, W, 3) grey levels without noise."""
        return developed(light, self.still, self.camera, gain)


def _pose(family: Family, rng: Rng, size_px: int) -> View:
    wander = family.wander or (0.012 if family.kind == "object" else 0.8)
    return place(
        size_px,
        angle=float(rng.uniform(-family.turn, family.turn)),
        right=float(np.clip(rng.normal(0.0, wander), -2.5 * wander, 2.5 * wander)),
        down=float(np.clip(rng.normal(0.0, wander), -2.5 * wander, 2.5 * wander)),
        scale=float(1.0 + 0.01 * np.clip(rng.normal(), -2, 2)),
    )


def _spoiled(
    scene: _Scene, sound: Surface, good: Field, gain: float, defect: str
) -> tuple[Field, npt.NDArray[np.bool_]]:
    """The picture with the defect, and its mask; tried again until the defect can be seen."""
    levels, mask = good, np.zeros(good.shape[:2], np.bool_)
    for attempt in range(TRIES):
        if defect in STRUCTURAL:
            surface = scene.surface(defect, attempt)
        else:
            rng = scene.product.rng("defect", scene.seed, attempt)
            surface = damaged(sound, scene.view, rng, defect, boost=1.3**attempt)
        levels = scene.developed(scene.light(surface), gain)
        mask = visible_change(good, levels)
        if mask.mean() >= SMALLEST_MASK:
            break
    return levels, mask


def visible_change(good: Field, other: Field) -> npt.NDArray[np.bool_]:
    """Where two noise-free pictures differ visibly.

    The threshold is 5 grey levels for faint defects and up to 10 for strong ones, whose soft
    shadows nobody would mark. Gaps of a pixel or two are closed where the picture changes by
    more than 2 levels.

    Args:
        good: (H, W, 3) float, grey levels.
        other: (H, W, 3) float, grey levels.

    Returns:
        (H, W) bool.
    """
    gap = np.abs(other - good)
    change = np.maximum(np.maximum(gap[..., 0], gap[..., 1]), gap[..., 2])
    strong = change[change > 4.0]
    typical = float(np.percentile(strong, 90)) if strong.size else 0.0
    threshold = float(np.clip(0.12 * typical, 5.0, 10.0))
    seen = change > threshold
    closed = ndimage.binary_closing(np.pad(seen, 2), np.ones((3, 3)))[2:-2, 2:-2]
    return np.asarray(seen | (closed & (change > 2.0)), np.bool_)
