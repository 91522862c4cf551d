"""What lies under a product: the plate, belt or cloth of the inspection station."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from res2clip.drawing.draft import Draft
from res2clip.drawing.finish import brushed, grainy, mottled
from res2clip.drawing.noise import clouds
from res2clip.drawing.surface import Surface, blank, hsv, plastic_colour, tinted

_KINDS = ("grey", "grey", "black", "black", "white", "coloured", "metal", "cloth")


def backdrop(draft: Draft, kind: str = "") -> Surface:
    """The ground of a station.

    Args:
        draft: the picture; its view must not turn with the product.
        kind: "grey" (matt plate), "mat" (the demo's), "black", "white", "coloured", "metal",
            "cloth", or "" for any.
    """
    picked = str(draft.design.choice(_KINDS))
    return _GROUNDS[kind or picked](draft)


def _grey(draft: Draft) -> Surface:
    tone = float(draft.design.uniform(0.03, 0.2))
    return _matt(draft, hsv(float(draft.design.random()), 0.06, tone))


def _mat(draft: Draft) -> Surface:
    """The dark blue-grey mat of the demo's station."""
    return _matt(draft, (0.030, 0.036, 0.044))


def _black(draft: Draft) -> Surface:
    return _matt(
        draft, hsv(float(draft.design.random()), 0.15, float(draft.design.uniform(0.006, 0.03)))
    )


def _white(draft: Draft) -> Surface:
    return _matt(
        draft, hsv(float(draft.design.random()), 0.03, float(draft.design.uniform(0.5, 0.75)))
    )


def _coloured(draft: Draft) -> Surface:
    return _matt(draft, plastic_colour(draft.design))


def _matt(draft: Draft, colour: tuple[float, float, float]) -> Surface:
    ground = mottled(blank(draft.view, colour, rough=0.55), draft, wavelength=0.9, depth=0.012)
    bumps = clouds(draft.chance, draft.view.size_px, wavelength=0.03, roughness=0.8)
    depth = float(draft.design.uniform(0.0002, 0.0012))
    return replace(grainy(ground, draft, depth=0.02), height=depth * bumps)


def _metal(draft: Draft) -> Surface:
    ground = blank(draft.view, (0.25, 0.25, 0.26), metal=1.0, rough=0.25)
    return brushed(ground, draft, angle=float(draft.design.uniform(0, np.pi)), depth=0.7)


def _cloth(draft: Draft) -> Surface:
    view = draft.view
    ground = _coloured(draft) if draft.design.random() < 0.5 else _grey(draft)
    pitch = float(draft.design.uniform(0.02, 0.04))
    weave = np.sin(view.u * (2 * np.pi / pitch)) * np.sin(view.v * (2 * np.pi / pitch))
    seen = min(1.0, pitch / view.pixel / 4.0)
    return replace(
        tinted(ground, 1.0 + 0.12 * seen * weave), height=ground.height + 0.0006 * seen * weave
    )


_GROUNDS = {
    "grey": _grey,
    "mat": _mat,
    "black": _black,
    "white": _white,
    "coloured": _coloured,
    "metal": _metal,
    "cloth": _cloth,
}
