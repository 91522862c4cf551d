"""Builds pycuda for the tests on a machine without a GPU: ``python tests/gpu/install_pycuda.py``.

pycuda comes as source only.  Its build wants ``libcuda`` (part of NVIDIA's driver) and cuRAND (not
in every toolkit), so it is pointed at a stub driver and built without cuRAND.  Where nvcc is not on
the PATH, this says so and ends well: the tests that need pycuda are then skipped with a message.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from gpu.driver_libraries import build_stub_driver
from gpu.toolkit import toolkit_root

VERSION = "2026.1"


def main() -> None:
    root = toolkit_root()
    if root is None:
        print("no nvcc on the PATH: pycuda is not built, the tests that need it are skipped")
        return
    if _installed():
        return
    print(f"building pycuda {VERSION} with the toolkit in {root} (some minutes)")
    with tempfile.TemporaryDirectory() as folder:
        source = _source(Path(folder))
        stub = build_stub_driver(Path(folder), root)
        _configure(source, root, stub.parent)
        _pip("install", "--quiet", str(source))


def _installed() -> bool:
    # Not imported: that needs libcuda.so.1.
    command = [sys.executable, "-m", "pip", "show", "--quiet", "pycuda"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _source(folder: Path) -> Path:
    wanted = f"pycuda=={VERSION}"
    _pip("download", "--quiet", "--no-deps", "--no-binary=pycuda", f"--dest={folder}", wanted)
    archive = next(folder.glob("pycuda-*.tar.gz"))
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


def _configure(source: Path, root: Path, stub: Path) -> None:
    """Write pycuda's own configuration file, which its build reads before the user's."""
    libraries = [str(stub), str(root / "lib"), str(root / "lib64")]
    settings = {
        "CUDA_ROOT": str(root),
        "CUDA_ENABLE_CURAND": False,
        "CUDADRV_LIB_DIR": libraries,
        "CUDART_LIB_DIR": libraries,
        "CXXFLAGS": ["-O1", "-g0"],  # tests need no fast wrapper; half the build time
    }
    lines = [f"{name} = {value!r}" for name, value in settings.items()]
    (source / "siteconf.py").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", *arguments], check=True)


if __name__ == "__main__":
    main()
