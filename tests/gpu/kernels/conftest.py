"""Our kernels on the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
from gpu.host_kernels import HostKernels, build_host_kernels


@pytest.fixture(scope="session")
def host_library(cuda_toolkit: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our kernels, built for the CPU."""
    return build_host_kernels(tmp_path_factory.mktemp("kernels"), cuda_toolkit)


@pytest.fixture(params=["forwards", "backwards"])
def kernels(request: pytest.FixtureRequest, host_library: Path) -> HostKernels:
    """Runs plans with the threads in this order."""
    return HostKernels(host_library, backwards=request.param == "backwards")
