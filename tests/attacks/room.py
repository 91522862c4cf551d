"""A process that opens hostile files, each in a child with little memory and no right to write.

Reads lines ``{"way": ..., "path": ...}`` and answers each with a line: what came of it, and every
deed (starting a program, connecting, writing) that Python's audit hooks saw. As a program.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
from typing import Any

MEMORY_MB = 768
"""Beyond what the process has when it begins; a bomb wants gigabytes."""
CPU_S = 10
DEADLINE_S = 20

_DEEDS = (
    "os.exec", "os.posix_spawn", "os.system", "subprocess.Popen", "socket.connect", "os.fork",
    "os.link", "os.symlink", "os.rename", "os.remove", "os.mkdir", "os.chmod", "os.truncate",
)  # fmt: skip


def watch(deeds: list[str]) -> None:
    """Note what must not happen from now on."""

    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _DEEDS:
            deeds.append(f"{event} {arguments[:2]!r}"[:200])
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & writing:
            deeds.append(f"write {arguments[0]!r}"[:200])

    sys.addaudithook(hook)


def confine() -> None:
    """Allow little more memory than there is, little time, and no byte in any file."""
    with open("/proc/self/statm") as file:  # noqa: PTH123
        now = int(file.read().split()[0]) * resource.getpagesize()
    most = now + (MEMORY_MB << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def attempt(way: str, path: str) -> dict[str, Any]:
    """Open ``path`` and return what came of it."""
    from attacks.ways import WAYS

    from res2clip_runtime.errors import Res2ClipError

    deeds: list[str] = []
    confine()
    watch(deeds)
    try:
        said = WAYS[way](path)
        outcome = {"ended": "loaded", "said": said}
    except Res2ClipError as err:
        outcome = {"ended": "refused", "error": type(err).__name__, "said": str(err)}
    except BaseException as err:
        import traceback

        outcome = {"ended": "escaped", "error": repr(err)[:500], "said": traceback.format_exc()}
    return {**outcome, "deeds": deeds}


def in_child(way: str, path: str) -> dict[str, Any]:
    """Return the answer of a child, or how it died."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
        os.dup2(devnull, 2)
        answer = json.dumps(attempt(way, path)).encode()
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(answer)
        os._exit(0)
    os.close(writer)
    data = b""
    while select.select([reader], [], [], DEADLINE_S)[0] and (block := os.read(reader, 1 << 16)):
        data += block
    else:
        if not data:
            os.kill(pid, signal.SIGKILL)
    os.close(reader)
    _, status = os.waitpid(pid, 0)
    if not data:
        return {"ended": f"died, status {status}", "deeds": [], "said": ""}
    return json.loads(data)


def main() -> None:
    from attacks.ways import prepare

    prepare(sys.argv[1:])
    print("READY", flush=True)  # noqa: T201
    for line in sys.stdin:
        task = json.loads(line)
        print(json.dumps(in_child(task["way"], task["path"])), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
