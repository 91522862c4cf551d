"""How much faster are our engines and precisions than plain eager PyTorch, at full size?

    python benchmarks/bench_backends.py --keep DIR [--ways onnxruntime/fp32 openvino/int8 ...]

A CLIP of ViT-L/14@336's shape with random weights, 518 px. Every bundle goes through its parity
gate (--keep DIR keeps them, and takes them from there the next time). Then, in one process and in
turn: the encoder written plainly in eager PyTorch (plain_torch.py), and each engine; the same for
the match stage with --shots references. Parity first: each encoder's features are held to the
eager ones on a picture of a part, by the cosine its precision allows; match to eager's residuals.

Rows are appended to results/backends.csv; `faster` is eager's median over the way's. On a shared
machine quote that ratio, not the milliseconds.
"""

from __future__ import annotations

import argparse
import functools
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from harness import append_rows, print_table, time_in_turn
from plain_torch import plain_encode, plain_match
from random_clip import ClipShape, bundle_of, random_model

import res2clip
from res2clip_runtime.backends import BackendStages, open_stages
from res2clip_runtime.benchmark.frames import seeded_frames
from res2clip_runtime.parity.arithmetic import arithmetic_of
from res2clip_runtime.parity.tolerances import tolerance_of
from res2clip_runtime.preprocess import resize_square
from res2clip_runtime.stages import Features, grid_rho

EAGER = "eager"
WAYS = (
    "onnxruntime/fp32",
    "openvino/fp32",
    "openvino/bf16",
    "onnxruntime/int8",
    "openvino/int8",
    "openvino/int8-bf16",
)
MATCH_LIMIT = 1e-4

Call = Callable[[], object]


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    shape = ClipShape(blocks=options.blocks, width=options.width, size_px=options.size)
    model = random_model(shape)
    opened = {way: open_way(way, model, options) for way in options.ways}
    squares = [resize_square(frame, options.size) for frame in seeded_frames(1 + options.shots)]
    eager = functools.partial(plain, model, squares[0])
    encoders = {way: encoding(stages, squares[0]) for way, stages in opened.items()}
    wanted = eager()
    cosines = {way: encoder_cosine(way, wanted, call()) for way, call in encoders.items()}
    rows = compare("encoder", {EAGER: eager, **encoders}, cosines, options)
    arrays = match_arrays(next(iter(opened.values())), squares)
    calls = {way: matching(stages, arrays) for way, stages in opened.items()}
    calls = {EAGER: eager_match(model, arrays), **calls}
    check_match(calls)
    rows += compare("match", calls, {}, options)
    print_table(rows)
    print(f"appended to {append_rows('backends', rows)}")


def open_way(way: str, model: res2clip.Res2CLIP, options: argparse.Namespace) -> BackendStages:
    backend, precision = way.split("/")
    bundle = bundle_of(model, options.keep / precision, precision)
    return open_stages(bundle, backend, threads=options.threads)


def plain(model: res2clip.Res2CLIP, square: np.ndarray) -> Features:
    with torch.inference_mode():
        patches, image = plain_encode(model.encoder, torch.tensor(square[None]))
    return Features(patches.numpy(), image.numpy())


def encoding(stages: BackendStages, square: np.ndarray) -> Callable[[], Features]:
    return lambda: stages.encode(square[None])


def encoder_cosine(way: str, wanted: Features, got: Features) -> float:
    """Return the lower mean cosine of both outputs; outside the precision's limit, stop."""
    worst = min(mean_cosine(wanted.patches, got.patches), mean_cosine(wanted.image, got.image))
    limit = tolerance_of(way.split("/")[1]).encoder_cosine
    assert worst >= limit, f"{way}: cosine {worst}, at least {limit}"
    return worst


def mean_cosine(a: np.ndarray, b: np.ndarray) -> float:
    assert np.isfinite(b).all()
    return float((a.astype(np.float64) * b).sum(axis=-1).mean())


def match_arrays(stages: BackendStages, squares: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    query, *references = (stages.encode(square[None]).patches for square in squares)
    bank = np.ascontiguousarray(np.concatenate([r[0] for r in references], axis=1))
    return query, bank, np.tile(grid_rho(stages.spec.grid), len(references))


def eager_match(model: res2clip.Res2CLIP, arrays: tuple[np.ndarray, ...]) -> Call:
    query, bank, rho = map(torch.from_numpy, arrays)

    def call() -> np.ndarray:
        with torch.inference_mode():
            return plain_match(query[0], bank, rho, gamma=model.spec.gamma)[None].numpy()

    return call


def matching(stages: BackendStages, arrays: tuple[np.ndarray, ...]) -> Call:
    return lambda: stages.match(*arrays)


def check_match(calls: dict[str, Call]) -> None:
    wanted = np.asarray(calls[EAGER]())
    for way, call in calls.items():
        error = float(np.abs(np.asarray(call()) - wanted).max())
        assert error < MATCH_LIMIT, f"{way}: a residual is wrong by {error}"


def compare(
    stage: str, calls: dict[str, Call], cosines: dict[str, float], options: argparse.Namespace
) -> list[dict[str, object]]:
    print(f"timing {stage}", flush=True)
    timings = time_in_turn(calls, runs=options.runs, warm_up=1, seconds=options.seconds)
    return [
        {
            "shape": f"{options.blocks} blocks x {options.width}, {options.size} px",
            "stage": stage,
            "shots": options.shots if stage == "match" else "",
            "threads": options.threads,
            "way": way,
            "arithmetic": "fp32" if way == EAGER else arithmetic_of(*way.split("/")),
            **{name: round(value, 1) for name, value in asdict(timing).items()},
            "faster": round(timings[EAGER].p50_ms / timing.p50_ms, 2),
            "cosine": round(cosines[way], 6) if way in cosines else "",
        }
        for way, timing in timings.items()
    ]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", type=Path, required=True, help="where the bundles are, or go")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), metavar="ENGINE/PRECISION")
    parser.add_argument("--shots", type=int, default=4)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--blocks", type=int, default=24)
    parser.add_argument("--size", type=int, default=518)
    return parser.parse_args()


if __name__ == "__main__":
    main()
