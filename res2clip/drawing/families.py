"""The families of products that can be drawn, and what can go wrong with each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from res2clip.drawing import (
    electronics,
    flat_parts,
    lattices,
    long_parts,
    materials,
    metal_sheets,
    minerals,
    moulded,
    organics,
    textiles,
    turned_parts,
)
from res2clip.drawing.draft import Draft
from res2clip.drawing.surface import Surface

METAL = ("scratch", "dent", "stain", "pitting", "contamination", "fibre", "scuff", "discolouration")
PLASTIC = ("scratch", "crack", "dent", "stain", "contamination", "fibre", "scuff", "wrong_colour")
BRITTLE = ("scratch", "crack", "hole", "stain", "contamination", "fibre", "discolouration")
SOFT = ("hole", "stain", "contamination", "fibre", "discolouration", "wrong_colour")
GROWN = ("crack", "hole", "dent", "stain", "contamination", "discolouration", "scuff")
ANY_WAY = 3.2  # lies turned in any direction, radians


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A kind of product: how it is drawn and what can go wrong with it."""

    noun: str
    """What a caption calls it."""
    draw: Callable[[Draft], Surface]
    """The surface of one picture of it."""
    defects: tuple[str, ...]
    """Names of the defects it can have."""
    kind: Literal["object", "texture"] = "object"
    """An object lies on a ground, a texture fills the picture."""
    turn: float = 0.06
    """It lies turned by at most this angle, radians; 3.2 for any direction."""
    wander: float | None = None
    """Deviation of its place, picture halves; None for 0.012 (objects) or anywhere (textures)."""
    ground: str = ""
    """Kind of ground, "" for any."""
    light: str = ""
    """Kind of lighting, "" for any."""
    thickness: float = 0.12
    """Of an object, in picture halves; sets how far its shadow reaches."""


def _object(
    noun: str, draw: Callable[[Draft], Surface], defects: tuple[str, ...], *, turn: float = 0.06
) -> Family:
    return Family(noun=noun, draw=draw, defects=defects, turn=turn)


def _texture(noun: str, draw: Callable[[Draft], Surface], defects: tuple[str, ...]) -> Family:
    return Family(noun=noun, draw=draw, defects=defects, kind="texture", turn=0.04)


_FLANGE = Family(
    noun="machined metal flange",
    draw=turned_parts.flange,
    defects=("scratch", "dent", "stain", "missing_feature", "chip", "burr", "contamination"),
    ground="mat",
    light="station",
    turn=0.12,
)

