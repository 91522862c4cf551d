"""What each stage must compute and move at least, on paper: the bound on a GPU, nothing measured.

    python benchmarks/roofline.py            print the tables
    python benchmarks/roofline.py --write    put them into docs/performance.md

A stage can be no faster than max(FLOPs / peak FLOP/s, bytes / bandwidth). Peaks are the data
sheets' dense fp16 ones with fp32 accumulation (roofline_devices.json, each with its source); real
kernels reach a part of both. ViT-L/14@336 at 518 px, fp16, one picture; letters as in CONTRIBUTING.

Bytes: every matrix product reads its operands and writes its result once, weights included;
attention keeps its scores on the chip. What one kernel reads again comes from the L2 cache and is
said apart. Without fusion the similarity matrix goes through memory in every step.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from res2clip_runtime.storage import write_atomically

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN = "<!-- computed by benchmarks/roofline.py -->"
END = "<!-- end of what benchmarks/roofline.py computed -->"

SHOTS = (1, 4, 16, 64)
HALF, FLOAT = 2, 4  # bytes

SIZE, GRID, PATCH = 518, 37, 14
P = GRID**2
TOKENS = P + 1
WIDTH, BLOCKS, VV_BLOCKS = 1024, 24, 19
D, TAPS = 768, 4

TILE = 128
"""Query rows of a block of csrc/match_candidates.cuh: each block streams its part of the bank."""
CANDIDATES, SUPPORT = 180, 150
"""References a row of csrc/match_residual.cuh computes again and mixes (94 to 218 measured)."""
NAIVE_PASSES = 12
"""Over the (P, N) fp32 matrix, without fusion: similarity written; penalty, sort, cumulative sum,
support test and weights each read and write it; the second product reads it."""
FRAME = (1920, 1080)


@dataclass(frozen=True, slots=True)
class Work:
    """Of a stage on one picture."""

    flops: float
    bytes: float

    def __add__(self, other: Work) -> Work:
        return Work(self.flops + other.flops, self.bytes + other.bytes)

    def __mul__(self, times: float) -> Work:
        return Work(self.flops * times, self.bytes * times)

    def bound_ms(self, device: dict[str, float]) -> float:
        compute = self.flops / (device["fp16_tflops"] * 1e12)
        memory = self.bytes / (device["bandwidth_gb_s"] * 1e9)
        return 1e3 * max(compute, memory)


def product(rows: int, inner: int, columns: int) -> Work:
    """(rows, inner) x (inner, columns)."""
    moved = rows * inner + inner * columns + rows * columns
    return Work(2 * rows * inner * columns, HALF * moved)


def attention(tokens: int, width: int) -> Work:
    """Scores and mixture of all heads; three operands in, one out."""
    return Work(4 * tokens**2 * width, HALF * 4 * tokens * width)


def encoder() -> Work:
    block = (
        product(TOKENS, WIDTH, 3 * WIDTH)
        + attention(TOKENS, WIDTH)
        + product(TOKENS, WIDTH, WIDTH)
        + product(TOKENS, WIDTH, 4 * WIDTH)
        + product(TOKENS, 4 * WIDTH, WIDTH)
    )
    vv_block = attention(TOKENS, WIDTH) + product(TOKENS, WIDTH, WIDTH)
    patches = product(P, 3 * PATCH**2, WIDTH)
    return patches + block * BLOCKS + vv_block * VV_BLOCKS + product(P, WIDTH, D) * TAPS


def match_naive(shots: int) -> Work:
    """Dense similarity, sort-based sparsemax, dense mixture."""
    n = shots * P
    operands = HALF * 2 * (P * D + n * D) + FLOAT * 2 * P * D
    return Work(4 * P * n * D, NAIVE_PASSES * FLOAT * P * n + operands) * TAPS


def match_ours(shots: int) -> Work:
    """Nothing of the matrix's size moves: bank, queries, lists and residuals once."""
    n = shots * P
    lists = 2 * 8 * CANDIDATES * P
    once = HALF * (n * D + P * D) + FLOAT * 2 * P * D + lists
    flops = 2 * P * n * D + 2 * P * (CANDIDATES + SUPPORT) * D
    return Work(flops, once) * TAPS


