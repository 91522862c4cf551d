"""What happens to the unit under a real systemd; run by root, inside the machine."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from line.components.child import Child, await_true
from vm.camera_faults import unplugged
from vm.service import (
    LONG_S,
    RESULTS,
    await_active,
    await_verdicts,
    journal,
    main_pid,
    process_is_gone,
    recovery,
    restarts,
    show,
    systemctl,
    verdicts,
)
from vm.systemd_machine import CAMERA, UNIT, instructions

PROGRAM = Path("/opt/res2clip/bin/res2clip-run")
_WATCHDOG = "Watchdog timeout"
_EXITED = "Main process exited"


def everything() -> dict:
    """One boot for all of it; each answer is printed when it is there."""
    answers: dict[str, object] = {}
    scenarios: dict[str, Callable[[], object]] = {
        "boot": boot,
        "camera": camera,
        "replugged": replugged,
        "frozen process": lambda: recovery(freeze_process, until=_WATCHDOG),
        "hanging model": hanging_model,
        "crash": lambda: recovery(crash, until=_EXITED),
        "program away": program_away,
        "stop": stop,
        "start": start,
        "stop while the model hangs": stop_while_the_model_hangs,
        "instructions": by_hand,
        "sandbox": sandbox,
    }
    for name, scenario in scenarios.items():
        began_s = time.monotonic()
        answers[name] = scenario()
        sys.stdout.write(f"{name}: {time.monotonic() - began_s:.1f} s: {answers[name]}\n")
        sys.stdout.flush()
    return answers


def boot() -> dict:
    """Nobody but the boot has started the unit."""
    await_active()
    await_verdicts(datetime.fromtimestamp(0, timezone.utc))
    names = ("UnitFileState", "After", "ExecMainStartTimestampMonotonic",
             "ActiveEnterTimestampMonotonic", "NRestarts", "User")  # fmt: skip
    unit = show(*names)
    network = show("ActiveEnterTimestampMonotonic", unit="network-online.target")
    network_s = _seconds(network, "ActiveEnterTimestampMonotonic")
    return {
        "enabled": unit["UnitFileState"],
        "after": unit["After"].split(),
        "network_s": network_s,
        "started_s": _seconds(unit, "ExecMainStartTimestampMonotonic"),
        "active_s": _seconds(unit, "ActiveEnterTimestampMonotonic"),
        "restarts": int(unit["NRestarts"]),
        "decision": verdicts()[0]["decision"],
        "user": pwd.getpwuid(Path(f"/proc/{main_pid()}").stat().st_uid).pw_name,
        "results": {"user": RESULTS.owner(), "mode": oct(RESULTS.stat().st_mode & 0o777)},
    }


def camera() -> dict:
    """What the rules made of the device."""
    status = Path(CAMERA).stat()
    return {
        "leads to": str(Path(CAMERA).readlink()),
        "group": Path(CAMERA).group(),
        "mode": oct(status.st_mode & 0o777),
    }


def replugged() -> dict:
    """Another program keeps the old device open, so that the camera gets another number."""
    before = os.path.realpath(CAMERA)
    held = os.open(before, os.O_RDWR | os.O_NONBLOCK)
    with unplugged():
        await_true(lambda: not os.path.lexists(CAMERA), "the link goes", deadline_s=60)
        time.sleep(2)
        count = len(verdicts())
        mended_at = datetime.now(timezone.utc)
    first = await_verdicts(mended_at)
    os.close(held)
    back_s = (datetime.fromisoformat(first["captured_at"]) - mended_at).total_seconds()
    return {
        "before": before,
        "after": os.path.realpath(CAMERA),
        "count": count,
        "back_s": back_s,
        "decision": first["decision"],
        "restarts": restarts(),
    }


def freeze_process(pid: int) -> float:
    os.kill(pid, signal.SIGSTOP)
    return time.monotonic()


def crash(pid: int) -> float:
    os.kill(pid, signal.SIGSEGV)
    return time.monotonic()


def kill(pid: int) -> float:
    os.kill(pid, signal.SIGKILL)
    return time.monotonic()


def hanging_model() -> dict:
    """The thread that computes hangs in the engine; all others go on."""
    statuses: list[str] = []
    debuggers: list[Child] = []

    def hang(pid: int) -> float:
        debuggers.append(frozen_in_the_engine(pid))
        hangs_since_s = time.monotonic()
        await_true(lambda: "has not moved" in _status(), "the hang is told", deadline_s=LONG_S)
        statuses.append(_status())
        return hangs_since_s

    answer = recovery(hang, until=_WATCHDOG)
    debuggers[0].process.wait(60)
    debuggers[0].end()
    return {**answer, "status": statuses}


def frozen_in_the_engine(pid: int) -> Child:
    """Return the debugger that holds a thread of the service; it ends with the service."""
    return Child([sys.executable, "-m", "vm.frozen_thread", str(pid)], ready_line="frozen")


def program_away() -> dict:
    """The program cannot be started for a while, as when its disk is mounted late."""
    before, away = restarts(), PROGRAM.with_name("away")
    seen = len(journal())
    PROGRAM.rename(away)
    kill(main_pid())
    await_true(lambda: restarts() >= before + 12, "it tries again and again", deadline_s=LONG_S)
    state = show("ActiveState", "SubState")
    away.rename(PROGRAM)
    await_active()
    events = [text for _, text in journal()[seen:]]
    return {
        "state": state,
        "killed": any("/KILL" in text for text in events),
        "decision": await_verdicts(datetime.now(timezone.utc))["decision"],
        "given up": any("repeated too quickly" in text for text in events),
    }


def stop() -> dict:
    pid = main_pid()
    began_s = time.monotonic()
    systemctl("stop", "res2clip-run")
    took_s = time.monotonic() - began_s
    text = RESULTS.read_text()
    return {
        "took_s": took_s,
        **show("ActiveState", "Result", "ExecMainStatus"),
        "gone": process_is_gone(pid),
        "whole": text.endswith("\n") and all(json.loads(line) for line in text.splitlines()),
    }


def start() -> dict:
    """What systemd is told between the start and READY."""
    systemctl("start", "--no-block", "res2clip-run")
    states: list[list[str]] = []

    def is_active() -> bool:
        state = show("ActiveState", "StatusText")
        state_now = [state["ActiveState"], state["StatusText"]]
        if state_now not in states:
            states.append(state_now)
        return state_now[0] == "active"

    await_true(is_active, "the service is active", deadline_s=LONG_S)
    await_verdicts(datetime.now(timezone.utc))
    return {"states": states}


def stop_while_the_model_hangs() -> dict:
    debugger = frozen_in_the_engine(main_pid())
    answer = stop()
    debugger.process.wait(60)
    debugger.end()
    return {**answer, "hang is said": any("inspection hangs" in text for _, text in journal())}


def by_hand() -> dict:
    """The commands of the unit's head that need a running system, while the service is stopped."""
    answers = {}
    for command in instructions(running=True):
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        answers[command] = [done.returncode, done.stdout + done.stderr]
    return answers


