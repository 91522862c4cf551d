"""Our code on TensorRT's real bindings, over libraries without content: the way without a GPU."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gpu.install_bindings import RELEASES, bindings_folder
from gpu.trt_stub_libraries import build_trt_stubs

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests" / "runtime" / "data" / "tiny_bundle"


@pytest.fixture(params=RELEASES)
def bindings(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The environment in which ``import tensorrt_bindings`` finds a release."""
    folder = bindings_folder(request.param)
    if not any(folder.glob("tensorrt_bindings/*.so")):
        pytest.skip("TensorRT's bindings are not installed; tests/gpu/install_bindings.py does it")
    build_trt_stubs(tmp_path, folder, request.param.split(".")[0])
    places = [folder, ROOT / "tests", ROOT / "runtime", ROOT]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, places)),
        "LD_LIBRARY_PATH": str(tmp_path),
        "RELEASE": request.param,
    }


def python(environment: dict[str, str], program: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_the_library_is_found_and_tells_its_release(bindings):
    program = (
        "from res2clip_runtime.tensorrt import load_library;"
        "l = load_library(); print(l.version, '/'.join(l.typings('fp32')))"
    )
    version, typings = python(bindings, program).split()
    assert version == bindings["RELEASE"]
    # TensorRT 11 has strong typing only; before it, fp32 may fall back to weak typing.
    assert typings == ("strong" if version.startswith("11") else "strong/weak")


def test_a_precision_that_weak_typing_would_change_has_no_fallback(bindings):
    program = (
        "from res2clip_runtime.tensorrt import load_library;"
        "l = load_library(); print(*(len(l.typings(p)) for p in ('fp16', 'bf16', 'int8')))"
    )
    newest = bindings["RELEASE"].startswith("11")
    assert python(bindings, program) == ("1 1 1" if newest else "1 1 2")


def test_building_says_that_there_is_no_gpu_and_what_to_do(bindings, tmp_path):
    bundle = shutil.copytree(TINY, tmp_path / "bundle")
    said = python(bindings, "import sys; from gpu.test_real_bindings import build; build()", bundle)
    assert f"TensorRT {bindings['RELEASE']} finds no GPU on this machine" in said
    assert "ONNX files are complete" in said
    assert "--trt-target rtx:sm86" in said


def build() -> None:
    from res2clip_runtime.bundle import Bundle
    from res2clip_runtime.errors import BackendError
    from res2clip_runtime.tensorrt import EngineCache, load_library

    cache = EngineCache(Bundle.load(sys.argv[1]), load_library(), architecture="sm87")
    try:
        cache.provide("heads")
    except BackendError as err:
        sys.stdout.write(str(err))
