"""A bundle's stages on this machine: first that they answer rightly, then how long they take."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from res2clip_runtime.backends import BackendStages, open_stages
from res2clip_runtime.benchmark.device_figures import cuda_device, device_figures
from res2clip_runtime.benchmark.memory import forget_peak, peak_mb
from res2clip_runtime.benchmark.plain_match import plain_match
from res2clip_runtime.benchmark.surroundings import surroundings
from res2clip_runtime.benchmark.timing import time_in_turn
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.cuda import CudaDevice
from res2clip_runtime.errors import BackendError, InputError, ParityError
from res2clip_runtime.inspection import resize_picture, score_maps
from res2clip_runtime.preprocess import PictureU8, resize_square
from res2clip_runtime.stages import (
    Features,
    FloatArray,
    grid_rho,
    mean_direction,
)

__all__ = ["STAGES", "BundleBenchmark", "benchmark_bundle"]

STAGES = ("preprocess", "encoder", "match", "heads", "score", "frame")
"""What can be timed; ``frame`` is one picture through all of it, decoding excluded."""
_ON_DEVICE = ("encoder", "match", "heads", "frame")
"""What uses the CUDA device of an engine that has one; decoding, resizing and score do not."""
_DEVICE_RUNS = 10
"""Runs timed by the device, after those timed by the clock on the wall."""
MATCH_LIMIT = 1e-4
"""Largest difference of a residual to the plain float64 one; match is fp32 in every bundle."""
_CHECKED_PATCHES = 64
_ENCODED_REFERENCES = 4
"""Good pictures that are really encoded; further shots are these with a little noise."""

Progress = Callable[[str], None]
"""Called with what is being done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleBenchmark:
    """What was measured."""

    bundle: str
    """Name of the bundle."""
    backend: str
    """Engine that ran it."""
    frame_px: tuple[int, int]
    """Width and height of the frames."""
    cold_ms: float
    """Cold start: opening the engine and encoding the first picture."""
    match_max_abs: float
    """Largest difference of a residual to plain NumPy in float64."""
    rows: tuple[Mapping[str, object], ...]
    """One for each stage and number of shots or batch: Timing's fields, the process's ``peak_mb``,
    and, on a CUDA device of ours, ``device_ms`` and ``gpu_peak_mb``."""
    surroundings: Mapping[str, str]
    """Machine, GPU and driver, versions, commit."""

    def scaling(self, axis: str = "shots") -> dict[str, list[tuple[float, float]]]:
        """Return (``shots`` or ``batch``, median ms) of the stages timed at several of them.

        The other one is the smallest that was timed.
        """
        other = "batch" if axis == "shots" else "shots"
        least = min((float(str(row[other])) for row in self.rows), default=1)
        lines: dict[str, list[tuple[float, float]]] = {}
        for row in self.rows:
            if float(str(row[other])) == least:
                point = (float(str(row[axis])), float(str(row["p50_ms"])))
                lines.setdefault(str(row["stage"]), []).append(point)
        return {stage: points for stage, points in lines.items() if len(points) > 1}

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON values; a figure that could not be measured is null."""
        rows = [
            {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()}
            for row in self.rows
        ]
        return {**dataclasses.asdict(self), "rows": rows, "frame_px": list(self.frame_px)}


def benchmark_bundle(
    bundle: Bundle,
    *,
    frames: Sequence[PictureU8],
    backend: str = "onnxruntime",
    threads: int | None = None,
    stages: Sequence[str] = STAGES,
    shots: Sequence[int] = (1, 4, 16),
    batches: Sequence[int] = (1,),
    runs: int = 20,
    seconds: float = 10.0,
    progress: Progress | None = None,
) -> BundleBenchmark:
    """Return the times of a bundle's stages on an engine.

    Args:
        bundle: what to run.
        frames: two or more (H, W, 3) uint8 RGB pictures of a part; the first is inspected.
        backend: engine.
        threads: of the engine; None: its own choice.
        stages: which of ``STAGES`` to time.
        shots: numbers of references; only match and frame depend on it.
        batches: pictures at once, at the first number of shots; only encoder, match and heads
            take more than one.  Milliseconds are of the whole batch.
        runs: timed runs of each.
        seconds: roughly how long one line of the result may take.
        progress: told what is being done.

    Raises:
        InputError: an unknown stage, no shots, no batch, or too few frames.
        BackendError: the engine refused, or gave something that is not finite.
        ParityError: match differs from plain NumPy.
    """
    _check_options(stages, shots, batches, frames)
    say = progress or (lambda _: None)
    begun = time.perf_counter()
    opened = open_stages(bundle, backend, threads=threads)
    try:
        opened.encode(resize_square(frames[0], opened.spec.image_size_px)[None])
        cold_ms = (time.perf_counter() - begun) * 1e3
        say("checking")
        device = cuda_device(opened)
        inputs = _Inputs.of(opened, frames, max(shots))
        difference = _check_match(opened, inputs)
        rows = []
        for number, batch in [*((n, 1) for n in shots), *((shots[0], b) for b in batches if b > 1)]:
            calls = _calls(opened, inputs, number, batch)
            for stage in stages:
                if number != shots[0] and stage not in ("match", "frame"):
                    continue
                if batch > 1 and stage not in ("encoder", "match", "heads"):
                    continue
                say(f"{stage}, {number} shots, batch {batch}")
                figures = _figures(stage, calls[stage], runs=runs, seconds=seconds, device=device)
                rows.append({"stage": stage, "shots": number, "batch": batch, **figures})
    finally:
        opened.close()
    return BundleBenchmark(
        bundle=bundle.manifest.name,
        backend=backend,
        frame_px=(frames[0].shape[1], frames[0].shape[0]),
        cold_ms=round(cold_ms, 1),
        match_max_abs=difference,
        rows=tuple(rows),
        surroundings=surroundings(),
    )


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What the stages are given."""

    frame: PictureU8
    query: Features
    bank: FloatArray
    rho: FloatArray
    reference: FloatArray

    @classmethod
    def of(cls, opened: BackendStages, frames: Sequence[PictureU8], shots: int) -> _Inputs:
        size = opened.spec.image_size_px
        query = opened.encode(resize_square(frames[0], size)[None])
        squares = (resize_square(f, size) for f in frames[1 : 1 + min(shots, _ENCODED_REFERENCES)])
        encoded = [opened.encode(square[None]) for square in squares]
        banks = [features.patches[0] for features in encoded]
        rng = np.random.default_rng(0)
        while len(banks) < shots:
            similar = banks[len(banks) % len(encoded)]
            noise = rng.standard_normal(similar.shape, dtype=np.float32)
            similar = similar + noise * np.float32(0.2 / np.sqrt(similar.shape[-1]))
            banks.append(similar / np.linalg.norm(similar, axis=-1, keepdims=True))
        return cls(
            frames[0],
            query,
            np.concatenate(banks, axis=1),
            np.tile(grid_rho(opened.spec.grid), shots),
            mean_direction(np.concatenate([features.image for features in encoded])),
        )