def sandbox() -> dict:
    """A program that tries what it may not, in a unit with the settings of ours."""
    open_to_all = Path("/srv/open-to-all")
    for folder in (open_to_all, Path("/etc/res2clip"), PROGRAM.parents[1]):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)  # what is refused now is refused by the unit
    own = ("Type=", "NotifyAccess=", "ExecStart=", "WatchdogSec=", "Restart=", "RestartSec=")
    lines = [line for line in UNIT.read_text().splitlines() if not line.startswith(own)]
    python = f"/opt/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    lines[lines.index("[Service]")] += (
        "\nType=oneshot\nEnvironment=LD_LIBRARY_PATH=/opt/python/lib"
        f"\nExecStart={python} /etc/res2clip/sandbox_probe.py {open_to_all} {CAMERA}"
    )
    Path("/etc/systemd/system/probe.service").write_text("\n".join(lines))
    systemctl("daemon-reload")
    done = subprocess.run(["systemctl", "start", "probe"], check=False)
    events = [text for _, text in journal("probe")]
    assert done.returncode == 0, events
    return next(json.loads(text) for text in events if text.startswith("{"))


def _status() -> str:
    return show("StatusText")["StatusText"]


def _seconds(properties: dict[str, str], name: str) -> float:
    return int(properties[name]) / 1e6
