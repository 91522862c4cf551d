"""Cameras that break off under a line; run inside a virtual machine that has two of them."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from pathlib import Path

from line.components.child import Child, await_true
from line.components.line_of import CollectedLine
from line.components.running_line import PROGRAM, search_path
from vm.camera_faults import broken_stream, pulled_cable, unplugged

from res2clip_runtime.bundle import Bundle
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.service.config import CameraTable
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.service.recipe_file import RecipeFile
from res2clip_runtime.service.settings import LineSettings

ALWAYS_OK = 1e6
"""A threshold that every picture is below: a verdict that must not be would be OK."""
OUTAGE_S = 4.0
"""How long a camera stays away: several attempts to open it anew."""
_Fault = Callable[[], AbstractContextManager[None]]


class LiveRun(Child):
    """``res2clip-run --camera 0`` with what it prints and writes."""

    def __init__(self, folder: Path, *, recipe: str, bundle: str) -> None:
        folder.mkdir(parents=True)
        self._results, self._errors = folder / "out" / "results.jsonl", folder / "stderr"
        self._files = [path.open("wb") for path in (self._errors, folder / "stdout")]
        flags = {"--camera": 0, "--recipe": recipe, "--bundle": bundle, "--threads": 1,
                 "--threshold": ALWAYS_OK, "--out": folder / "out"}  # fmt: skip
        self.process = subprocess.Popen(
            [*PROGRAM, *(str(word) for pair in flags.items() for word in pair)],
            stdout=self._files[1],
            stderr=self._files[0],
            env={**os.environ, "PYTHONPATH": search_path()},
        )

    @property
    def said(self) -> str:
        """Everything on stderr so far."""
        return self._errors.read_text()

    @property
    def verdicts(self) -> list[dict]:
        """The whole lines of the results so far."""
        if not self._results.exists():
            return []
        return [json.loads(line) for line in self._results.read_text().split("\n")[:-1]]

    def await_more(self, count: int) -> None:
        """Wait for so many verdicts beside those that are there."""
        wanted = len(self.verdicts) + count

        def there() -> bool:
            assert self.process.poll() is None, self.said
            return len(self.verdicts) >= wanted

        await_true(there, f"{count} more verdicts", deadline_s=120)

    def _reap(self) -> None:
        super()._reap()
        for file in self._files:
            file.close()


def broken_off_in_free_run(recipe: str, bundle: str) -> dict:
    """Return, fault by fault, what the run of a single camera said and judged."""
    faults: dict[str, tuple[_Fault, float]] = {
        "unplugged": (unplugged, OUTAGE_S),
        "cable pulled": (lambda: pulled_cable(0), OUTAGE_S),
        "fatal error": (lambda: broken_stream(0), 0.0),
    }
    return {
        name: _broken_twice(LiveRun(Path("/out", name), recipe=recipe, bundle=bundle), *fault)
        for name, fault in faults.items()
    }


def _broken_twice(run: LiveRun, fault: _Fault, lasts_s: float) -> dict:
    with run:
        run.await_more(3)
        # The same event is said once a minute: only the first time tells when it is noticed.
        outages = [_outage(run, fault(), lasts_s, is_said=said) for said in (True, False)]
        run.process.terminate()
        return {
            "outages": outages,
            "exit code": run.process.wait(60),
            "decisions": sorted({verdict["decision"] for verdict in run.verdicts}),
            "said": run.said,
        }


def _outage(
    run: LiveRun, fault: AbstractContextManager[None], lasts_s: float, *, is_said: bool
) -> dict:
    noticed_s = 0.0
    with fault:
        broken_at, broken_s = datetime.now(timezone.utc), time.monotonic()
        if is_said:
            await_true(lambda: "lost:" in run.said, "the loss is said", deadline_s=60)
            noticed_s = time.monotonic() - broken_s
        time.sleep(lasts_s)
        mended_at, mended_s = datetime.now(timezone.utc), time.monotonic()
    before = len(run.verdicts)

    def is_back() -> bool:
        return any(_captured(verdict) > mended_at for verdict in run.verdicts[before:])

    await_true(is_back, "verdicts come again", deadline_s=60)
    while_out = [v for v in run.verdicts if broken_at < _captured(v) < mended_at]
    back_s = time.monotonic() - mended_s
    return {"verdicts": len(while_out), "noticed_s": noticed_s, "back_s": back_s}


def _captured(verdict: dict) -> datetime:
    return datetime.fromisoformat(verdict["captured_at"])


def one_of_two_under_triggers(recipe: str, bundle: str) -> dict:
    """Return the answers to triggers before, while one of the two cameras is away, and after."""
    with Inspector(Bundle.load(Path(bundle)), threads=1) as inspector:
        book = RecipeBook([RecipeFile(file=Path(recipe), threshold=ALWAYS_OK)], inspector.stages)
        cameras = [CameraTable(name=name, source=name[-1]) for name in ("camera0", "camera1")]
        settings = LineSettings(mode="trigger", part="cameras", deadline_ms=30_000)
        with CollectedLine(inspector.stages, book, *cameras, settings=settings) as run:
            return _under_triggers(run)


def _under_triggers(run: CollectedLine) -> dict:
    answers = {}

    def trigger(name: str) -> None:
        began_s = time.monotonic()
        run.line.trigger(name)
        verdict = run.answer_to(name)
        answers[name] = {
            "decision": verdict.decision.value,
            "reason": verdict.reason,
            "took_s": time.monotonic() - began_s,
            "views": len(verdict.views),
        }

    def states() -> list[str]:
        return [camera.state for camera in run.line.health().cameras]

    def await_states(*wanted: str) -> None:
        await_true(lambda: states() == [*wanted], f"cameras are {wanted}", deadline_s=60)

    run.await_ready()
    trigger("before")
    with pulled_cable(1):
        await_states("ready", "lost")
        trigger("one is away")
    await_states("ready", "ready")
    with unplugged():
        await_states("lost", "lost")
        trigger("both are away")
    await_states("ready", "ready")
    trigger("after")
    return answers