FAMILIES: dict[str, Family] = {
    "flange": _FLANGE,
    "washer": _object(
        "metal washer", turned_parts.washer, (*METAL, "chip", "bent", "burr"), turn=ANY_WAY
    ),
    "bearing": _object(
        "ball bearing", turned_parts.bearing, (*METAL, "missing_feature"), turn=ANY_WAY
    ),
    "lid": _object("metal lid", turned_parts.lid, (*METAL, "chip", "bent"), turn=ANY_WAY),
    "bracket": _object(
        "metal bracket", flat_parts.bracket, (*METAL, "chip", "burr", "bent", "missing_feature")
    ),
    "plate": _object(
        "perforated metal plate", flat_parts.plate, (*METAL, "chip", "bent", "missing_feature")
    ),
    "nut": _object("metal nut", flat_parts.nut, (*METAL, "chip", "burr", "bent"), turn=ANY_WAY),
    "gear": _object(
        "gear wheel", flat_parts.gear, (*METAL, "chip", "bent", "missing_feature"), turn=ANY_WAY
    ),
    "blade": _object(
        "steel blade", flat_parts.blade, (*METAL, "chip", "burr", "bent", "missing_feature")
    ),
    "casting": _object(
        "metal casting", flat_parts.casting, (*METAL, "crack", "hole", "chip", "missing_feature")
    ),
    "screw": _object(
        "metal screw",
        long_parts.screw,
        ("scratch", "dent", "pitting", "contamination", "bent", "chip", "missing_feature"),
    ),
    "shaft": _object("steel shaft", long_parts.shaft, (*METAL, "bent", "missing_feature")),
    "spring": _object(
        "metal spring",
        long_parts.spring,
        ("pitting", "contamination", "bent", "missing_feature", "discolouration"),
    ),
    "pen": _object("plastic tube", long_parts.pen, (*PLASTIC, "bent", "missing_feature")),
    "lug": _object("cable lug", long_parts.lug, (*METAL, "bent", "chip", "missing_feature")),
    "cap": _object("bottle cap", moulded.cap, (*PLASTIC, "chip", "misprint", "bent"), turn=ANY_WAY),
    "bottle": _object("glass bottle", moulded.bottle_mouth, (*BRITTLE, "chip"), turn=ANY_WAY),
    "capsule": _object("medicine capsule", moulded.capsule, (*PLASTIC, "hole", "misprint", "bent")),
    "tablet": _object(
        "tablet", moulded.tablet, (*BRITTLE, "chip", "wrong_colour", "missing_feature")
    ),
    "button": _object(
        "button", moulded.button, (*PLASTIC, "chip", "missing_feature"), turn=ANY_WAY
    ),
    "seal": _object(
        "rubber seal", moulded.seal, (*SOFT, "scratch", "crack", "chip", "bent"), turn=ANY_WAY
    ),
    "brick": _object("toy brick", moulded.brick, (*PLASTIC, "chip", "missing_feature")),
    "candle": _object(
        "candle",
        moulded.candle,
        (*BRITTLE, "chip", "wrong_colour", "missing_feature"),
        turn=ANY_WAY,
    ),
    "board": _object(
        "circuit board",
        electronics.board,
        (
            "scratch",
            "crack",
            "stain",
            "contamination",
            "fibre",
            "discolouration",
            "chip",
            "misprint",
            "missing_feature",
        ),
    ),
    "chip": _object(
        "electronic chip",
        electronics.chip,
        (
            "scratch",
            "crack",
            "hole",
            "contamination",
            "chip",
            "misprint",
            "bent",
            "missing_feature",
        ),
    ),
    "connector": _object(
        "plug connector", electronics.connector, (*PLASTIC, "chip", "bent", "missing_feature")
    ),
    "cable": _object(
        "cable", electronics.cable, (*SOFT, "scratch", "chip", "bent", "missing_feature")
    ),
    "hazelnut": _object("hazelnut", organics.hazelnut, (*GROWN, "chip"), turn=ANY_WAY),
    "bean": _object("bean", organics.bean, (*GROWN, "chip", "wrong_colour"), turn=ANY_WAY),
    "fruit": _object(
        "fruit", organics.fruit, (*GROWN, "wrong_colour", "missing_feature"), turn=ANY_WAY
    ),
    "egg": _object("egg", organics.egg, (*GROWN, "fibre", "chip"), turn=ANY_WAY),
    "biscuit": _object("biscuit", organics.biscuit, (*GROWN, "chip", "wrong_colour"), turn=ANY_WAY),
    "leaf": _object("leaf", organics.leaf, (*GROWN, "chip", "wrong_colour", "bent")),
    "solar_cell": _texture("solar cell", electronics.solar_cell, (*BRITTLE, "cut_thread")),
    "brushed_sheet": _texture("brushed metal sheet", metal_sheets.brushed_sheet, METAL),
    "ground_sheet": _texture("ground metal surface", metal_sheets.ground_sheet, METAL),
    "faced_sheet": _texture("turned metal surface", metal_sheets.faced_sheet, METAL),
    "rough_sheet": _texture("rough metal surface", metal_sheets.rough_sheet, (*METAL, "crack")),
    "galvanised": _texture("galvanised steel sheet", metal_sheets.galvanised, METAL),
    "hammered": _texture("hammered metal surface", metal_sheets.hammered, METAL),
    "tread_plate": _texture("tread plate", metal_sheets.tread_plate, (*METAL, "missing_feature")),
    "perforated": _texture(
        "perforated metal sheet", metal_sheets.perforated, (*METAL, "missing_feature", "bent")
    ),
    "weave": _texture("woven fabric", textiles.weave, (*SOFT, "cut_thread", "bent")),
    "twill": _texture("denim fabric", textiles.twill, (*SOFT, "cut_thread", "scuff")),
    "knit": _texture("knitted fabric", textiles.knit, (*SOFT, "cut_thread", "bent")),
    "carpet": _texture("carpet", textiles.carpet, (*SOFT, "cut_thread", "scuff")),
    "corduroy": _texture("corduroy fabric", textiles.corduroy, (*SOFT, "cut_thread")),
    "felt": _texture("felt", textiles.felt, (*SOFT, "scuff")),
    "ribbon": _texture("woven ribbon", textiles.ribbon, (*SOFT, "cut_thread")),
    "concrete": _texture("concrete surface", minerals.concrete, BRITTLE),
    "granite": _texture("granite surface", minerals.granite, BRITTLE),
    "terrazzo": _texture("terrazzo floor", minerals.terrazzo, BRITTLE),
    "marble": _texture("marble surface", minerals.marble, BRITTLE),
    "asphalt": _texture("asphalt surface", minerals.asphalt, BRITTLE),
    "tiles": _texture("tiled wall", minerals.tiles, BRITTLE),
    "bricks": _texture("brick wall", minerals.bricks, BRITTLE),
    "glass": _texture("glass pane", minerals.glass, BRITTLE),
    "wood": _texture("wooden board", materials.wood, (*BRITTLE, "dent", "scuff")),
    "leather": _texture("leather", materials.leather, (*SOFT, "scratch", "scuff", "dent")),
    "paper": _texture("paper", materials.paper, (*SOFT, "scratch", "dent")),
    "cork": _texture("cork board", materials.cork, (*SOFT, "crack", "dent")),
    "foam": _texture("foam", materials.foam, (*SOFT, "dent")),
    "rubber": _texture("rubber mat", materials.rubber, (*SOFT, "scratch", "crack")),
    "printed_pattern": _texture(
        "printed pattern", materials.printed_pattern, (*SOFT, "scratch", "misprint", "bent")
    ),
    "label": Family(
        noun="printed label",
        draw=materials.label,
        kind="texture",
        turn=0.02,
        wander=0.01,
        defects=("scratch", "stain", "contamination", "fibre", "hole", "misprint", "scuff"),
    ),
    "grained_plastic": _texture("plastic surface", materials.grained_plastic, PLASTIC),
    "mesh": _texture(
        "wire mesh",
        lattices.mesh,
        ("cut_thread", "bent", "contamination", "fibre", "discolouration"),
    ),
    "grating": _texture(
        "plastic grid",
        lattices.grating,
        ("cut_thread", "bent", "contamination", "fibre", "crack", "wrong_colour"),
    ),
    "honeycomb": _texture(
        "honeycomb panel",
        lattices.honeycomb,
        ("cut_thread", "bent", "contamination", "dent", "fibre"),
    ),
    "bristles": _texture(
        "brush",
        lattices.bristles,
        ("missing_feature", "contamination", "stain", "fibre", "wrong_colour"),
    ),
}
"""All families by name."""
