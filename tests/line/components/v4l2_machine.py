"""A virtual machine whose Linux has a V4L2 camera (vivid), with this machine's files read-only.

The kernels of containers have no video devices, and no modules for one. Debian's has: its package
is fetched, unpacked beside the tests' cache and booted by QEMU without any acceleration.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_TESTS = Path(__file__).parents[2]
_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "res2clip-tests", "vivid")
_PROGRAMS = ("qemu-system-x86_64", "busybox", "cpio", "depmod", "modprobe", "v4l2-ctl", "dpkg")
_MODULES = ("vivid", "virtio_pci", "9pnet_virtio", "9p")
_CAMERA = "n_devs=1 node_types=0x1 num_inputs=1 input_types=0x0"
_INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin; export PATH=/bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
for f in /m/*; do case $f in *vivid*) insmod $f {camera};; *) insmod $f;; esac; done
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=262144 host /h
mount --bind /dev /h/dev; mount -t proc p /h/proc; mount -t sysfs s /h/sys
chroot /h /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ PYTHONDONTWRITEBYTECODE=1 \
PYTHONPATH={search} {python} -c '{code}'
poweroff -f
"""
_CODE = (
    'import importlib, json; answer = getattr(importlib.import_module("{module}"), '
    '"{function}")(); print("\\nANSWER " + json.dumps(answer))'
)


def call_with_camera(folder: Path, module: str, function: str):
    """Return what ``module.function()`` returns where ``/dev/video0`` is a real V4L2 device."""
    missing = [program for program in _PROGRAMS if not shutil.which(program)]
    if missing:
        pytest.skip(f"no virtual machine with a camera: {', '.join(missing)} not installed")
    kernel = _kernel()
    initial = _initial_files(folder, kernel, _CODE.format(module=module, function=function))
    done = subprocess.run(
        ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "1024", "-nographic",
         "-no-reboot", "-net", "none", "-kernel", str(next(kernel.glob("boot/vmlinuz-*"))),
         "-initrd", str(initial), "-append", "console=ttyS0 quiet panic=-1",
         "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        timeout=100, check=False,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    assert lines, done.stdout[-3000:] + done.stderr[-1000:]
    return json.loads(lines[-1].removeprefix("ANSWER "))


def _kernel() -> Path:
    """Return the folder of an unpacked Debian kernel package with vivid."""
    if not any(_CACHE.glob("lib/modules/*/modules.dep")):
        _CACHE.mkdir(parents=True, exist_ok=True)
        depends = _run(["apt-cache", "depends", "linux-image-amd64"])
        names = [
            line.split()[-1] for line in depends.splitlines() if "Depends: linux-image" in line
        ]
        if not names:
            pytest.skip("no kernel package with a virtual camera (linux-image-amd64 is unknown)")
        _run(["apt-get", "download", names[0]], cwd=_CACHE)
        (package,) = _CACHE.glob("linux-image-*.deb")
        _run(["dpkg", "-x", str(package), str(_CACHE)])
        package.unlink()
        _run(["depmod", "-b", str(_CACHE), _release(_CACHE)])
    return _CACHE


def _release(kernel: Path) -> str:
    return next(kernel.glob("lib/modules/*")).name


def _initial_files(folder: Path, kernel: Path, code: str) -> Path:
    """Write the machine's first file system: busybox, the modules in their order, what it runs."""
    root = folder / "root"
    for name in ("bin", "m", "proc", "sys", "dev", "h"):
        (root / name).mkdir(parents=True)
    shutil.copy(str(shutil.which("busybox")), root / "bin" / "busybox")
    order: dict[str, None] = {}
    for module in _MODULES:
        shown = _run(["modprobe", "-d", str(kernel), "-S", _release(kernel),
                      "--show-depends", module])  # fmt: skip
        order |= dict.fromkeys(line.split()[1] for line in shown.splitlines() if "insmod" in line)
    for number, path in enumerate(order):
        shutil.copy(path, root / "m" / f"{number:03d}-{Path(path).name}")
    search = os.pathsep.join([str(_TESTS), *(path for path in sys.path if path)])
    init = root / "init"
    init.write_text(_INIT.format(camera=_CAMERA, search=search, python=sys.executable, code=code))
    init.chmod(0o755)
    archive = folder / "initial.cpio"
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    with archive.open("wb") as file:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, input=names.encode(),
                       stdout=file, check=True)  # fmt: skip
    return archive


def _run(command: list[str], *, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no virtual machine with a camera: {command[0]}: {done.stderr.strip()[-200:]}")
    return done.stdout
