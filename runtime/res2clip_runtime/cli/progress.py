"""Progress bars on stderr, and result lines that do not tear them."""

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
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

__all__ = ["ProgressBar", "progress_bar", "teaching_progress"]


class ProgressBar:
    """A bar that result lines can be printed above."""

    def __init__(self, progress: Progress, total: int | None) -> None:
        """Show ``progress`` towards ``total`` (None: no end)."""
        self._progress = progress
        self._task = progress.add_task("", total=total)

    def advance(self, note: str = "", *, count: int = 1) -> None:
        """Count pictures and show a note beside the bar."""
        self._progress.update(self._task, advance=count, description=note)

    def line(self, text: str) -> None:
        """Print a result line on stdout.

        Where stdout is the terminal that the bar is on, it goes through the bar's console,
        because both would write over each other otherwise.
        """
        if self._progress.live.is_started and sys.stdout.isatty():
            self._progress.console.print(Text(text), soft_wrap=True)
        else:
            typer.echo(text)


@contextmanager
def progress_bar(total: int | None) -> Iterator[ProgressBar]:
    """Yield a bar on stderr; it shows nothing where stderr is not a terminal."""
    progress = Progress(
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.description}"),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with progress:
        yield ProgressBar(progress, total)


@contextmanager
def teaching_progress() -> Iterator[Callable[[int, int], None]]:
    """Yield a function that shows (pictures done, pictures in all) as a bar on stderr."""
    quiet = not sys.stderr.isatty()
    with Progress(console=Console(stderr=True), transient=True, disable=quiet) as progress:
        task = progress.add_task("teaching", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.3g} pictures/s")
