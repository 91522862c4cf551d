"""What decides whether a bundle is written: its stages on an engine against PyTorch in fp32."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from res2clip.model import Res2CLIP
from res2clip_export.bisection import find_error_entry
from res2clip_export.half_arithmetic import compare_half_arithmetic
from res2clip_export.half_graph import HALF_TYPES
from res2clip_export.layer_sensitivity import SEARCH_PICTURES, search_comparisons
from res2clip_export.precision import Lowering
from res2clip_runtime.backends import open_stages
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.parity.comparison import SEEDED, Comparison
from res2clip_runtime.parity.pictures import JudgedPictures
from res2clip_runtime.parity.report import ParityReport
from res2clip_runtime.parity.samples import ParitySamples
from res2clip_runtime.parity.stage_comparison import compare_stages, noise_pictures, spread
from res2clip_runtime.parity.verification import verify_stages
from res2clip_runtime.preprocess import PictureU8

__all__ = ["CALIBRATED_MARGIN", "measure_parity", "require_parity"]

CALIBRATED_MARGIN = 2e-6
"""How much worse a cosine of the written int8 graph may be than when its layers were chosen.

Graph, pictures and engine are the same and give the same bits; the reference is PyTorch instead of
the fp32 graph, 6e-8 apart at ViT-L's width.
"""


def measure_parity(
    model: Res2CLIP,
    bundle: Bundle,
    samples: ParitySamples,
    *,
    backend: str,
    lowering: Lowering | None,
    calibration: Sequence[PictureU8],
) -> ParityReport:
    """Return how far the bundle on ``backend`` is from the model.

    Args:
        model: what was exported.
        bundle: its graphs.
        samples: PyTorch's answers.
        backend: engine to judge.
        lowering: what was done to the encoder; None in fp32.
        calibration: pictures that it was lowered with.

    Raises:
        MissingExtraError: the engine is not installed.
        BackendError: the engine refused a graph.
    """
    pictures = samples.pictures
    # The graph is what other engines run; NumPy's match is held to the method by its own tests.
    stages = open_stages(bundle, backend, graph_match=True)
    try:
        others = [
            *compare_stages(model, stages, noise_pictures(model.spec.image_size_px), SEEDED),
            *compare_stages(model, stages, spread(pictures.squares), pictures.kind),
            *_half_arithmetic(model, bundle, pictures, lowering),
            *_as_calibrated(model, bundle, lowering, calibration),
        ]
        report = verify_stages(stages, samples, backend=backend, others=others)
    finally:
        stages.close()
    return dataclasses.replace(report, lowering=lowering.to_json() if lowering else {})


def require_parity(
    report: ParityReport, *, bundle: Bundle, fp32: Path, pictures: JudgedPictures
) -> None:
    """Raise ParityError, naming the layer where the error enters, if the report has failures.

    Args:
        report: of this bundle.
        bundle: its encoder may be a lowered one.
        fp32: the encoder's graph before it was lowered.
        pictures: the last one is used to find the layer.
    """
    encoder = bundle.stage_path("encoder")
    cause = ""
    if report.failures and fp32 != encoder:
        reference, lowered = (onnx.load(str(path)) for path in (fp32, encoder))
        cause = str(find_error_entry(reference, lowered, pictures.squares[-1]))
    report.require(
        "the exported model does not answer like PyTorch, no bundle is written", cause=cause
    )


def _half_arithmetic(
    model: Res2CLIP, bundle: Bundle, pictures: JudgedPictures, lowering: Lowering | None
) -> list[Comparison]:
    precision = bundle.manifest.method.precision
    if precision not in HALF_TYPES or lowering is None:
        return []
    return compare_half_arithmetic(
        model,
        pictures.squares,
        precision=precision,
        kind=pictures.kind,
        kept_float=lowering.kept_float,
    )


def _as_calibrated(
    model: Res2CLIP,
    bundle: Bundle,
    lowering: Lowering | None,
    calibration: Sequence[PictureU8],
) -> list[Comparison]:
    """Return the written int8 graph against PyTorch, as near as when its layers were chosen.

    The precision's limits leave room for sensitive models, and a wrong scale would hide there.
    """
    if lowering is None or not lowering.cosines:
        return []
    wanted = model.encode(np.stack(calibration[:SEARCH_PICTURES]))
    written = onnx.load(str(bundle.stage_path("encoder")))
    return [
        dataclasses.replace(
            found,
            output=f"{found.output} (as calibrated)",
            least_cosine=lowering.cosines[found.output] - CALIBRATED_MARGIN,
        )
        for found in search_comparisons(wanted, written, calibration)
    ]
