"""A virtual machine whose Linux has V4L2 cameras, with this machine's files below its own.

QEMU without any acceleration: the same everywhere, and slow.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from vm.initial_files import write_initial_files
from vm.kernel import kernel_folder

_TESTS = Path(__file__).parents[1]
_PROGRAMS = ("qemu-system-x86_64", "busybox", "cpio", "depmod", "modprobe", "v4l2-ctl", "dpkg")
_CODE = (
    "import importlib, json, pathlib, sys; module, name, given = sys.argv[1:]; "
    "answer = getattr(importlib.import_module(module), name)(*json.loads(given)); "
    "pathlib.Path('/out/answer.json').write_text(json.dumps(answer))"
)


def need_programs(*more: str) -> None:
    """Skip where a program that the machine needs is not installed."""
    missing = [program for program in (*_PROGRAMS, *more) if not shutil.which(program)]
    if missing:
        pytest.skip(f"no virtual machine: {', '.join(missing)} not installed (make test-vm)")


def call_with_camera(
    folder: Path, module: str, function: str, *arguments: object, timeout_s: float = 600
):
    """Return what ``module.function(*arguments)`` returns where there are two V4L2 cameras."""
    need_programs()
    begin = f"exec {command_line(module, function, *arguments)}\n"
    return run_machine(folder, begin, cameras=2, timeout_s=timeout_s)


def command_line(module: str, function: str, *arguments: object) -> str:
    """Return a line of shell that calls ``module.function`` in the machine and keeps its answer."""
    search = os.pathsep.join([str(_TESTS), *(path for path in sys.path if path)])
    return shlex.join(
        ["/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/",
         "PYTHONDONTWRITEBYTECODE=1", f"PYTHONPATH={search}", sys.executable, "-c", _CODE,
         module, function, json.dumps(arguments)]
    )  # fmt: skip


def run_machine(
    folder: Path,
    begin: str,
    *,
    cameras: int,
    timeout_s: float,
    files: Mapping[str, str] | None = None,
):
    """Boot, run ``begin`` with the shell, and return the answer that was left in ``/out``.

    Args:
        folder: what the machine leaves behind lies in its ``out``: the console, the answer, logs.
        begin: a script for ``/bin/sh``, run by root before anything else.
        cameras: ``/dev/video0`` and so on.
        timeout_s: longest time for all of it.
        files: what else lies in ``/out`` from the beginning.
    """
    out = folder / "out"
    out.mkdir()
    for name, text in {"begin.sh": begin, **(files or {})}.items():
        (out / name).write_text(text)
    kernel = kernel_folder()
    initial = write_initial_files(folder, kernel, cameras=cameras)
    console = out / "console.log"
    with console.open("wb") as file:
        ended = _run(_qemu(kernel, initial, out), file, timeout_s)
    answer = out / "answer.json"
    if not ended or not answer.exists():
        why = "without an answer" if ended else f"not within {timeout_s:g} s"
        text = console.read_text(encoding="utf-8", errors="replace")
        raise AssertionError(f"the machine ended {why}:\n{text[-4000:]}")
    return json.loads(answer.read_text())


def _qemu(kernel: Path, initial: Path, out: Path) -> list[str]:
    def share(path: Path, tag: str, *more: str) -> list[str]:
        options = ["local", f"path={path}", f"mount_tag={tag}", "security_model=none", *more]
        return ["-virtfs", ",".join([*options, "multidevs=remap"])]

    words = "console=ttyS0 quiet panic=-1 systemd.show_status=0 systemd.mask=getty.target"
    return [
        "qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "1536",
        "-nographic", "-no-reboot", "-net", "none",
        "-kernel", str(next(kernel.glob("boot/vmlinuz-*"))), "-initrd", str(initial),
        "-append", words, *share(Path("/"), "host", "readonly=on"), *share(out, "out"),
    ]  # fmt: skip


def _run(command: list[str], console, timeout_s: float) -> bool:
    """Return whether the machine ended by itself in time."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT
    ) as machine:
        try:
            machine.wait(timeout_s)
        except subprocess.TimeoutExpired:
            machine.kill()
            return False
        return True
