"""Recipes as text for a person."""

from __future__ import annotations

import shlex
from pathlib import Path

from res2clip_runtime.recipe import Recipe, Threshold
from res2clip_runtime.safe_text import shown
from res2clip_runtime.spec import MethodSpec

__all__ = ["recipe_text", "taught_text"]


def taught_text(
    recipe: Recipe, spec: MethodSpec, *, path: Path, program: str, bundle: Path | None = None
) -> str:
    """Return the references with their scores, the threshold, and the command to type next.

    Args:
        recipe: what was taught.
        spec: the model's.
        path: where the recipe was saved.
        program: the command that taught.
        bundle: the model that was named on the command line; None: an installed one.
    """
    threshold = recipe.thresholds.get(spec.score_id)
    scores = threshold.calibration_scores if threshold else ()
    width = max(len(reference.name) for reference in recipe.references)
    lines = [f"{'good picture':<{width}}  {'sha256':<8}  score among the others"]
    for index, reference in enumerate(recipe.references):
        score = f"{scores[index]:.4f}" if index < len(scores) else "-"
        lines.append(f"{reference.name:<{width}}  {reference.sha256[:8]}  {score}")
    lines.append(f"threshold: {_threshold_text(threshold)}")
    lines.append(f"saved: {path}")
    given = "" if threshold else " --threshold SCORE"
    file = shlex.quote(str(path))
    runner = "res2clip-run" if program == "res2clip" else program
    # An installed model is found again by the recipe; one that was named has to be named again.
    model = "" if bundle is None else f" --bundle {shlex.quote(str(bundle))}"
    lines.append(f"next:  {runner} --source DIR --recipe {file}{model}{given} --out results")
    return "\n".join(map(shown, lines))


def recipe_text(recipe: Recipe) -> str:
    """Return everything a person wants to know of a recipe, without the pictures."""
    taps, patches, width = recipe.bank.shape
    lines = [
        f"product     {recipe.product}",
        f"encoder     {recipe.encoder_id}",
        f"bank        {patches} patches x {taps} taps x {width} values",
        f"references  {len(recipe.references)}",
    ]
    lines += [f"  {r.sha256}  {r.name}" for r in recipe.references]
    lines.append("thresholds" + ("" if recipe.thresholds else "  none"))
    lines += [f"  {key}  {_threshold_text(t)}" for key, t in recipe.thresholds.items()]
    lines.append("history")
    lines += [f"  {entry.get('when', '?')}  {entry.get('what', '?')}" for entry in recipe.history]
    return "\n".join(map(shown, lines))


def _threshold_text(threshold: Threshold | None) -> str:
    if threshold is None:
        return "none (teach two or more good parts, or give one with --threshold)"
    pixel = "" if threshold.pixel is None else f", pixels {threshold.pixel:.4g}"
    label = "calibrated" if threshold.calibrated else "uncalibrated"
    return f"score {threshold.score:.4g}{pixel} ({threshold.source}, {label})"
