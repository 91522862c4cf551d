"""mypy over our TensorRT code, with types from the real bindings of two releases."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpu.install_bindings import RELEASES, bindings_folder
from gpu.trt_type_stubs import write_type_stubs

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=[RELEASES[0], RELEASES[-1]])
def types(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not any(bindings_folder(request.param).glob("tensorrt_bindings/*.so")):
        pytest.skip("TensorRT's bindings are not installed; tests/gpu/install_bindings.py does it")
    if importlib.util.find_spec("pybind11_stubgen") is None:
        pytest.skip("pybind11-stubgen is not installed; pip install 'res2clip[dev]'")
    folder = tmp_path_factory.mktemp(f"types-{request.param}")
    write_type_stubs(folder, request.param)
    return folder


def complaints(types: Path, checked: Path) -> list[str]:
    """Return what mypy says of our files; the stubs themselves are the generator's."""
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports", "silent"]
    command += ["--cache-dir", str(types / "cache"), str(checked)]
    environment = {**os.environ, "MYPYPATH": os.pathsep.join([str(types), str(ROOT / "runtime")])}
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    return [line for line in done.stdout.splitlines() if str(types / "tensorrt") not in line]


def test_our_code_fits_the_real_types(types):
    found = complaints(types, ROOT / "runtime" / "res2clip_runtime" / "tensorrt")
    assert [line for line in found if "error" in line and "Found" not in line] == []


def test_a_wrong_argument_and_a_missing_method_are_found(types, tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "import tensorrt as trt\n"
        "def f(context: trt.IExecutionContext, config: trt.IBuilderConfig) -> None:\n"
        "    context.set_tensor_address(1, 'x')\n"
        "    context.set_binding_shape(0, (1,))\n"
        "    config.add_optimization_profile('profile')\n"
    )
    found = [line for line in complaints(types, wrong) if "wrong.py" in line]
    assert {line.split(":")[1] for line in found} == {"3", "4", "5"}
