"""What a process may do inside the unit's sandbox; printed as JSON.

Started by systemd with the unit's own settings; needs nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

_NEW_USER_NAMESPACE = 0x10000000


def main() -> None:
    open_to_all, camera = sys.argv[1:]
    state = Path("/var/lib/res2clip/probe")
    answers = {
        "write state": _tried(lambda: state.write_text("x")),
        "write tmp": _tried(lambda: Path("/tmp/probe").write_text("x")),
        "write its configuration": _tried(lambda: Path("/etc/res2clip/probe").write_text("x")),
        "write its program": _tried(lambda: Path("/opt/res2clip/probe").write_text("x")),
        "write a folder open to all": _tried(lambda: Path(open_to_all, "probe").write_text("x")),
        "write var": _tried(lambda: Path("/var/log/probe").write_text("x")),
        "write a kernel setting": _tried(lambda: Path("/proc/sys/kernel/sysrq").write_text("1")),
        "read home": _tried(lambda: list(Path("/home").iterdir())),
        "read root's home": _tried(lambda: list(Path("/root").iterdir())),
        "read kernel log": _tried(lambda: os.open("/dev/kmsg", os.O_RDONLY)),
        "open camera": _tried(lambda: os.open(camera, os.O_RDWR)),
        "other users' processes": _processes_of_others(),
        "others' /tmp": sorted(path.name for path in Path("/tmp").iterdir()),
        "mode of its files": oct(state.stat().st_mode & 0o777),
        "mark as set-user-ID": _tried(lambda: state.chmod(0o4755)),
        "user namespace": _tried(_user_namespace),
        "host name": _tried(lambda: socket.sethostname("probe")),
        "real time": _tried(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))),
        "signal to systemd": _tried(lambda: os.kill(1, 0)),
        "capabilities": _status("CapEff"),
        "no new privileges": _status("NoNewPrivs"),
        "user": os.getuid(),
    }
    for name in ("AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK", "AF_ALG", "AF_VSOCK"):
        kind = socket.SOCK_RAW if name == "AF_NETLINK" else socket.SOCK_STREAM
        answers[name] = _tried(lambda name=name, kind=kind: _socket(name, kind))  # type: ignore[misc]
    state.unlink()
    sys.stdout.write(json.dumps(answers))


def _tried(action: Callable[[], object]) -> str:
    try:
        action()
    except OSError as err:
        return errno.errorcode[err.errno or 0]
    return "done"


def _socket(name: str, kind: int) -> None:
    socket.socket(getattr(socket, name), kind).close()


def _user_namespace() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_USER_NAMESPACE):
        raise OSError(ctypes.get_errno(), "unshare")


def _processes_of_others() -> int:
    found = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    return sum(path.stat().st_uid != os.getuid() for path in found)


def _status(field: str) -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{field}:"))


if __name__ == "__main__":
    main()
