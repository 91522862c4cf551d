"""Progress of a command with several steps, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

__all__ = ["step_progress"]


@contextmanager
def step_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function that shows (step, done, total; total 0: unknown): a bar for each step.

    Where stderr is no terminal, each step is one line, said when it begins.
    """
    if not sys.stderr.isatty():
        yield _Lines().show
        return
    with Progress(
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    ) as progress:
        bars = _Bars(progress)
        yield bars.show
        bars.finish()


class _Lines:
    def __init__(self) -> None:
        self._said = ""

    def show(self, step: str, done: int, total: int) -> None:
        if step != self._said:
            typer.echo(f"{step} ...", err=True)
        self._said = step


class _Bars:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._current = ""

    def show(self, step: str, done: int, total: int) -> None:
        if step not in self._tasks:
            self.finish()
            self._tasks[step] = self._progress.add_task(step, total=total or None)
        self._current = step
        self._progress.update(self._tasks[step], completed=done, total=total or None)

    def finish(self) -> None:
        """Complete the current step if its length was unknown: it ends when another begins."""
        for task in self._progress.tasks:
            if task.id == self._tasks.get(self._current) and task.total is None:
                self._progress.update(task.id, total=1, completed=1)
