"""Pictures of a category, the ones to learn from first, and only so many."""

from __future__ import annotations

import math
from dataclasses import dataclass

from res2clip.datasets.category import Sample
from res2clip.report.contents import CategoryResult
from res2clip.report.figures import count_of
from res2clip.report.markup import Html, element, join
from res2clip.report.thumbnail import picture_file, picture_with_truth
from res2clip_runtime.sinks.picture_folder import picture_name
from res2clip_runtime.verdict import Decision, Verdict

__all__ = ["CARDS_IN_ALL", "draw_gallery", "grouped"]

CARDS_IN_ALL = 120
"""Cards on a page, shared by the categories; at about 60 kB each the page stays below 10 MB."""
LARGEST_GROUP = 12
_OVERLAY_PX = 400
_PHOTO_PX = 320

Outcome = tuple[Sample, Verdict]


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures with the same kind of outcome."""

    title: str
    """What they have in common."""
    explanation: str
    """What it means on a line."""
    outcomes: tuple[Outcome, ...]
    """The most telling first."""


_KINDS = (
    (True, Decision.OK, "Missed defects (underkill)", "Defective parts that were passed."),
    (False, Decision.NG, "False alarms (overkill)", "Good parts that were rejected."),
    (True, Decision.ERROR, "Defective, no decision", "Never passed: ERROR counts as not OK."),
    (False, Decision.ERROR, "Good, no decision", "Never passed: ERROR counts as not OK."),
    (True, Decision.NG, "Defects found", "Rejected as they should be, most anomalous first."),
    (False, Decision.OK, "Good parts passed", "Accepted as they should be, most anomalous first."),
)


def grouped(outcomes: tuple[Outcome, ...]) -> list[Group]:
    """Return the outcomes by kind, mistakes first; empty kinds are left out.

    What the model got most wrong comes first: defects that were missed or not decided begin with
    the least anomalous, everything else with the most.
    """
    groups = []
    for defective, decision, title, explanation in _KINDS:
        chosen = [o for o in outcomes if o[0].defective is defective and o[1].decision is decision]
        missed = defective and decision is not Decision.NG
        chosen.sort(key=lambda o: _score(o[1], unknown=-math.inf if missed else math.inf))
        if not missed:
            chosen.reverse()
        if chosen:
            groups.append(Group(title, explanation, tuple(chosen)))
    return groups


def draw_gallery(result: CategoryResult, *, cards: int) -> Html:
    """Return the gallery of a category with at most ``cards`` cards."""
    groups = grouped(result.evaluation.outcomes)
    shares = _shares([len(group.outcomes) for group in groups], cards)
    return join(
        *(_draw_group(result, g, shown=n) for g, n in zip(groups, shares, strict=True) if n)
    )


def _shares(sizes: list[int], cards: int) -> list[int]:
    """Return how many of each group are shown: the first groups are served first."""
    shares = []
    for size in sizes:
        shares.append(min(size, LARGEST_GROUP, cards))
        cards -= shares[-1]
    return shares


def _draw_group(result: CategoryResult, group: Group, *, shown: int) -> Html:
    total = len(group.outcomes)
    rest = "" if shown == total else f" {shown} of {total} shown; all are in {_place(result)}."
    return join(
        element("h4", group.title, " ", element("span", count_of(total, "picture"), css="count")),
        element("p", group.explanation + rest, css="quiet"),
        element("div", *(_card(result, o) for o in group.outcomes[:shown]), css="gallery"),
    )


def _card(result: CategoryResult, outcome: Outcome) -> Html:
    sample, verdict = outcome
    overlay = result.overlays / picture_name(verdict.frame_id)
    pictures = [
        picture_file(overlay, name=f"{verdict.frame_id}, inspected", width_px=_OVERLAY_PX),
        picture_with_truth(sample, width_px=_PHOTO_PX),
    ]
    missing = element("p", "picture not readable", css="quiet")
    decision = verdict.decision.value
    score = f"score {verdict.score:.4g}" if math.isfinite(verdict.score) else verdict.reason
    caption = element(
        "figcaption",
        element("span", decision, css=f"chip {decision.lower()}"),
        element("span", verdict.frame_id, css="name"),
        element("span", score, css="quiet"),
    )
    shown = element("div", *(picture or missing for picture in pictures), css="pair")
    return element("figure", shown, caption, css="card")


def _place(result: CategoryResult) -> str:
    return f"{result.overlays.parent.name}/{result.overlays.name}/"


def _score(verdict: Verdict, *, unknown: float) -> float:
    return verdict.score if math.isfinite(verdict.score) else unknown
