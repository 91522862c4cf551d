"""The CUDA toolkit of this machine: where it is, and what its driver interface is made of."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

__all__ = ["compile_library", "driver_functions", "toolkit_root"]


def toolkit_root() -> Path | None:
    """Return the folder that holds ``bin/nvcc`` and ``include/cuda.h``; None without nvcc.

    nvcc on the PATH may be a script or a link, so it is asked where it is.
    """
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        return None
    command = [nvcc, "--dryrun", "-x", "cu", "-E", "/dev/null"]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    here = re.search(r"^#\$ _HERE_=(.+)$", said, re.MULTILINE)
    root = (Path(here[1]) if here else Path(nvcc).resolve().parent).parent
    return root if (root / "include" / "cuda.h").is_file() else None


def driver_functions(root: Path) -> list[str]:
    """Return the names that ``libcuda.so.1`` must have: every function that cuda.h declares."""
    headers = "#include <cuda.h>\n#include <cudaProfiler.h>\n"
    text = subprocess.run(
        ["g++", "-E", "-x", "c++", f"-I{root / 'include'}", "-"],
        input=headers,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return sorted(set(re.findall(r"\bCUresult\s+(cu\w+)\s*\(", text)))


def compile_library(library: Path, sources: list[Path], *options: str) -> None:
    """Compile C sources to a shared library whose soname is its file name."""
    command = ["gcc", "-O1", "-shared", "-fPIC", f"-Wl,-soname,{library.name}"]
    subprocess.run([*command, "-o", library, *sources, *options], check=True)
