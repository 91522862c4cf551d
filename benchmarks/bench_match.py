"""How long does the match stage take on a CPU, beside the plain ways to compute it?

    python benchmarks/bench_match.py [--shape ViT-L-518 mini] [--shots 1 2 4 8 16 32 64] [--runs 5]

Four ways on the same arrays: ours (`ours`), dense similarity and sort-based sparsemax in NumPy
(`numpy`) and in eager PyTorch (`torch`), and the exported graph on ONNX Runtime (`onnx`). Parity
first: each way is held to the sorted float64 residuals on some patches. They are timed in turn;
quote the ratios. The memory a way adds is measured in a process of its own.

The features are made up: a common direction, a smooth pattern and noise, so that tens to two
hundred references get weight, as with a CLIP's features. `support` says how many did.

Rows are appended to results/match.csv, one shape and number of shots at a time: an interrupted run
has lost nothing, `--shots` goes on. Dense ways are left out where they would need over --memory GB.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from harness import append_rows, print_table, time_in_turn

from res2clip_runtime.benchmark.memory import peak_added_mb
from res2clip_runtime.benchmark.plain_match import plain_match, sorted_sparsemax
from res2clip_runtime.cpu import CpuMatcher
from res2clip_runtime.stages import grid_rho

GAMMA = 0.01
LIMIT = 1e-5
WAYS = ("ours", "numpy", "torch", "onnx")
CHECKED_PATCHES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    grid: int
    dim: int
    taps: int


SHAPES = {
    "ViT-L-518": Shape(grid=37, dim=768, taps=4),
    "ViT-B-224": Shape(grid=14, dim=512, taps=4),
    "mini": Shape(grid=24, dim=192, taps=4),
}

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def main() -> None:
    options = parse()
    for name in options.shape:
        for shots in options.shots:
            rows = compare(name, shots, options)
            print_table(rows)
            print(f"appended to {append_rows('match', rows)}")


def compare(name: str, shots: int, options: argparse.Namespace) -> list[dict[str, object]]:
    shape = SHAPES[name]
    arrays = features(shape, shots)
    wanted, support = expected(shape, arrays)
    ways = [way for way in options.ways if affordable(way, shape, shots, options.memory)]
    with tempfile.TemporaryDirectory() as place:
        calls = {way: opened(way, shape, arrays, options.threads, place) for way in ways}
        errors = {way: difference(call(), wanted) for way, call in calls.items()}
        for way, error in errors.items():
            assert error < LIMIT, f"{way} is wrong by {error}"
        timings = time_in_turn(calls, runs=options.runs, warm_up=1, seconds=options.seconds)
        memory = {way: added_memory(way, name, shots, options.threads, place) for way in ways}
    ours = timings["ours"].p50_ms if "ours" in timings else float("nan")
    return [
        {
            "shape": name,
            "shots": shots,
            "threads": options.threads,
            "way": way,
            "runs": timings[way].runs,
            "first_ms": round(timings[way].first_ms, 1),
            "p50_ms": round(timings[way].p50_ms, 1),
            "p90_ms": round(timings[way].p90_ms, 1),
            "p99_ms": round(timings[way].p99_ms, 1),
            "min_ms": round(timings[way].min_ms, 1),
            "ours_faster": round(timings[way].p50_ms / ours, 2),
            "added_mb": round(memory[way], 1),
            "max_error": float(f"{errors[way]:.2g}"),
            "support": support,
        }
        for way in ways
    ]


def features(shape: Shape, shots: int) -> Arrays:
    """Return patches (1, T, P, D), a bank (T, N, D) and its rho (N,), always the same."""
    rng = np.random.default_rng(0)
    patches = shape.grid**2
    common = 3 * rng.standard_normal((shape.taps, 1, shape.dim))
    pattern = 0.5 * blurred(rng.standard_normal((shape.taps, shape.grid, shape.grid, shape.dim)))
    common = (common + pattern.reshape(shape.taps, patches, shape.dim)).astype(np.float32)

    def picture() -> np.ndarray:
        found = common + np.float32(0.5) * rng.standard_normal(common.shape, dtype=np.float32)
        return found / np.linalg.norm(found, axis=-1, keepdims=True)

    query = picture()[None]
    bank = np.empty((shape.taps, shots * patches, shape.dim), dtype=np.float32)
    for shot in range(shots):
        bank[:, shot * patches : (shot + 1) * patches] = picture()
    return query, bank, np.tile(grid_rho(shape.grid), shots)


def blurred(values: np.ndarray) -> np.ndarray:
    """Return (T, G, G, D) noise smoothed over the grid, of variance one."""
    along = np.fft.fftfreq(values.shape[1])
    low = np.exp(-2 * (2 * np.pi) ** 2 * (along[:, None] ** 2 + along[None] ** 2))
    smooth = np.fft.ifft2(np.fft.fft2(values, axes=(1, 2)) * low[..., None], axes=(1, 2)).real
    return smooth / smooth.std()


def expected(shape: Shape, arrays: Arrays) -> tuple[np.ndarray, int]:
    """Return the float64 residuals of some patches (T, rows, D), and the median support."""
    query, bank, rho = arrays
    some = checked(shape)
    own = grid_rho(shape.grid)[some].astype(np.float64)
    residuals, support = [], []
    for tap in range(shape.taps):
        patches, references = query[0, tap, some].astype(np.float64), bank[tap].astype(np.float64)
        residuals.append(plain_match(patches, own, references, rho.astype(np.float64), gamma=GAMMA))
        scores = patches @ references.T - GAMMA * np.abs(own[:, None] - rho)
        support.append((sorted_sparsemax(scores) > 0).sum(axis=1))
    return np.stack(residuals), int(np.median(support))


def checked(shape: Shape) -> np.ndarray:
    return np.linspace(0, shape.grid**2 - 1, CHECKED_PATCHES).astype(int)


def difference(residual: np.ndarray, wanted: np.ndarray) -> float:
    some = np.linspace(0, residual.shape[2] - 1, CHECKED_PATCHES).astype(int)
    return float(np.abs(residual[0][:, some] - wanted).max())


def opened(
    way: str, shape: Shape, arrays: Arrays, threads: int, place: str
) -> Callable[[], np.ndarray]:
    """Return one way to match the arrays, as a call."""
    query, bank, rho = arrays
    if way == "ours":
        return functools.partial(CpuMatcher(shape.grid, GAMMA, threads=threads).match, *arrays)
    if way == "numpy":
        own = grid_rho(shape.grid)
        return lambda: np.stack(
            [plain_match(query[0, t], own, bank[t], rho, gamma=GAMMA) for t in range(shape.taps)]
        )[None]
    if way == "torch":
        return eager_torch(arrays, threads)
    return onnx_graph(shape, arrays, threads, place)


def eager_torch(arrays: Arrays, threads: int) -> Callable[[], np.ndarray]:
    import torch
    from plain_torch import plain_match as plain_torch_match

    torch.set_num_threads(threads)
    query, bank, rho = map(torch.from_numpy, arrays)

    def call() -> np.ndarray:
        with torch.inference_mode():
            return plain_torch_match(query[0], bank, rho, gamma=GAMMA)[None].numpy()

    return call


def onnx_graph(shape: Shape, arrays: Arrays, threads: int, place: str) -> Callable[[], np.ndarray]:
    from res2clip_runtime.backends.onnx_stages import open_session

    path = Path(place) / f"match-{shape.grid}-{shape.dim}.onnx"
    if not path.exists():
        write_graph(shape, path)
    session = open_session(str(path), threads=threads)
    feeds = dict(zip(("patches", "bank", "bank_rho"), arrays, strict=True))
    return lambda: session.run(None, feeds)[0]


def write_graph(shape: Shape, path: Path) -> None:
    """Write the match stage as a bundle has it, for any encoder of this shape."""
    import torch

    from res2clip.matching import Strategy
    from res2clip_export.sparsemax_unrolled import UnrolledMatcher
    from res2clip_export.stages import EXPORTED_MATCH, ExportStage
    from res2clip_export.to_onnx import write_onnx
    from res2clip_runtime.manifest import TensorEntry

    patches = shape.grid**2
    shapes = {
        "patches": ("B", shape.taps, patches, shape.dim),
        "bank": (shape.taps, "N", shape.dim),
        "bank_rho": ("N",),
    }
    free = {"B": 2, "N": 37}
    stage = ExportStage(
        name="match",
        module=UnrolledMatcher(Strategy.parse(EXPORTED_MATCH), shape.grid).eval(),
        example=tuple(
            torch.zeros([free.get(size, size) for size in sizes]) for sizes in shapes.values()
        ),
        inputs=tuple(
            TensorEntry(name=name, dtype="float32", shape=sizes, meaning=name)
            for name, sizes in shapes.items()
        ),
        outputs=(
            TensorEntry(name="residual", dtype="float32", shape=shapes["patches"], meaning="R"),
        ),
    )
    write_onnx(stage, path)


def added_memory(way: str, name: str, shots: int, threads: int, place: str) -> float:
    """Return the MB that one call adds, in a fresh process: the first call, nothing to re-use."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_added_memory, (way, name, shots, threads, place))


def _added_memory(way: str, name: str, shots: int, threads: int, place: str) -> float:
    shape = SHAPES[name]
    arrays = features(shape, shots)
    call = opened(way, shape, arrays, threads, place)
    # A few references first, so that libraries are loaded and threads are there.
    small = (arrays[0], np.ascontiguousarray(arrays[1][:, :64]), arrays[2][:64])
    opened(way, shape, small, threads, place)()
    return peak_added_mb(call)


def affordable(way: str, shape: Shape, shots: int, memory_gb: float) -> bool:
    """Return whether a way's temporary arrays stay under the limit; ours has no such arrays."""
    matrices = {"ours": 0, "numpy": 6, "torch": 8, "onnx": 4 * shape.taps}[way]
    return matrices * shape.grid**4 * shots * 4 / 1e9 < memory_gb


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", nargs="+", choices=SHAPES, default=["ViT-L-518", "mini"])
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--memory", type=float, default=8.0, help="GB for temporary arrays")
    return parser.parse_args()


if __name__ == "__main__":
    main()
