"""Building a bundle's engines at the first start, with a bar instead of minutes of silence."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from res2clip_runtime.bundle import Bundle

__all__ = ["engine_progress", "with_engines"]


def with_engines(bundle: Bundle, backend: str) -> Bundle:
    """Return ``bundle`` when its engines for ``backend`` are there; other backends need none.

    Raises:
        MissingExtraError: TensorRT or pycuda is not installed.
        BackendError: there is no GPU, or TensorRT refused.
        OutputError: the engines could not be written.
    """
    engine = backend.partition("+")[0]
    if engine.startswith("tensorrt"):
        from res2clip_runtime.backends.tensorrt_stages import provide_engines

        with engine_progress() as progress:
            provide_engines(bundle, backend=engine, progress=progress)
    return bundle


@contextmanager
def engine_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function that shows (what is built, done, in all): a bar for each on stderr.

    Where stderr is no terminal, each is one line, said when it begins.
    """
    bars: dict[str, TaskID] = {}
    quiet = not sys.stderr.isatty()
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:

        def show(what: str, done: int, total: int) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what, total=total)
                if quiet:
                    typer.echo(f"{what} ...", err=True)
            progress.update(bars[what], completed=done, total=total)

        yield show
