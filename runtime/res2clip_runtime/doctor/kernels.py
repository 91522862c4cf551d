"""Our CUDA kernels on this machine: compiled, compared with NumPy and Pillow, and timed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from contextlib import closing

import numpy as np

from res2clip_runtime.benchmark.plain_match import plain_match
from res2clip_runtime.doctor.check import Check, Status
from res2clip_runtime.errors import Res2ClipError
from res2clip_runtime.kernels.compiler import cuda_release, find_nvcc
from res2clip_runtime.kernels.device import KernelDevice
from res2clip_runtime.kernels.device_match import DeviceMatch
from res2clip_runtime.kernels.device_resize import DeviceResize
from res2clip_runtime.kernels.device_score import DeviceScore
from res2clip_runtime.kernels.launch import Launch
from res2clip_runtime.kernels.resize_plan import FrameSize
from res2clip_runtime.preprocess import resize_square
from res2clip_runtime.score import score
from res2clip_runtime.spec import MethodSpec
from res2clip_runtime.stages import FloatArray, grid_rho

__all__ = ["LARGE", "check_kernels"]

LARGE = MethodSpec(
    image_size_px=518,
    patch_size_px=14,
    embed_dim=768,
    taps=(6, 12, 18, 24),
    vv_depth=19,
    encoder_id="0" * 64,
    heads_id="0" * 64,
)
"""The sizes of ViT-L/14 at 518 px."""
SHOTS = 4
FRAME_PX = (1080, 1920)
TIMED_RUNS = 20
COMPARED_ROWS = 32
MATCH_TOLERANCE = 1e-5
SCORE_TOLERANCE = 1e-5


def check_kernels(
    *,
    spec: MethodSpec = LARGE,
    runs: int = TIMED_RUNS,
    open_device: Callable[[], KernelDevice] = KernelDevice,
) -> list[Check]:
    """Return whether the kernels compile, are right and how long they take; or what is missing.

    Args:
        spec: sizes to try.
        runs: how often each is timed.
        open_device: makes the device with the kernels loaded.
    """
    checks = [_compiler()]
    try:
        device = open_device()
    except Res2ClipError as err:
        return [*checks, _failed("CUDA device", err)]
    with closing(device):
        found = f"{device.name}, {device.architecture}, {device.processors} multiprocessors"
        checks.append(Check(name="CUDA device", status=Status.OK, detail=found))
        for name, trial in (("resize", _resize), ("match", _match), ("score", _score)):
            try:
                checks.append(trial(device, spec, runs))
            except Res2ClipError as err:
                checks.append(_failed(f"  kernels: {name}", err))
    return checks


def _compiler() -> Check:
    try:
        nvcc = find_nvcc()
        detail = f"{cuda_release(nvcc)} at {nvcc}"
    except Res2ClipError as err:
        return _failed("nvcc", err)
    return Check(name="nvcc", status=Status.OK, detail=detail)


def _resize(device: KernelDevice, spec: MethodSpec, runs: int) -> Check:
    height, width = FRAME_PX
    side = spec.image_size_px
    frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    size = FrameSize(height=height, width=width, pixel_format="rgb", size_px=side)
    resize = DeviceResize(device)
    launches = resize.upload(frame, size)
    device.run(launches)
    made = resize.download(side)
    different = int((made != resize_square(frame, side)).sum())
    parity = f"{different} of {made.size} values differ from Pillow"
    what = f"{width} x {height} to {side} px"
    return _tried("resize", different == 0, parity, what, _median_ms(device, launches, runs))


def _match(device: KernelDevice, spec: MethodSpec, runs: int) -> Check:
    taps, depth = len(spec.taps), spec.embed_dim
    patches = _unit_rows(1, taps, spec.patches, depth, seed=1)
    # As on the device and in a recipe's file: rounded to fp16.
    bank = _unit_rows(taps, SHOTS * spec.patches, depth, seed=2).astype(np.float16)
    exact_bank = bank.astype(np.float32)
    rho = np.tile(grid_rho(spec.grid), SHOTS)
    match = DeviceMatch(device, spec)
    launches = match.upload(patches, exact_bank, rho)
    device.run(launches)
    residual = match.download(patches.shape)
    rows = np.linspace(0, spec.patches - 1, min(COMPARED_ROWS, spec.patches)).astype(int)
    own, wide = grid_rho(spec.grid)[rows].astype(np.float64), bank.astype(np.float64)
    expected = np.stack(
        [
            plain_match(query.astype(np.float64), own, references, rho, gamma=spec.gamma)
            for query, references in zip(patches[0][:, rows], wide, strict=True)
        ]
    )
    error = float(np.abs(residual[0][:, rows] - expected).max())
    parity = f"largest difference from NumPy {error:.1e}"
    what = f"{SHOTS} shots at {spec.image_size_px} px"
    # Written so that NaN is not good.
    return _tried(
        "match", error <= MATCH_TOLERANCE, parity, what, _median_ms(device, launches, runs)
    )


def _score(device: KernelDevice, spec: MethodSpec, runs: int) -> Check:
    maps = np.random.default_rng(3).random((3, spec.grid, spec.grid)).astype(np.float32)
    scores = np.zeros(2, dtype=np.float32)
    scorer = DeviceScore(device, spec)
    launches = scorer.upload(maps)
    device.run(launches)
    made, expected = scorer.download(scores), score(maps, scores, spec)
    error = float(np.abs(made.anomaly_map - expected.anomaly_map).max())
    error = float(np.maximum(error, abs(made.image_score - expected.image_score)))
    parity = f"largest difference from NumPy {error:.1e}"
    what = f"{spec.image_size_px} px"
    return _tried(
        "score", error <= SCORE_TOLERANCE, parity, what, _median_ms(device, launches, runs)
    )


def _median_ms(device: KernelDevice, launches: Sequence[Launch], runs: int) -> float:
    return statistics.median(device.time_ms(lambda: device.run(launches)) for _ in range(runs))


def _tried(name: str, right: bool, parity: str, what: str, median_ms: float) -> Check:
    return Check(
        name=f"  kernels: {name}",
        status=Status.OK if right else Status.WRONG,
        detail=f"{parity}; {median_ms:.3f} ms (median, {what}, without copies)",
        remedy="" if right else "do not use a '+kernels' backend; please report this device",
    )


def _failed(name: str, err: Res2ClipError) -> Check:
    detail, _, remedy = str(err).rpartition("; ")
    if not detail:  # the error of a missing extra has its remedy after a full stop
        detail, _, remedy = str(err).partition(". ")
    return Check(name=name, status=Status.WARN, detail=detail, remedy=remedy)


def _unit_rows(*shape: int, seed: int) -> FloatArray:
    """Return rows that are alike, as patches of one product are."""
    rng = np.random.default_rng(seed)
    rows = np.random.default_rng(0).normal(size=shape[-1]) + 0.5 * rng.normal(size=shape)
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)