def match_cached_bytes(shots: int) -> float:
    """What goes through the L2 cache: each tile of queries streams the bank, each row gathers."""
    streamed = HALF * shots * P * D * math.ceil(P / TILE)
    return TAPS * (streamed + HALF * P * (CANDIDATES + SUPPORT) * D)


def heads() -> Work:
    """Learned heads: the adapter A and the convolutional B on every tap."""
    narrow = D // 4
    adapter = product(P, D, narrow) + product(P, narrow, D)
    convolutions = Work(2 * 2 * 9 * P * narrow, HALF * 4 * P * narrow)
    local = product(P, D, narrow) + convolutions + product(P, 3 * narrow, narrow)
    return (adapter + local + product(P, narrow, D)) * TAPS


def score() -> Work:
    """Three branch maps: upsampled and blurred along both axes, fused, the highest 1 % chosen."""
    pixels = SIZE**2
    upsampled = 3 * (2 * SIZE * GRID * GRID + 2 * SIZE * GRID * SIZE) + 2 * 3 * 2 * 5 * pixels
    return Work(upsampled, FLOAT * (3 * P + 3 * 3 * pixels))


def preprocess() -> Work:
    """Antialiased bicubic of an RGB frame, first along rows, then along columns."""
    width, height = FRAME
    along, down = 4 * width / SIZE, 4 * height / SIZE
    flops = 2 * 3 * SIZE * (height * along + SIZE * down)
    return Work(flops, 3 * (width * height + 2 * SIZE * height + SIZE**2))


def rows_of_work() -> list[list[str]]:
    others = {"encoder": encoder(), "preprocess": preprocess(), "heads": heads(), "score": score()}
    rows = [[stage, *_figures(work), "", ""] for stage, work in others.items()]
    for shots in SHOTS:
        label = f"match, {shots} {'shot' if shots == 1 else 'shots'}"
        cached, naive = match_cached_bytes(shots) / 1e6, match_naive(shots).bytes / 1e6
        rows.append([label, *_figures(match_ours(shots)), f"{cached:,.0f}", f"{naive:,.0f}"])
    return rows


def rows_of_bounds(devices: Sequence[dict]) -> list[list[str]]:
    rows = []
    for device in devices:
        cells = [encoder().bound_ms(device), preprocess().bound_ms(device)]
        cells += [heads().bound_ms(device), score().bound_ms(device)]
        cells += [match_ours(shots).bound_ms(device) for shots in SHOTS]
        naive = [match_naive(shots).bound_ms(device) for shots in SHOTS]
        both = [f"{_ms(ours)} ({_ms(dense)})" for ours, dense in zip(cells[4:], naive, strict=True)]
        peaks = f"{device['fp16_tflops']:g}", f"{device['bandwidth_gb_s']:g}"
        rows.append([device["name"], *peaks, *map(_ms, cells[:4]), *both])
    return rows


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _figures(work: Work) -> tuple[str, str, str]:
    flops = work.flops / 1e9
    shown = f"{flops:.3g}" if flops < 1e3 else f"{flops:,.0f}"
    return shown, f"{work.bytes / 1e6:,.0f}", f"{work.flops / work.bytes:,.0f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def text() -> str:
    devices = json.loads(Path(__file__).with_name("roofline_devices.json").read_text())
    shots = [f"match, k = {number}" for number in SHOTS]
    return "\n\n".join(
        [
            "Computed, not measured. A picture at ViT-L/14@336, 518 px, fp16:",
            table(
                ["stage", "GFLOP", "MB", "FLOP a byte", "MB through L2", "MB without fusion"],
                rows_of_work(),
            ),
            "Lower bounds in milliseconds, match in brackets without fusion "
            "(TFLOP/s: dense fp16 tensor; GB/s: memory):",
            table(
                ["device", "TFLOP/s", "GB/s", "encoder", "preprocess", "heads", "score", *shots],
                rows_of_bounds(devices),
            ),
            "\n".join(f"- {device['name']}: {device['source']}." for device in devices),
        ]
    )


def with_tables(page: str) -> str:
    """Return the page with the present tables between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{text()}\n\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="into docs/performance.md")
    if not parser.parse_args().write:
        print(text())
        return
    write_atomically(PAGE, with_tables(PAGE.read_text(encoding="utf-8")).encode())
    print(f"written: {PAGE}")


if __name__ == "__main__":
    main()
