"""``res2clip doctor --kernels``: with a device (the fake one), without, and with a wrong kernel."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from gpu.host_kernels import build_host_kernels

BY_NAME = {"CUDA device", "  kernels: resize", "  kernels: match", "  kernels: score", "nvcc"}


def run_checks(library: str) -> list[dict[str, str]]:
    from res2clip_runtime.doctor import kernels
    from res2clip_runtime.kernels.device import KernelDevice

    kernels.FRAME_PX = (96, 128)
    spec = dataclasses.replace(
        kernels.LARGE, image_size_px=56, patch_size_px=8, embed_dim=48, taps=(1, 2)
    )
    checks = kernels.check_kernels(
        spec=spec, runs=2, open_device=lambda: KernelDevice(module=f"CUHOST:{library}\0".encode())
    )
    return [check.to_json() for check in checks]


def test_kernels_are_compared_and_timed(on_fake_gpu: Any, host_library: Path) -> None:
    checks = {check["name"]: check for check in on_fake_gpu(run_checks, str(host_library))}
    assert set(checks) == BY_NAME
    assert {check["status"] for check in checks.values()} == {"ok"}
    assert "sm_87, 16 multiprocessors" in checks["CUDA device"]["detail"]
    assert "0 of 9408 values differ from Pillow" in checks["  kernels: resize"]["detail"]
    for name in ("match", "score"):
        detail = checks[f"  kernels: {name}"]["detail"]
        assert "largest difference from NumPy" in detail
        assert "ms (median" in detail


def test_wrong_kernel_is_found(on_fake_gpu: Any, cuda_toolkit: Path, tmp_path: Path) -> None:
    changes = {
        "threshold.cuh": ("NEWTON_STEPS = 64", "NEWTON_STEPS = 1"),
        "resize.cuh": ("HALF = 1 << (WEIGHT_BITS - 1)", "HALF = 0"),
        "score.cuh": ("shape.text_weight *", "2.0f * shape.text_weight *"),
    }
    library = build_host_kernels(tmp_path, cuda_toolkit, changed=changes)
    checks = {check["name"]: check for check in on_fake_gpu(run_checks, str(library))}
    for name in ("resize", "match", "score"):
        assert checks[f"  kernels: {name}"]["status"] == "wrong", name
        assert "report" in checks[f"  kernels: {name}"]["remedy"]


def run_command() -> list[str]:
    from typer.testing import CliRunner

    from res2clip_runtime.cli.app import app

    done = CliRunner().invoke(app, ["doctor", "--kernels", "--json"])
    assert done.exit_code == 0, done.output
    checks = [check for check in json.loads(done.stdout) if check["name"] in BY_NAME]
    return [f"{check['name']}: {check['status']}: {check['detail']}" for check in checks]


def test_without_a_gpu_the_command_says_what_is_missing(on_stub_gpu: Any) -> None:
    nvcc, device = on_stub_gpu(run_command)
    assert nvcc.startswith("nvcc: ok")
    assert device.startswith("CUDA device: warn: this machine has no")


def check_without_pycuda() -> list[str]:
    import sys

    from res2clip_runtime.doctor.kernels import check_kernels

    sys.modules.update({"pycuda": None, "pycuda.driver": None})  # type: ignore[dict-item]
    device = check_kernels()[-1]
    return [device.status.value, device.detail, device.remedy]


def test_without_pycuda_the_command_names_the_extra(on_stub_gpu: Any) -> None:
    status, detail, remedy = on_stub_gpu(check_without_pycuda)
    assert status == "warn"
    assert "'pycuda'" in detail
    assert remedy == "Install it with: pip install 'res2clip[trt]'"


@pytest.mark.gpu
def test_kernels_are_right_on_this_gpu() -> None:
    from res2clip_runtime.cuda.driver import load_driver
    from res2clip_runtime.doctor.kernels import check_kernels
    from res2clip_runtime.errors import Res2ClipError

    try:
        load_driver()
    except Res2ClipError as err:
        pytest.skip(str(err))
    checks = check_kernels()
    assert [check for check in checks if check.status.value != "ok"] == []
    assert {check.name for check in checks} == BY_NAME
