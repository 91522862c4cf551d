"""``res2clip-run --config FILE`` as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from line.components.child import Child, await_true

_ROOT = Path(__file__).parents[3]
PROGRAM = [sys.executable, "-m", "res2clip_runtime.cli"]


def search_path() -> str:
    """Return the PYTHONPATH of a child that imports what this process imports."""
    return os.pathsep.join(path for path in sys.path if path)


class RunningLine(Child):
    """A line whose events lie in ``line.log`` beside its configuration."""

    def __init__(
        self,
        config: Path,
        *,
        arguments: Sequence[str] = (),
        prefix: Sequence[str] = (),
        program: Sequence[str] = tuple(PROGRAM),
        env: dict[str, str] | None = None,
        stdout: int | None = None,
    ) -> None:
        """Start it with ``config``; ``prefix`` goes before the command (``faketime``, ``ip``)."""
        self.config = config
        self.log_path = config.with_suffix(".log")
        self.out_path = config.with_suffix(".out")
        self._log = self.log_path.open("ab")
        self._out = self.out_path.open("ab")
        self.process = subprocess.Popen(
            [*prefix, *program, "--config", str(config), *arguments],
            stdout=self._out if stdout is None else stdout,
            stderr=self._log,
            text=True,
            env={**os.environ, "PYTHONPATH": search_path(), **(env or {})},
        )

    @property
    def log(self) -> str:
        """All events so far."""
        return self.log_path.read_text(encoding="utf-8")

    @property
    def results(self) -> Path:
        return self.config.parent / "results" / "results.jsonl"

    def verdicts(self) -> list[dict[str, object]]:
        """Return the whole lines of the file of results."""
        if not self.results.exists():
            return []
        text = self.results.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.split("\n")[:-1]]

    def await_log(self, text: str, *, deadline_s: float = 30.0) -> None:
        """Wait until an event holds ``text``."""
        await_true(lambda: text in self.log or self._ended(), text, deadline_s=deadline_s)
        assert text in self.log, self.log

    def await_verdicts(self, count: int, *, deadline_s: float = 30.0) -> list[dict[str, object]]:
        """Wait until there are ``count`` verdicts at least, and return all."""
        await_true(
            lambda: len(self.verdicts()) >= count, f"{count} verdicts", deadline_s=deadline_s
        )
        return self.verdicts()

    def wait(self, timeout_s: float = 30.0) -> int:
        """Return the exit code when it has ended."""
        code = self.process.wait(timeout_s)
        self._close_files()
        return code

    def stop(self) -> int:
        """SIGTERM; return the exit code."""
        self.process.terminate()
        return self.wait()

    def _ended(self) -> bool:
        return self.process.poll() is not None

    def _reap(self) -> None:
        super()._reap()
        self._close_files()

    def _close_files(self) -> None:
        self._log.close()
        self._out.close()


def write_config(folder: Path, *tables: str, recipe: Path, bundle: Path) -> Path:
    """Write ``line.toml`` into ``folder`` with a model, a recipe, results, and ``tables``."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(
        [
            *(tables if any("[line]" in table for table in tables) else ("[line]", *tables)),
            f"[model]\nbundle = {json.dumps(str(bundle))}\nthreads = 1",
            f"[[recipe]]\nfile = {json.dumps(str(recipe))}",
            '[jsonl]\nfolder = "results"',
        ]
    )
    path = folder / "line.toml"
    path.write_text(text, encoding="utf-8")
    return path
