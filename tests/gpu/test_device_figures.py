"""What ``res2clip bench`` says of a GPU, on the fake driver and the double of TensorRT."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest

from res2clip_runtime.cuda import nvidia_driver
from res2clip_runtime.cuda.nvidia_driver import Gpu, NvidiaDriver

TINY = Path(__file__).parents[1] / "runtime" / "data" / "tiny_bundle"


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    return str(shutil.copytree(TINY, tmp_path / "bundle"))


def test_rows_of_a_cuda_backend_hold_the_devices_time_and_memory(on_fake_gpu, bundle):
    said = on_fake_gpu(benched, bundle, "tensorrt")
    by_stage = {row["stage"]: row for row in said["rows"]}
    for stage in ("encoder", "match", "heads", "frame"):
        assert 0 < by_stage[stage]["device_ms"] < math.inf
        assert by_stage[stage]["gpu_peak_mb"] == pytest.approx(2 * 1024**3 / 1e6, abs=0.1)
    for stage in ("preprocess", "score"):  # on the CPU
        assert by_stage[stage]["device_ms"] is by_stage[stage]["gpu_peak_mb"] is None
    assert all(row["p50_ms"] > 0 for row in said["rows"])
    assert said["alive"] == {"contexts": 1}


def test_surroundings_name_gpu_driver_cuda_and_tensorrt(on_fake_gpu, bundle):
    where = on_fake_gpu(benched, bundle, "tensorrt")["surroundings"]
    assert where["gpu"].startswith("Fake device (sm_87), sm_87, driver")
    assert " up to CUDA 1" in where["gpu"]
    assert "tensorrt=11.4.0.double" in where["versions"]


@pytest.mark.parametrize(
    "line",
    [
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15  Release Build  (dvs)",
    ],
)
def test_the_drivers_release_is_read_from_the_kernel(monkeypatch, tmp_path, line: str):
    (tmp_path / "version").write_text(f"{line}\nGCC version:  gcc version 12.3.0\n")
    monkeypatch.setattr(nvidia_driver, "_RELEASE", tmp_path / "version")
    assert nvidia_driver._release() == "550.54.15"
    gpu = Gpu(name="L4", architecture="sm_89")
    said = NvidiaDriver(cuda="12.4", release="550.54.15", gpus=(gpu,))
    assert str(said) == "L4, sm_89, driver 550.54.15 up to CUDA 12.4"
    assert str(NvidiaDriver(problem="no NVIDIA driver")) == ""


def test_an_engine_on_the_cpu_has_no_column_of_the_device(on_fake_gpu, bundle):
    rows = on_fake_gpu(benched, bundle, "onnxruntime")["rows"]
    assert not {"device_ms", "gpu_peak_mb"} & set().union(*rows)


def benched(bundle: str, backend: str) -> dict:
    from gpu.fake_cuda import FakeDriver
    from res2clip_runtime.benchmark import benchmark_bundle
    from res2clip_runtime.benchmark.frames import seeded_frames
    from res2clip_runtime.bundle import Bundle

    result = benchmark_bundle(
        Bundle.load(bundle),
        frames=seeded_frames(2, width=80, height=60),
        backend=backend,
        threads=1,
        shots=(1,),
        runs=3,
    )
    return {**result.to_json(), "alive": FakeDriver().live()}


def test_the_events_stand_around_the_whole_call(on_fake_gpu):
    measured, waited = on_fake_gpu(timed_wait)
    assert measured["device_ms"] >= waited


def timed_wait() -> list:
    import time

    from res2clip_runtime.benchmark.device_figures import device_figures
    from res2clip_runtime.cuda import CudaDevice

    def call() -> None:
        begun = time.perf_counter()
        while time.perf_counter() - begun < 0.005:
            pass

    with CudaDevice() as device:
        return [device_figures(device, call, runs=3), 5.0]
