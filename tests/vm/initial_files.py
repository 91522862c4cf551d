"""What the virtual machine begins with: busybox, the kernel's modules in their order, ``/init``."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from vm.kernel import checked, release

_MODULES = ("vivid", "virtio_pci", "9pnet_virtio", "9p", "overlay")
# This machine's files, over which the guest writes into its memory; /out is written for real.
_INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin; export PATH=/bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
for f in /m/*; do case $f in *vivid*) insmod $f {cameras};; *) insmod $f;; esac; done
shared=trans=virtio,version=9p2000.L,msize=262144
mount -t 9p -o $shared,ro,cache=loose host /h; mount -t tmpfs t /o; mkdir /o/upper /o/work
mount -t overlay -o lowerdir=/h,upperdir=/o/upper,workdir=/o/work o /n
mkdir -p /n/out; mount -t 9p -o $shared out /n/out
mount --bind /dev /n/dev; mount -t proc p /n/proc; mount -t sysfs s /n/sys; ifconfig lo up
PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot /n /bin/sh /out/begin.sh
{then}
sync; poweroff -f
"""
_SYSTEMD = """if [ -e /n/out/boot ]; then
umount /n/sys /n/proc /n/dev; mount --move /dev /n/dev; umount /proc /sys
exec switch_root /n /lib/systemd/systemd; fi"""


def write_initial_files(folder: Path, kernel: Path, *, cameras: int) -> Path:
    """Return the archive, written into ``folder``; ``/init`` runs ``/out/begin.sh``.

    Where that has made the file ``/out/boot``, systemd takes over; otherwise the machine ends.
    """
    root = folder / "root"
    for name in ("bin", "m", "proc", "sys", "dev", "h", "o", "n"):
        (root / name).mkdir(parents=True)
    shutil.copy(str(shutil.which("busybox")), root / "bin" / "busybox")
    for number, path in enumerate(_modules(kernel)):
        shutil.copy(path, root / "m" / f"{number:03d}-{path.name}")
    init = root / "init"
    init.write_text(_INIT.format(cameras=_vivid(cameras), then=_SYSTEMD))
    init.chmod(0o755)
    archive = folder / "initial.cpio"
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    with archive.open("wb") as file:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, input=names.encode(),
                       stdout=file, check=True)  # fmt: skip
    return archive


def _modules(kernel: Path) -> list[Path]:
    """Return the files of the modules, each after those that it needs."""
    order: dict[str, None] = {}
    for module in _MODULES:
        shown = checked(["modprobe", "-d", str(kernel), "-S", release(kernel),
                         "--show-depends", module])  # fmt: skip
        order |= dict.fromkeys(line.split()[1] for line in shown.splitlines() if "insmod" in line)
    return [Path(path) for path in order]


def _vivid(cameras: int) -> str:
    """Return the module's parameters: so many devices that capture from one webcam each."""
    each = {"node_types": "0x1", "num_inputs": "1", "input_types": "0x0"}
    lists = (f"{name}={','.join([value] * cameras)}" for name, value in each.items())
    return f"n_devs={cameras} {' '.join(lists)}"
