"""What every command of ours has in common: errors in one line, warnings on stderr."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from res2clip_runtime.errors import Res2ClipError
from res2clip_runtime.safe_text import shown

__all__ = ["CommandGroup", "message_of", "warn"]

_OUR_LOGGERS = ("res2clip", "res2clip_export", "res2clip_runtime")


class CommandGroup(TyperGroup):
    """Ends a command with ``error: ...`` and exit code 1 where our errors come out of it.

    Use it for the root: ``typer.Typer(cls=CommandGroup)``.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command; see :class:`CommandGroup`."""
        try:
            with _warnings_on_stderr():
                return super().invoke(ctx)
        except Res2ClipError as err:
            typer.echo(f"error: {message_of(err)}", err=True)
            raise typer.Exit(1) from err
        except BrokenPipeError:
            raise  # typer ends quietly when the reader of a pipe has gone
        except OSError as err:  # a path that cannot even be asked about
            problem = f"{err.filename or 'a file'}: {err.strerror or err}"
            typer.echo(f"error: {shown(problem)}", err=True)
            raise typer.Exit(1) from err

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that ``args`` name; explain what a file name here means."""
        if args[0] not in self.commands and Path(args[0]).exists():
            raise typer.BadParameter(
                f"'{args[0]}' is a file, not a command. Put a pattern in quotes, so that the "
                "shell leaves it alone: --source 'parts/*.png'",
                ctx=ctx,
            )
        return super().resolve_command(ctx, args)


def message_of(err: Res2ClipError) -> str:
    """Return an error's message on one line, fit for a terminal, without an OSError's number."""
    text = err.strerror if isinstance(err, OSError) and err.strerror else str(err)
    return shown(" ".join(text.split()))


def warn(message: str) -> None:
    """Tell the person at the terminal something that is not a result."""
    typer.echo(f"warning: {shown(message)}", err=True)


@contextmanager
def _warnings_on_stderr() -> Iterator[None]:
    handler = _StderrHandler(logging.WARNING)
    loggers = [logging.getLogger(name) for name in _OUR_LOGGERS]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


class _StderrHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        warn(record.getMessage())
