"""Installs TensorRT's real Python bindings for the tests: ``python tests/gpu/install_bindings.py``.

Three releases, side by side, each in a folder of its own inside the virtual environment.  Their
libraries are not on PyPI; ``trt_stub_libraries.py`` makes ones without content, with which the
bindings can be imported: every class, function and enum is real, only nothing can be built.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

RELEASES = ("10.3.0", "10.13.3.9.post1", "11.4.0.106")
"""JetPack 6's, the last 10 with both typings, and the present one."""


def bindings_folder(release: str) -> Path:
    """Return where the bindings of a release are, or would be."""
    return Path(sys.prefix) / "share" / "tensorrt-bindings" / release


def main() -> None:
    for release in RELEASES:
        target = bindings_folder(release)
        if any(target.glob("tensorrt_bindings/*.so")):
            continue
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command += [f"--target={target}", f"tensorrt-cu12-bindings=={release}"]
        if subprocess.run(command, check=False).returncode:
            print(f"no TensorRT {release} bindings for this Python: its tests are skipped")


if __name__ == "__main__":
    main()
