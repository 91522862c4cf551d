"""A model on an engine against the recorded answers of PyTorch."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from res2clip_runtime.backends import open_stages
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.errors import ParityError
from res2clip_runtime.inspection import WholePipeline
from res2clip_runtime.parity.answers import Answers, answer, answers_of
from res2clip_runtime.parity.arithmetic import arithmetic_of
from res2clip_runtime.parity.comparison import SEEDED, Comparison, compare
from res2clip_runtime.parity.felt_change import felt_change
from res2clip_runtime.parity.pictures import TEACHING
from res2clip_runtime.parity.recording import heads_kept, match_kept
from res2clip_runtime.parity.report import ParityReport
from res2clip_runtime.parity.samples import SAMPLES_FILE, ParitySamples, load_samples
from res2clip_runtime.parity.tolerances import tolerance_of
from res2clip_runtime.preprocess import resize_square
from res2clip_runtime.score import score
from res2clip_runtime.stages import Features, Stages

__all__ = ["verify_bundle", "verify_stages"]


def verify_bundle(
    bundle: Bundle, *, backend: str = "onnxruntime", threads: int | None = None
) -> ParityReport:
    """Return how far the bundle on this machine's engine is from PyTorch in fp32.

    Raises:
        ArtefactNotFoundError: the bundle carries no samples.
        ArtefactError: the samples are damaged, or belong to another model.
        MissingExtraError: the engine is not installed.
        BackendError: the engine or device refused.
    """
    samples = load_samples(bundle.directory / SAMPLES_FILE)
    stages = open_stages(bundle, backend, threads=threads)
    try:
        return verify_stages(stages, samples, backend=backend)
    finally:
        stages.close()


def verify_stages(
    stages: Stages,
    samples: ParitySamples,
    *,
    backend: str,
    others: Sequence[Comparison] = (),
) -> ParityReport:
    """Return how far ``stages`` are from what was recorded.

    Args:
        stages: a model on an engine.
        samples: answers of the same model in PyTorch.
        backend: name of the engine, for the report.
        others: comparisons made elsewhere that belong into the report, too.
    """
    spec = stages.spec
    limits = tolerance_of(spec.precision)
    plain = functools.partial(score, spec=spec)
    reference = answers_of(samples.branches, samples.threshold, plain)
    found = answer(stages, samples.pictures)
    return ParityReport(
        precision=spec.precision,
        backend=backend,
        arithmetic=arithmetic_of(backend, spec.precision),
        comparisons=(
            *others,
            *_compare_resize(stages),
            *_compare_stages(stages, samples),
            *_compare_answers(reference, found, samples.pictures.kind),
        ),
        felt=felt_change(reference, found, samples.pictures, limits),
    )


def _compare_resize(stages: Stages) -> list[Comparison]:
    """Return the difference from Pillow, in shares of 255, where the stages resize themselves."""
    if not isinstance(stages, WholePipeline):
        return []
    side = stages.spec.image_size_px
    frames = np.random.default_rng(0).integers(0, 256, (2, 301, 397, 3), dtype=np.uint8)
    want = np.stack([resize_square(frame, side) for frame in frames])
    got = np.stack([stages.resize(frame) for frame in frames])
    shares = [(squares / np.float32(255)).astype(np.float32) for squares in (want, got)]
    return [compare("preprocess", "square", SEEDED, *shares)]


def _compare_stages(stages: Stages, samples: ParitySamples) -> list[Comparison]:
    want, pictures = samples.stages, samples.pictures
    if want.patches.shape[1::2] != (len(stages.spec.taps), stages.spec.embed_dim):
        raise ParityError(
            f"the samples' features {want.patches.shape} do not fit this model's "
            f"{len(stages.spec.taps)} taps of width {stages.spec.embed_dim}; export it again"
        )
    squares = [*pictures.teaching, pictures.squares[-1]]
    features = [stages.encode(square[None]) for square in squares]
    patches = np.concatenate([one.patches[:, :, want.positions] for one in features])
    image = np.concatenate([one.image for one in features])
    kept = Features(patches=want.patches, image=want.image)
    branches = heads_kept(stages, kept, want.positions, want.residual)
    residual = match_kept(stages, kept, want.positions)
    pairs = (
        ("encoder", "patches (samples)", want.patches, patches),
        ("encoder", "image_feature (samples)", want.image, image),
        (
            "match",
            f"residual ({TEACHING} x {len(want.positions)} patches)",
            want.residual,
            residual,
        ),
        ("heads", "maps (samples)", want.branches.maps, branches.maps),
        ("heads", "scores (samples)", want.branches.scores, branches.scores),
    )
    return [compare(stage, name, pictures.kind, *pair) for stage, name, *pair in pairs]


def _compare_answers(reference: Answers, found: Answers, kind: str) -> list[Comparison]:
    scores = [side.scores.astype(np.float32) for side in (reference, found)]
    return [
        compare("verdict", "score", kind, *scores),
        compare("verdict", "anomaly_map", kind, reference.maps, found.maps),
    ]
