"""English captions for pictures, for image-text training."""

from __future__ import annotations

from res2clip.drawing.field import Rng

GOOD = "good"

_NORMAL_STATES = (
    "flawless",
    "perfect",
    "clean",
    "undamaged",
    "intact",
    "unblemished",
    "normal",
    "pristine",
)
_NORMAL = (
    "a photo of a {state} {noun}",
    "a {state} {noun}",
    "a close-up photo of a {state} {noun}",
    "a cropped photo of the {state} {noun}",
    "an image of a {noun} without defect",
    "a photo of a {noun} without any damage",
    "a good {noun} that passes inspection",
)
_ANOMALOUS = (
    "a damaged {noun} with {flaw}",
    "a photo of a {noun} with {flaw}",
    "a photo of a damaged {noun}",
    "a close-up photo of a {adjective} {noun}",
    "a photo of a {adjective} {noun}",
    "a defective {noun} with {flaw}",
    "an image of a {noun} with a defect: {flaw}",
    "a cropped photo of the damaged {noun} with {flaw}",
    "{flaw} on a {noun}",
)
_FLAWS: dict[str, tuple[str, str]] = {  # defect -> what it has, what it is
    "scratch": ("a scratch", "scratched"),
    "crack": ("a crack", "cracked"),
    "dent": ("a dent", "dented"),
    "hole": ("a hole", "punctured"),
    "pitting": ("corrosion pits", "corroded"),
    "scuff": ("a scuffed area", "scuffed"),
    "stain": ("a stain", "stained"),
    "contamination": ("dirt on it", "contaminated"),
    "fibre": ("a hair on it", "contaminated"),
    "discolouration": ("a discoloured spot", "discoloured"),
    "wrong_colour": ("the wrong colour", "wrongly coloured"),
    "chip": ("a broken edge", "chipped"),
    "burr": ("a burr", "badly deburred"),
    "bent": ("a bent side", "bent"),
    "missing_feature": ("a missing feature", "incomplete"),
    "misprint": ("a misprint", "misprinted"),
    "cut_thread": ("a cut thread", "torn"),
}


def captions(rng: Rng, noun: str, defect: str, *, count: int = 3) -> tuple[str, ...]:
    """Different captions of one picture, each saying whether the product is sound.

    Args:
        rng: chooses among the templates.
        noun: the product, such as "metal washer".
        defect: name of the defect, or "good".
        count: how many captions.
    """
    templates = _NORMAL if defect == GOOD else _ANOMALOUS
    picked = rng.choice(len(templates), size=count, replace=False)
    flaw, adjective = _FLAWS.get(defect, ("", ""))
    return tuple(
        _with_article(
            templates[int(i)].format(
                noun=noun, flaw=flaw, adjective=adjective, state=str(rng.choice(_NORMAL_STATES))
            )
        )
        for i in picked
    )


def _with_article(text: str) -> str:
    """The text with "an" before vowels."""
    words = text.split()
    for i, word in enumerate(words[:-1]):
        if word == "a" and words[i + 1][0] in "aeiou":
            words[i] = "an"
    return " ".join(words)
