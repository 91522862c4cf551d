"""The models that ``res2clip eval`` compares: training-free, trained, or a bundle."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from res2clip.cli.model_options import load_model
from res2clip.heads import MINI_HEADS
from res2clip.loading import MINI
from res2clip.model import Res2CLIP
from res2clip.report.model_facts import ModelFacts
from res2clip_runtime.backends import open_stages
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.errors import InputError
from res2clip_runtime.stages import Stages

__all__ = ["ModelRequest", "Models", "open_models"]

TRAINING_FREE, TRAINED, BOTH = "training-free", "trained", "both"
_RUN_BY = ("res2clip", "torch", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """The options that choose a model."""

    backbone: str = "mini"
    """``--backbone``."""
    image_size: int | None = None
    """``--image-size``."""
    heads: Path | None = None
    """``--heads``."""
    match: str = "sparse_radial_knn"
    """``--match``."""
    mode: str | None = None
    """``--mode``; None: whatever there is."""
    bundle: Path | None = None
    """``--bundle``; instead of all of the above."""
    backend: str = "onnxruntime"
    """``--backend``: engine of the bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Models:
    """Models that share one encoder."""

    by_mode: Mapping[str, Stages]
    """``training-free``, ``trained`` or both, in this order."""
    bundle: Bundle | None
    """Where they come from a bundle."""
    facts: ModelFacts
    """What the last of them is."""


@contextmanager
def open_models(request: ModelRequest) -> Iterator[Models]:
    """Yield the models; a bundle's engine is freed at the end.

    Raises:
        InputError: options that contradict each other.
        Res2ClipError: weights or bundle are missing, damaged or do not fit.
    """
    if request.bundle is None:
        yield _pytorch(request)
        return
    if request.heads or request.image_size or request.mode:
        raise InputError(
            "a bundle holds its heads and picture size; give --bundle, or --heads, --image-size "
            "and --mode"
        )
    bundle = Bundle.load(request.bundle)
    manifest = bundle.manifest
    facts = ModelFacts(
        backbone=manifest.backbone,
        heads=manifest.heads,
        method=manifest.method,
        versions=manifest.versions,
    )
    mode = TRAINING_FREE if manifest.heads == "none" else TRAINED
    with closing(open_stages(bundle, request.backend)) as stages:
        yield Models(by_mode={mode: stages}, bundle=bundle, facts=facts)


def _pytorch(request: ModelRequest) -> Models:
    heads = request.heads or (Path(MINI_HEADS) if request.backbone == MINI else None)
    modes = _modes(request.mode, heads)
    first = load_model(
        request.backbone,
        image_size=request.image_size,
        heads=heads if modes[0] == TRAINED else None,
        match=request.match,
    )
    models = {modes[0]: first}
    if len(modes) > 1:
        models[TRAINED] = first.with_heads(heads)
    return Models(by_mode=models, bundle=None, facts=_facts(models[modes[-1]]))


def _modes(wanted: str | None, heads: Path | None) -> tuple[str, ...]:
    mode = wanted or (BOTH if heads else TRAINING_FREE)
    known = {TRAINING_FREE: (TRAINING_FREE,), TRAINED: (TRAINED,), BOTH: (TRAINING_FREE, TRAINED)}
    if mode not in known:
        raise InputError(f"unknown mode '{mode}' (--mode); use {', '.join(known)}")
    if mode != TRAINING_FREE and heads is None:
        raise InputError(f"--mode {mode} needs learned heads; give --heads FILE")
    return known[mode]


def _facts(model: Res2CLIP) -> ModelFacts:
    return ModelFacts(
        backbone=model.backbone.origin,
        heads=model.heads_name,
        method=model.spec,
        versions={name: importlib.metadata.version(name) for name in _RUN_BY},
    )