def _calls(
    opened: BackendStages, inputs: _Inputs, shots: int, batch: int
) -> dict[str, Callable[[], object]]:
    """Return each stage as a call, on inputs prepared beforehand."""
    spec = opened.spec
    query = Features(*(np.repeat(a, batch, 0) for a in (inputs.query.patches, inputs.query.image)))
    count = shots * spec.patches
    bank = np.ascontiguousarray(inputs.bank[:, :count])
    rho = inputs.rho[:count]
    squares = np.repeat(resize_square(inputs.frame, spec.image_size_px)[None], batch, axis=0)
    residual = opened.match(query.patches, bank, rho)
    heads_inputs = (query.patches[:, -1], residual, query.image, inputs.reference)
    branches = opened.heads(*heads_inputs)
    _require_finite(branches.maps, "heads")

    def frame() -> object:
        features = opened.encode(resize_picture(opened, inputs.frame)[None])
        found = opened.match(features.patches, bank, rho)
        maps = opened.heads(features.patches[:, -1], found, features.image, inputs.reference)
        return score_maps(opened, maps.maps[0], maps.scores[0])

    return {
        "preprocess": lambda: resize_picture(opened, inputs.frame),
        "encoder": lambda: opened.encode(squares),
        "match": lambda: opened.match(query.patches, bank, rho),
        "heads": lambda: opened.heads(*heads_inputs),
        "score": lambda: score_maps(opened, branches.maps[0], branches.scores[0]),
        "frame": frame,
    }


def _figures(
    stage: str,
    call: Callable[[], object],
    *,
    runs: int,
    seconds: float,
    device: CudaDevice | None,
) -> dict[str, object]:
    forget_peak()
    timing = time_in_turn({stage: call}, runs=runs, warm_up=3, seconds=seconds)[stage]
    figures = {name: round(value, 3) for name, value in dataclasses.asdict(timing).items()}
    figures["peak_mb"] = round(peak_mb(), 1)
    if device is None:
        return {**figures}
    if stage not in _ON_DEVICE:  # the same columns in every row
        return {**figures, "device_ms": float("nan"), "gpu_peak_mb": float("nan")}
    return {**figures, **device_figures(device, call, runs=min(timing.runs, _DEVICE_RUNS))}


def _check_match(opened: BackendStages, inputs: _Inputs) -> float:
    """Return how far match is from plain NumPy in float64, on some patches of every tap."""
    _require_finite(inputs.query.patches, "encoder")
    _require_finite(inputs.bank, "encoder")
    spec = opened.spec
    residual = opened.match(inputs.query.patches, inputs.bank, inputs.rho)
    _require_finite(residual, "match")
    some = np.linspace(0, spec.patches - 1, min(_CHECKED_PATCHES, spec.patches)).astype(int)
    worst = 0.0
    for tap, bank in enumerate(inputs.bank):
        expected = plain_match(
            inputs.query.patches[0, tap, some].astype(np.float64),
            grid_rho(spec.grid)[some].astype(np.float64),
            bank.astype(np.float64),
            inputs.rho.astype(np.float64),
            gamma=spec.gamma,
        )
        worst = max(worst, float(np.abs(residual[0, tap, some] - expected).max()))
    if not worst <= MATCH_LIMIT:
        raise ParityError(
            f"stage 'match' differs by {worst:.2e} from plain NumPy, allowed {MATCH_LIMIT:.0e}; "
            "nothing is timed. Export the bundle again, or try another --backend"
        )
    return worst


def _require_finite(values: FloatArray, stage: str) -> None:
    if not np.isfinite(values).all():
        raise BackendError(
            f"stage '{stage}' gave NaN or infinity; nothing is timed. Try another --backend, or "
            "export the bundle again"
        )


def _check_options(
    stages: Sequence[str],
    shots: Sequence[int],
    batches: Sequence[int],
    frames: Sequence[PictureU8],
) -> None:
    if unknown := [stage for stage in stages if stage not in STAGES]:
        raise InputError(f"unknown stage '{unknown[0]}' (--stage); known: {', '.join(STAGES)}")
    if not shots or min(shots) < 1 or not stages:
        raise InputError(f"nothing to time: stages {list(stages)}, shots {list(shots)} (--shots)")
    if not batches or min(batches) < 1:
        raise InputError(f"nothing to time: batches {list(batches)} (--batch)")
    if len(frames) < 2:
        raise InputError("a benchmark needs two or more frames: one to inspect, one good one")
