"""Every kernel compiles for every architecture, without spills, within its ceilings."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from gpu.host_kernels import CSRC
from gpu.nvrtc import compile_with_nvrtc, install_nvrtc

from res2clip_runtime.kernels.compiler import OPTIONS

# Turing, Ampere (A100, RTX 30, Orin), Ada, Hopper, Blackwell (B200, Thor, RTX 50).
ARCHITECTURES = ("75", "80", "86", "87", "89", "90", "100", "110", "120")
NVRTC_ARCHITECTURES = ("75", "80", "86", "87", "89", "90")

CEILINGS = {
    # kernel: registers a thread, bytes of static shared memory a block; docs/kernels.md names them
    "to_half": (16, 0),
    "match_candidates": (128, 32256),
    "match_residual": (64, 16384),
    "match_wide": (128, 64),
    "resize_rows": (64, 0),
    "resize_columns": (64, 0),
    "score_top": (64, 8328),
    "score_map": (64, 0),
}
SHARED_BYTES = 48 << 10  # what every device gives a block without asking


@dataclass
class Usage:
    registers: int
    shared: int
    stack: int
    spilled: int


@pytest.fixture(scope="module")
def compiled(
    cuda_toolkit: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[tuple[str, str], Usage]]:
    """The folder of all cubins, and what ptxas says of each (kernel, architecture)."""
    folder = tmp_path_factory.mktemp("cubins")
    command = [str(cuda_toolkit / "bin" / "nvcc"), *(o for o in OPTIONS if o != "-cubin")]
    command += ["-fatbin", "--threads", "2", "-Xptxas", "-v", "-Werror", "all-warnings"]
    command += ["--keep", "--keep-dir", str(folder), "-o", str(folder / "kernels.fatbin")]
    for number in ARCHITECTURES:
        command += ["-gencode", f"arch=compute_{number},code=sm_{number}"]
    ended = subprocess.run(
        [*command, str(CSRC / "kernels.cu")], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return folder, _usage(ended.stdout + ended.stderr)


def _usage(text: str) -> dict[tuple[str, str], Usage]:
    found = {}
    # ptxas names an entry, then its stack and spills, then its registers and memory.
    for part in text.split("Compiling entry function ")[1:]:
        kernel, architecture = re.match(r"'(\w+)' for 'sm_(\d+)'", part).groups()
        frame = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes", part)
        stack, stores, loads = map(int, frame.groups())
        shared = re.search(r"(\d+) bytes smem", part)
        found[kernel, architecture] = Usage(
            registers=int(re.search(r"Used (\d+) registers", part)[1]),
            shared=int(shared[1]) if shared else 0,
            stack=stack,
            spilled=stores + loads,
        )
    return found


@pytest.mark.slow
def test_every_kernel_compiles_for_every_architecture_within_its_ceilings(
    compiled: tuple[Path, dict[tuple[str, str], Usage]],
) -> None:
    _, usage = compiled
    wanted = {(kernel, number) for kernel in CEILINGS for number in ARCHITECTURES}
    assert set(usage) == wanted
    assert_within_ceilings(usage)


def assert_within_ceilings(usage: dict[tuple[str, str], Usage]) -> None:
    for (kernel, number), used in usage.items():
        registers, shared = CEILINGS[kernel]
        assert used.spilled == 0, f"{kernel} spills on sm_{number}"
        assert used.stack == 0, f"{kernel} has a stack on sm_{number}"
        assert used.registers <= registers, f"{kernel} on sm_{number}: {used}"
        assert used.shared <= shared <= SHARED_BYTES, f"{kernel} on sm_{number}: {used}"


@pytest.mark.slow
@pytest.mark.parametrize("number", ARCHITECTURES)
def test_tensor_cores_are_used(
    compiled: tuple[Path, dict[tuple[str, str], Usage]], number: str
) -> None:
    folder, _ = compiled
    package = importlib.util.find_spec("nvidia")
    assert package is not None, "pip install nvidia-cuda-nvdisasm"
    (nvdisasm,) = [
        found
        for place in package.submodule_search_locations
        for found in Path(place).glob("*/bin/nvdisasm")
    ]
    cubin = folder / f"kernels.compute_{number}.cubin"
    command = [str(nvdisasm), "--print-code", str(cubin)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    sections = re.split(r"\.section\s+\.text\.", text)[1:]
    users = {part.split(",")[0].split()[0] for part in sections if re.search(r"\bHMMA\.", part)}
    assert users == {"match_candidates"}


@pytest.mark.slow
@pytest.mark.network
def test_the_compiler_of_jetpack_6_keeps_the_ceilings(tmp_path: Path) -> None:
    wheels = install_nvrtc()
    for number in NVRTC_ARCHITECTURES:
        module, log = compile_with_nvrtc(wheels, CSRC, f"sm_{number}")
        assert module[:4] == b"\x7fELF"
        usage = _usage(log)
        assert {kernel for kernel, _ in usage} == set(CEILINGS)
        assert_within_ceilings(usage)
