"""Debian's kernel with a virtual V4L2 camera (vivid), unpacked beside the tests' cache.

The kernels of containers have no video devices, and no modules for one. Debian's package has them;
it is fetched by apt and never installed.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "res2clip-tests", "vivid")


def kernel_folder() -> Path:
    """Return the folder of the unpacked package; skips where it cannot be had."""
    if not any(_CACHE.glob("lib/modules/*/modules.dep")):
        _CACHE.mkdir(parents=True, exist_ok=True)
        depends = checked(["apt-cache", "depends", "linux-image-amd64"])
        names = [
            line.split()[-1] for line in depends.splitlines() if "Depends: linux-image" in line
        ]
        if not names:
            pytest.skip("no virtual machine: apt does not know linux-image-amd64 (apt-get update)")
        checked(["apt-get", "download", names[0]], cwd=_CACHE)
        (package,) = _CACHE.glob("linux-image-*.deb")
        checked(["dpkg", "-x", str(package), str(_CACHE)])
        package.unlink()
        checked(["depmod", "-b", str(_CACHE), release(_CACHE)])
    return _CACHE


def release(kernel: Path) -> str:
    """Return the kernel's version, as its modules' folder is called."""
    return next(kernel.glob("lib/modules/*")).name


def checked(command: list[str], *, cwd: Path | None = None) -> str:
    """Return what a command printed; skips where it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no virtual machine: {' '.join(command)}: {done.stderr.strip()[-200:]}")
    return done.stdout
