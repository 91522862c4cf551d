"""Frame to verdict through pycuda: our kernels beside ONNX Runtime and NumPy.

The functions that start with ``run_`` run in a process of their own, on the fake driver.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_parts import draw_part
from gpu.fake_cuda import FakeDriver
from gpu.host_kernels import build_host_kernels

from res2clip_runtime.backends import BACKENDS
from res2clip_runtime.backends.onnx_stages import OnnxStages
from res2clip_runtime.benchmark.device_figures import cuda_device
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.errors import BackendError, InputError
from res2clip_runtime.inspection import inspect
from res2clip_runtime.kernels.device import KernelDevice
from res2clip_runtime.kernels.kernel_stages import KernelStages
from res2clip_runtime.kernels.resize_plan import FrameSize
from res2clip_runtime.preprocess import resize_square
from res2clip_runtime.recipe import Recipe, Threshold
from res2clip_runtime.stages import Features, Stages
from res2clip_runtime.teaching import teach

TINY = Path(__file__).parents[2] / "runtime" / "data" / "tiny_bundle"


def module_of(library: str) -> bytes:
    return f"CUHOST:{library}\0".encode()


def recipe_from_file(stages: Stages, references: int) -> Recipe:
    """Teach, write and read: in the file the bank is fp16, as on the device."""
    recipe = teach(stages, [draw_part(i) for i in range(references)], product="part").recipe
    with tempfile.TemporaryDirectory() as folder:
        recipe.save(Path(folder) / "part.recipe.safetensors")
        return Recipe.load(Path(folder) / "part.recipe.safetensors")


def threshold_of(score: float) -> Threshold:
    return Threshold(score=score, pixel=0.2, source="given")


def run_verdicts(library: str) -> list[dict[str, Any]]:
    bundle = Bundle.load(TINY)
    plain = OnnxStages(bundle, threads=1)
    kernels = KernelStages(OnnxStages(bundle, threads=1), KernelDevice(module=module_of(library)))
    rows = []
    for references in (1, 4):
        recipe = recipe_from_file(plain, references)
        limit = inspect(plain, draw_part(20), recipe).score * 1.01
        thresholds = {plain.spec.score_id: threshold_of(limit)}
        recipe = dataclasses.replace(recipe, thresholds=thresholds)
        for seed, scratched in ((20, False), (21, False), (30, True)):
            picture = np.asarray(draw_part(seed, scratched=scratched))
            ours, theirs = inspect(kernels, picture, recipe), inspect(plain, picture, recipe)
            rows.append(
                {
                    "decisions": [ours.decision.value, theirs.decision.value],
                    "scores": [ours.score, theirs.score],
                    "map": float(np.abs(ours.anomaly_map - theirs.anomaly_map).max()),
                    "regions": [len(ours.regions), len(theirs.regions)],
                    "stages": sorted(ours.latency_ms),
                }
            )
    kernels.close()
    return rows


def test_verdicts_equal_those_of_the_onnx_pipeline(on_fake_gpu: Any, host_library: Path) -> None:
    rows = on_fake_gpu(run_verdicts, str(host_library))
    assert len(rows) == 6
    for row in rows:
        assert row["decisions"][0] == row["decisions"][1]
        assert row["scores"][0] == pytest.approx(row["scores"][1], abs=1e-5)
        assert row["map"] < 1e-5
        assert row["regions"][0] == row["regions"][1]
        assert row["stages"] == ["encoder", "heads", "match", "preprocess", "score"]
    assert {row["decisions"][0] for row in rows} == {"OK", "NG"}


class DamagedStages(OnnxStages):
    """An encoder of which one feature came out as NaN."""

    def encode(self, images: np.ndarray) -> Features:
        features = super().encode(images)
        features.patches[0, -1, 7, 3] = np.nan
        return features


def run_nan(library: str) -> dict[str, Any]:
    bundle = Bundle.load(TINY)
    recipe = recipe_from_file(OnnxStages(bundle, threads=1), 1)
    score_id = bundle.manifest.method.score_id
    recipe = dataclasses.replace(recipe, thresholds={score_id: threshold_of(99.0)})
    stages = DamagedStages(bundle, threads=1)
    with KernelStages(stages, KernelDevice(module=module_of(library))) as kernels:
        verdict = inspect(kernels, draw_part(20), recipe)
    return {"decision": verdict.decision.value, "finite": bool(np.isfinite(verdict.score))}


def test_nan_in_a_feature_is_an_error_never_ok(on_fake_gpu: Any, host_library: Path) -> None:
    assert on_fake_gpu(run_nan, str(host_library)) == {"decision": "ERROR", "finite": False}


def run_frames(library: str) -> list[int]:
    """Return the largest difference from Pillow for frames of changing size and format."""
    differences = []
    with KernelStages(
        OnnxStages(Bundle.load(TINY), threads=1), KernelDevice(module=module_of(library))
    ) as kernels:
        side = kernels.spec.image_size_px
        for height, width in ((60, 80), (33, 41), (60, 80), (48, 48)):
            rgb = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
            expected = resize_square(rgb, side).astype(int)
            size = FrameSize(height=height, width=width, pixel_format="bgr", size_px=side)
            bgr = np.ascontiguousarray(rgb[..., ::-1])
            for made in (kernels.resize(rgb), kernels.resize_frame(bgr, size)):
                differences.append(int(np.abs(made.astype(int) - expected).max()))
        with pytest.raises(InputError, match="11 bytes, 6912 expected"):
            kernels.resize_frame(np.zeros(11, np.uint8), size)
    return differences


def test_frames_of_any_size_may_follow_each_other(on_fake_gpu: Any, host_library: Path) -> None:
    assert set(on_fake_gpu(run_frames, str(host_library))) == {0}


def run_lifetimes(library: str, rounds: int) -> dict[str, int]:
    from gpu.fake_cuda import FakeDriver

    for _ in range(rounds):
        with KernelDevice(module=module_of(library)) as device:
            device.upload("values", np.zeros(100, np.float32))
            device.upload("values", np.zeros(200, np.float32))
            device.buffer("halves", 400)
        device.close()
    return FakeDriver().live()  # the primary context stays until the process ends


def test_a_thousand_devices_leave_nothing_behind(on_fake_gpu: Any, host_library: Path) -> None:
    assert on_fake_gpu(run_lifetimes, str(host_library), 1000) == {"contexts": 1}


def run_faults(library: str) -> dict[str, str]:
    """Fail every call that a match makes, one after the other; return what is said and alive."""
    from gpu.fake_cuda import LAUNCH_FAILED, FakeDriver
    from gpu.match_on_host import unit_rows

    driver = FakeDriver()
    said = {}

    def match() -> None:
        stages = OnnxStages(Bundle.load(TINY), threads=1)
        spec = stages.spec
        patches = unit_rows(1, len(spec.taps), spec.patches, spec.embed_dim)
        with KernelDevice(module=module_of(library)) as device:
            kernels = KernelStages(stages, device)
            kernels.match(patches, patches[0], np.zeros(spec.patches, np.float32))

    for function in (
        *("cuInit", "cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuModuleLoadDataEx"),
        *("cuStreamCreate", "cuMemAlloc_v2", "cuModuleGetFunction", "cuLaunchKernel"),
        *("cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2", "cuStreamSynchronize"),
    ):
        driver.fail(function, LAUNCH_FAILED)
        try:
            match()
            said[function] = "nothing"
        except BackendError as err:
            said[function] = str(err)
        gc.collect()  # a traceback holds what its frames held
        assert set(driver.live()) <= {"contexts"}, f"{function}: {driver.live()}"
    return said


def test_every_failing_call_is_our_error_and_leaves_nothing(
    on_fake_gpu: Any, host_library: Path
) -> None:
    said = on_fake_gpu(run_faults, str(host_library))
    for function, message in said.items():
        assert "CUDA" in message or "GPU" in message, f"{function}: {message}"
    assert "bytes of device memory" in said["cuMemAlloc_v2"]
    assert "launching" in said["cuLaunchKernel"]


def run_after_faults(library: str) -> dict[str, list[float]]:
    """Let each call fail in turn, then use the device again: how wrong is what it answers?"""
    from gpu.fake_cuda import LAUNCH_FAILED, OUT_OF_MEMORY
    from gpu.match_on_host import unit_rows

    driver, random, wrong = FakeDriver(), np.random.default_rng(0), {}
    plain = OnnxStages(Bundle.load(TINY), threads=1)
    spec = plain.spec
    taps, width = len(spec.taps), spec.embed_dim
    patches = unit_rows(1, taps, spec.patches, width)
    small, large = (frozen(unit_rows(taps, n, width, seed=n)) for n in (spec.patches, 4000))
    rho_small, rho_large = (np.zeros(n, np.float32) for n in (spec.patches, 4000))
    frames = [random.integers(0, 256, (n, n, 3), dtype=np.uint8) for n in (60, 90)]
    expected = plain.match(patches, small, rho_small)
    square = resize_square(frames[0], spec.image_size_px).astype(int)
    faults = [("cuMemAlloc_v2", OUT_OF_MEMORY, 2)]
    faults += [(f, LAUNCH_FAILED, 1) for f in ("cuMemcpyHtoDAsync_v2", "cuStreamSynchronize")]
    for function, result, times in faults:
        for nth in range(1, 7):
            device = KernelDevice(module=module_of(library))
            kernels = KernelStages(plain, device)
            kernels.match(patches, small, rho_small)
            kernels.resize(frames[0])
            driver.fail(function, result, nth=nth, times=times)
            with contextlib.suppress(BackendError):
                kernels.match(patches, large, rho_large)
            driver.fail(function, result, nth=nth, times=times)
            with contextlib.suppress(BackendError):
                kernels.resize(frames[1])
            driver.forgive(function)
            residual = kernels.match(patches, small, rho_small)
            pixels = kernels.resize(frames[0]).astype(int)
            wrong[f"{function} {nth}"] = [
                float(np.abs(residual - expected).max()),
                float(np.abs(pixels - square).max()),
            ]
            device.close()
    return wrong


def frozen(values: np.ndarray) -> np.ndarray:
    values.setflags(write=False)
    return values


def test_nothing_old_is_used_after_a_fault(on_fake_gpu: Any, host_library: Path) -> None:
    wrong = on_fake_gpu(run_after_faults, str(host_library))
    assert len(wrong) == 18
    for fault, (residual, pixels) in wrong.items():
        assert residual < 1e-3, fault  # the bank is fp16 on the device
        assert pixels == 0, fault


def run_changed_bank(library: str) -> list[float]:
    plain = OnnxStages(Bundle.load(TINY), threads=1)
    spec, rho = plain.spec, np.zeros(36, np.float32)
    random = np.random.default_rng(0)
    shape = (len(spec.taps), spec.patches, spec.embed_dim)
    patches, bank = random.standard_normal((1, *shape)), random.standard_normal(shape)
    patches, bank = patches.astype(np.float32), bank.astype(np.float32)
    differences = []
    with KernelStages(plain, KernelDevice(module=module_of(library))) as kernels:
        for _ in range(2):
            for values in (patches, bank):
                values /= np.linalg.norm(values, axis=-1, keepdims=True)
            expected = plain.match(patches, bank, rho)
            differences.append(float(np.abs(kernels.match(patches, bank, rho) - expected).max()))
            bank += random.standard_normal(shape).astype(np.float32)  # in place
    return differences


def test_a_bank_that_is_changed_in_place_is_copied_again(
    on_fake_gpu: Any, host_library: Path
) -> None:
    assert max(on_fake_gpu(run_changed_bank, str(host_library))) < 1e-3


def run_threads(library: str) -> int:
    """Return how many of 40 squares are wrong that two threads ask for at once."""
    from concurrent.futures import ThreadPoolExecutor

    random = np.random.default_rng(0)
    frames = [random.integers(0, 256, (n, n, 3), dtype=np.uint8) for n in (60, 90)]
    plain = OnnxStages(Bundle.load(TINY), threads=1)
    side = plain.spec.image_size_px
    expected = [resize_square(frame, side) for frame in frames]
    with (
        KernelStages(plain, KernelDevice(module=module_of(library))) as kernels,
        ThreadPoolExecutor(2) as pool,
    ):
        tasks = [pool.submit(kernels.resize, frames[index % 2]) for index in range(40)]
        different = [(task.result() != expected[i % 2]).any() for i, task in enumerate(tasks)]
    return sum(map(int, different))


def test_two_threads_may_use_one_device(on_fake_gpu: Any, host_library: Path) -> None:
    assert on_fake_gpu(run_threads, str(host_library)) == 0


def run_verify(library: str) -> dict[str, Any]:
    from res2clip_runtime.parity.samples import SAMPLES_FILE, load_samples
    from res2clip_runtime.parity.verification import verify_stages

    samples = load_samples(TINY / SAMPLES_FILE)
    plain = OnnxStages(Bundle.load(TINY), threads=1)
    with KernelStages(plain, KernelDevice(module=module_of(library))) as kernels:
        report = verify_stages(kernels, samples, backend="onnxruntime-cuda+kernels")
    resized = [c.max_abs for c in report.comparisons if c.stage == "preprocess"]
    return {"failures": list(report.failures), "resized": resized}


def test_verify_judges_every_kernel(
    on_fake_gpu: Any, host_library: Path, cuda_toolkit: Path, tmp_path: Path
) -> None:
    assert on_fake_gpu(run_verify, str(host_library)) == {"failures": [], "resized": [0.0]}
    changes = {
        "resize.cuh": ("HALF = 1 << (WEIGHT_BITS - 1)", "HALF = 0"),
        "score.cuh": ("shape.text_weight *", "2.0f * shape.text_weight *"),
    }
    damaged = build_host_kernels(tmp_path, cuda_toolkit, changed=changes)
    failures = " ".join(on_fake_gpu(run_verify, str(damaged))["failures"])
    assert "stage 'preprocess' output 'square'" in failures
    assert "stage 'verdict' output 'anomaly_map'" in failures


def run_odd_width(library: str) -> str:
    class OddStages:
        spec = dataclasses.replace(Bundle.load(TINY).manifest.method, embed_dim=40)

    with (
        KernelDevice(module=module_of(library)) as device,
        pytest.raises(InputError) as caught,
    ):
        KernelStages(OddStages(), device)
    return str(caught.value)


def test_features_that_do_not_fit_are_refused_at_the_start(
    on_fake_gpu: Any, host_library: Path
) -> None:
    assert "needs a multiple of 16" in on_fake_gpu(run_odd_width, str(host_library))


def run_out_of_memory(library: str) -> str:
    with KernelDevice(module=module_of(library)) as device:
        with pytest.raises(BackendError) as caught:
            device.buffer("lists", 1 << 60)
        device.upload("lists", np.zeros(3, np.float32))
    return str(caught.value)


def test_too_many_references_for_the_memory_are_said(on_fake_gpu: Any, host_library: Path) -> None:
    said = on_fake_gpu(run_out_of_memory, str(host_library))
    assert "no memory left for lists" in said
    assert "fewer references" in said


def run_closed(library: str) -> str:
    device = KernelDevice(module=module_of(library))
    device.close()
    with pytest.raises(BackendError, match="closed") as caught:
        device.buffer("a", 4)
    device.close()
    return str(caught.value)


def test_closed_device_says_so(on_fake_gpu: Any, host_library: Path) -> None:
    assert "open the inspector again" in on_fake_gpu(run_closed, str(host_library))


def run_without_a_device() -> str:
    with pytest.raises(BackendError) as caught:
        KernelDevice()
    return str(caught.value)


def test_without_a_gpu_the_driver_is_named(on_stub_gpu: Any) -> None:
    assert "no usable NVIDIA GPU" in on_stub_gpu(run_without_a_device)


def run_on_tensorrt(library: str, folder: str) -> dict[str, Any]:
    from res2clip_runtime.backends.tensorrt_stages import TensorRtStages

    bundle = Bundle.load(folder)
    plain, engine = OnnxStages(bundle, threads=1), TensorRtStages(bundle)
    kernels = KernelStages(engine, KernelDevice(engine.device, module=module_of(library)))
    recipe = recipe_from_file(plain, 2)
    picture = np.asarray(draw_part(30, scratched=True))
    scores = [inspect(stages, picture, recipe).score for stages in (kernels, plain)]
    calls = FakeDriver()
    streams = calls.calls("cuStreamCreate")
    shared = [cuda_device(stages) is engine.device for stages in (engine, kernels, plain)]
    kernels.close()
    gc.collect()
    return {"scores": scores, "streams": streams, "shared": shared, "live": calls.live()}


def test_the_kernels_share_the_stream_of_tensorrt(
    on_fake_gpu: Any, host_library: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(TINY, tmp_path / "bundle")
    said = on_fake_gpu(run_on_tensorrt, str(host_library), str(folder))
    assert said["scores"][0] == pytest.approx(said["scores"][1], abs=1e-5)
    assert said["streams"] == 1
    assert said["shared"] == [True, True, False]
    assert said["live"] == {"contexts": 1}


def test_every_engine_of_a_cuda_device_can_have_them() -> None:
    assert {name for name in BACKENDS if name.endswith("+kernels")} == {
        "onnxruntime-cuda+kernels",
        "tensorrt+kernels",
        "tensorrt-rtx+kernels",
    }
