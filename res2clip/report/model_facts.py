"""What inspected: backbone, method, and how well the export answers like PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from res2clip.report.markup import Html, element, join, table
from res2clip_runtime.manifest import Manifest
from res2clip_runtime.spec import MethodSpec

__all__ = ["ModelFacts", "draw_model", "draw_parity"]

_MINI = (
    "res2clip-mini is a small CLIP that ships with res2clip so that everything runs offline. It "
    "shows how things work, not how well: in production, load ViT-L-14-336 "
    "(--backbone ViT-L-14-336-quickgelu:openai)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """A model that is not exported; a manifest says the same of a bundle, and more."""

    backbone: Mapping[str, str]
    """``name``, ``weights`` (tag or file), ``licence``."""
    heads: str
    """``none`` (training-free) or the name of the head weights."""
    method: MethodSpec
    """Constants of the method."""
    versions: Mapping[str, str]
    """Libraries that run it."""


def draw_model(manifest: Manifest | ModelFacts) -> Html:
    """Return the model's facts."""
    method, backbone = manifest.method, manifest.backbone
    training_free = manifest.heads == "none"
    facts = {
        "Backbone": f"{backbone['name']} ({backbone['weights']}, licence: {backbone['licence']})",
        "Picture size": f"{method.image_size_px} x {method.image_size_px} px, "
        f"{method.grid} x {method.grid} patches",
        "Heads": "none, training-free" if training_free else manifest.heads,
        "Taps": ", ".join(map(str, method.taps)) + f" · V-V depth {method.vv_depth}",
        "Matching": method.match,
        "Precision": method.precision,
        "Encoder": method.encoder_id[:16],
        "Made with": ", ".join(f"{name} {v}" for name, v in sorted(manifest.versions.items())),
    }
    rows = [join(element("dt", name), element("dd", fact)) for name, fact in facts.items()]
    note = element("p", _MINI, css="note") if backbone["name"] == "mini" else Html()
    return join(note, element("dl", *rows, css="facts"))


def draw_parity(manifest: Manifest) -> Html:
    """Return the summary of the comparison with PyTorch that let the bundle be written."""
    parity = manifest.parity
    if not parity:
        return element("p", "The bundle holds no parity summary.", css="quiet")
    rows = [
        ["largest difference to PyTorch", f"{parity['max_abs']:.1e}"],
        ["found in", str(parity["where"])],
        ["allowed", f"{parity['tolerance']:.0e}"],
        ["verdicts changed", f"{parity['verdicts_changed']} of {parity['verdicts']}"],
    ]
    return table(["exported model against PyTorch", ""], rows)
