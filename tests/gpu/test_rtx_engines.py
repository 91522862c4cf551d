"""TensorRT for RTX: engines built ahead of time by the real one, and run on the fake device."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from res2clip.cli.app import app

TINY = Path(__file__).parents[1] / "runtime" / "data" / "tiny_bundle"

needs_rtx = pytest.mark.skipif(
    importlib.util.find_spec("tensorrt_rtx_bindings") is None,
    reason="TensorRT for RTX is not installed; `make` installs it on x86_64",
)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TINY, tmp_path / "bundle"))


def export(bundle: Path, *options: str):
    return CliRunner().invoke(app, ["export", "--bundle", str(bundle), *options])


@needs_rtx
def test_the_command_builds_every_stage_for_each_card_and_once(bundle) -> None:
    options = ("--trt-target", "rtx:sm86", "--trt-target", "rtx:sm120", "--trt-shots", "2")
    first, second = (json.loads(export(bundle, *options, "--json").stdout) for _ in range(2))
    assert first == second
    made = [(one["architecture"], one["stage"]) for one in first["engines"]]
    assert sorted(made) == [
        (card, stage) for card in ("sm120", "sm86") for stage in ("encoder", "heads", "match")
    ]
    for one in first["engines"]:
        assert one["max_references"] == 2 * 36
        assert Path(one["file"]).parent.name.endswith(one["architecture"])
        assert Path(one["file"]).stat().st_size > 1e5
        assert Path(one["file"]).with_suffix(".build.log").is_file()


@needs_rtx
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("rtx:sm75", "on a Turing card use --backend tensorrt or onnxruntime-cuda"),
        ("rtx:sm99", "does not build for 'sm99' (--trt-target); known: sm75"),
        ("sm86", "is no target; give for example rtx:sm86"),
    ],
)
def test_a_card_that_cannot_be_built_for_is_refused_with_the_remedy(
    bundle, target, expected
) -> None:
    done = export(bundle, "--trt-target", target)
    assert done.exit_code == 1
    assert expected in done.stderr
    assert not list(bundle.glob("engines/*/*.engine"))


@needs_rtx
def test_a_refused_build_leaves_its_log(bundle) -> None:
    done = export(bundle, "--trt-target", "rtx:sm75")
    (log,) = bundle.glob("engines/*/encoder.build.log")
    assert f"(whole log: {log})" in done.stderr
    assert "FP32 GEMM is not supported" in log.read_text()


def test_a_builder_that_crashes_is_one_error_of_ours(tmp_path) -> None:
    module = tmp_path / "tensorrt_rtx"
    module.mkdir()
    (module / "__init__.py").write_text(
        "import os, signal\n"
        "__version__ = '0'\n"
        "class ILogger:\n"
        "    def __init__(self): os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    program = (
        "from res2clip_export.onnx_check import check_onnx;"
        f"print(check_onnx({str(TINY / 'heads.onnx')!r}).reasons[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={
            **os.environ,
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "ended with exit code -11 while building" in done.stdout


def test_its_engines_are_built_and_run_on_the_device(on_fake_gpu, bundle) -> None:
    said = on_fake_gpu(run_rtx, str(bundle))
    assert said["ours"] == pytest.approx(said["onnx"], abs=1e-6)
    assert said["folder"] == ["tensorrt_rtx-1.7.0.double-sm87"]
    assert said["alive"] == {"contexts": 1}


def run_rtx(bundle: str) -> dict:
    from drawn_parts import draw_part

    from gpu.fake_cuda import FakeDriver
    from res2clip_runtime.bundle import Bundle
    from res2clip_runtime.inspector import Inspector

    scores = {}
    for backend in ("tensorrt-rtx", "onnxruntime"):
        with Inspector(Bundle.load(bundle), backend=backend, threads=1) as inspector:
            recipe = inspector.teach([draw_part(seed) for seed in range(2)], product="washer")
            scores[backend] = inspector.inspect(draw_part(7, scratched=True), recipe).score
    return {
        "ours": scores["tensorrt-rtx"],
        "onnx": scores["onnxruntime"],
        "folder": [path.name for path in Path(bundle, "engines").iterdir()],
        "alive": FakeDriver().live(),
    }
