"""A GPU to test on without a GPU: drivers of our own, and a way to run a function on one."""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gpu.driver_libraries import build_fake_driver, build_stub_driver
from gpu.toolkit import toolkit_root

OnDriver = Callable[..., Any]
"""Called with a function of the test file and its arguments, all JSON; returns what it returns."""

_CHILD = Path(__file__).with_name("child.py")
_TESTS = Path(__file__).parents[1]
_DOUBLE = Path(__file__).with_name("double")


@pytest.fixture(scope="session")
def cuda_toolkit() -> Path:
    root = toolkit_root()
    if root is None:
        pytest.skip("no nvcc on the PATH, so there is no CUDA toolkit to build with")
    return root


@pytest.fixture(scope="session")
def stub_driver(cuda_toolkit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a libcuda.so.1 that answers "no device"."""
    return build_stub_driver(tmp_path_factory.mktemp("stub"), cuda_toolkit).parent


@pytest.fixture(scope="session")
def fake_driver(cuda_toolkit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a libcuda.so.1 with one device in this machine's memory."""
    return build_fake_driver(tmp_path_factory.mktemp("fake"), cuda_toolkit).parent


@pytest.fixture
def on_fake_gpu(fake_driver: Path) -> OnDriver:
    """Runs a function in a process of its own on pycuda and the fake driver."""
    _require_pycuda()
    return lambda function, *arguments: run_with(fake_driver, function, *arguments)


@pytest.fixture
def on_stub_gpu(stub_driver: Path) -> OnDriver:
    """Runs a function in a process of its own on pycuda and a driver without a device."""
    _require_pycuda()
    return lambda function, *arguments: run_with(stub_driver, function, *arguments)


def run_with(libraries: Path, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what ``function(*arguments)`` returns in a process that finds ``libraries`` first."""
    environment = dict(os.environ)
    search = [str(libraries), *filter(None, [environment.get("LD_LIBRARY_PATH")])]
    environment["LD_LIBRARY_PATH"] = os.pathsep.join(search)
    roots = [_TESTS, _DOUBLE, *(_TESTS.parent / place for place in ("", "runtime", "export"))]
    environment["PYTHONPATH"] = os.pathsep.join(map(str, roots))
    command = [sys.executable, "-X", "faulthandler", str(_CHILD)]
    command += [inspect.getfile(function), function.__name__, json.dumps(arguments)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"exit {ended.returncode}\n{ended.stdout}{ended.stderr}"
    # pycuda reports what fails in a destructor here only.
    assert "warning" not in ended.stderr.lower(), ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def _require_pycuda() -> None:
    if importlib.util.find_spec("pycuda") is None:
        pytest.skip("pycuda is not installed; python tests/gpu/install_pycuda.py builds it")
