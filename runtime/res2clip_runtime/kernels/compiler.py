"""The kernels of ``csrc/`` as machine code for one architecture, compiled once and kept."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from res2clip_runtime.errors import BackendError, OutputError
from res2clip_runtime.storage import cache_directory, write_atomically

__all__ = ["compile_kernels", "cubin_path", "cuda_release", "find_nvcc", "source_directory"]

_log = logging.getLogger(__name__)

OPTIONS = ("-O3", "-std=c++17", "-cubin")
_DIGEST_BYTES = 32
_USUAL_PLACE = Path("/usr/local/cuda")


def source_directory() -> Path:
    """Return the folder of the kernels' sources; ``kernels.cu`` includes all of them."""
    return Path(__file__).parents[1] / "csrc"


def compile_kernels(architecture: str) -> bytes:
    """Return the module (a cubin) for ``architecture``, such as ``sm_87``.

    Compiled the first time (a few seconds) and read from the cache directory afterwards; another
    source, architecture or CUDA release is another file there.  Where nothing can be kept, it is
    compiled each time, with a warning.

    Raises:
        BackendError: there is no nvcc, or it refuses.
    """
    nvcc = find_nvcc()
    kept = cubin_path(architecture, cuda_release(nvcc))
    if (found := _kept_module(kept)) is not None:
        return found
    _log.info("compiling the CUDA kernels for %s", architecture)
    module = _run_nvcc(nvcc, architecture)
    try:
        write_atomically(kept, hashlib.sha256(module).digest() + module)
    except OutputError as err:
        _log.warning("the CUDA kernels will be compiled again next time: %s", err)
    return module


def _kept_module(path: Path) -> bytes | None:
    """Return the module behind its own hash; None if there is none, or a damaged one."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    digest, module = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    return module if hashlib.sha256(module).digest() == digest else None


def find_nvcc() -> Path:
    """Return CUDA's compiler: on the PATH, or in CUDA_HOME, or in its usual place.

    Raises:
        BackendError: it is in none of them.
    """
    places = [Path(home) for home in [os.environ.get("CUDA_HOME")] if home] + [_USUAL_PLACE]
    for found in (shutil.which("nvcc"), *(shutil.which(str(at / "bin/nvcc")) for at in places)):
        if found:
            return Path(found)
    raise BackendError(
        "no nvcc to compile the CUDA kernels with; install the CUDA toolkit "
        "(on a Jetson: sudo apt install cuda-nvcc), or set CUDA_HOME to where it is"
    )


def cuda_release(nvcc: Path) -> str:
    """Return the version of the compiler, for example ``13.0.88``.

    Raises:
        BackendError: it does not run.
    """
    try:
        said = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as err:
        raise BackendError(f"{nvcc} does not run: {err}; install the CUDA toolkit again") from err
    found = re.search(r"\bV(\d+(?:\.\d+)+)", said.stdout)
    if found is None:
        raise BackendError(f"{nvcc} --version names no version; is it NVIDIA's compiler?")
    return found[1]


def cubin_path(architecture: str, release: str) -> Path:
    """Return where the module for an architecture and CUDA release is kept."""
    digest = hashlib.sha256(" ".join(OPTIONS).encode())
    for path in sorted(source_directory().iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    name = f"{digest.hexdigest()[:16]}-{architecture}-cuda{release}.cubin"
    return cache_directory() / "kernels" / name


def _run_nvcc(nvcc: Path, architecture: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="res2clip-nvcc-") as folder:
        module = Path(folder) / "kernels.cubin"
        source = source_directory() / "kernels.cu"
        command = [str(nvcc), *OPTIONS, f"-arch={architecture}", str(source), "-o", str(module)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise BackendError(
                f"nvcc cannot compile the kernels for {architecture}: {_first_error(ended.stderr)}"
            )
        return module.read_bytes()


def _first_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"error|fatal|unsupported", line, re.IGNORECASE)]
    return (errors or lines or ["it said nothing"])[0]
