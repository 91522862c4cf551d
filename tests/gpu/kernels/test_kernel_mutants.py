"""The proofs on the host shim can fail: every damage to a kernel is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest
from gpu.host_kernels import build_host_kernels
from gpu.mutant import CHECKS, run_check

PUT = "bank_slice);\n            __syncthreads();"
STORED = "wmma::mem_row_major);\n            __syncwarp();"

MUTANTS = {
    # name: check, file, text, what replaces it
    "slice read before it is there": ("match", "match_candidates.cuh", PUT, "bank_slice);"),
    "slice overwritten while it is read": (
        *("match", "match_candidates.cuh"),
        "__syncthreads();  // every warp is done with the slice before",
        "",
    ),
    "stage read before it is there": (
        *("match", "match_candidates.cuh", STORED, "wmma::mem_row_major);"),
    ),
    "shuffle step missing": ("match", "team.cuh", "flip = LANES / 2", "flip = LANES / 4"),
    "one reference too many": (
        "match",
        "match_candidates.cuh",
        "which < end &&",
        "which <= end &&",
    ),
    "last columns of D read from the next row": (
        *("match", "match_candidates.cuh", "row < rows && at < depth", "row < rows"),
    ),
    "last rows left out": (
        *("match", "match_candidates.cuh", "patch < shape.patches", "patch < shape.patches - 1"),
    ),
    "votes of the other row": (
        *("match", "match_candidates.cuh", "? votes : votes >> FRAGMENT", "? votes : votes"),
    ),
    "list not kept dense": (*("match", "match.cuh", "__popc(votes & ((1u << lane) - 1))", "lane"),),
    "bound above tau": ("match", "match.cuh", "MARGIN = 2.0f * ROUNDING", "MARGIN = -0.01f"),
    "Newton stops early": ("match", "threshold.cuh", "NEWTON_STEPS = 64", "NEWTON_STEPS = 3"),
    "one neighbour too few": ("match", "match_row.cuh", "one.score > cut ||", "false &&"),
    "weights not rounded": ("resize", "resize.cuh", "HALF = 1 << (WEIGHT_BITS - 1)", "HALF = 0"),
    "last column of the crop left out": ("resize", "resize.cuh", "shape.crop_width - 1", "0"),
    "overshoot not clipped": ("resize", "resize.cuh", "clip_to_byte(sum >>", "(sum >>"),
    "red taken for blue": ("resize", "resize.cuh", "row[3 * x + 2], row", "row[3 * x], row"),
    "last pixels left out": (
        "resize",
        "resize.cuh",
        "place >= row_bytes",
        "place >= row_bytes - 1",
    ),
    "histogram counted before it is empty": (
        *("score", "score.cuh", "histogram[i] = 0;\n        __syncthreads();", "histogram[i] = 0;"),
    ),
    "histogram read before it is full": (
        *("score", "score.cuh", "        __syncthreads();\n        if (block.warp() == 0) {"),
        "        if (block.warp() == 0) {",
    ),
    "bin used before it is found": (
        *("score", "score.cuh", "        __syncthreads();\n        lowest |="),
        "        lowest |=",
    ),
    "scan step missing": ("score", "score.cuh", "distance < LANES", "distance < LANES / 2"),
    "sums read before they are there": (
        *("score", "team.cuh", "= value;\n        __syncthreads();", "= value;"),
    ),
    "sums overwritten while they are read": (
        *("match", "team.cuh", "total += of_warp[i];\n        __syncthreads();"),
        "total += of_warp[i];",
    ),
    "equal pixels not counted": ("score", "score.cuh", "+ rank * static", "+ 0 * static"),
    "negative values in the wrong order": (
        *("score", "team.cuh", "return bits & 0x80000000u ? ~bits : bits", "return bits"),
    ),
    "peak of another pixel": (
        "score",
        "score.cuh",
        "0xffffffffu - static_cast<unsigned>(pixel)",
        "pixel",
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutant_is_caught(mutant: str, cuda_toolkit: Path, tmp_path: Path) -> None:
    check, file, old, new = MUTANTS[mutant]
    library = build_host_kernels(tmp_path, cuda_toolkit, changed={file: (old, new)})
    ended = run_check(library, check)
    assert ended.returncode != 0, "the damaged kernel passed every check"
    # A wrong answer, or the process was stopped: by the shim, or by what was written out of bounds.
    assert "AssertionError" in ended.stderr or ended.returncode < 0, ended.stderr


@pytest.mark.parametrize("check", CHECKS)
def test_nothing_undefined_happens(check: str, cuda_toolkit: Path, tmp_path: Path) -> None:
    """UndefinedBehaviorSanitizer: shifts, overflows, misaligned or null accesses."""
    ended = run_check(build_host_kernels(tmp_path, cuda_toolkit, sanitized=True), check)
    assert ended.returncode == 0, ended.stderr
