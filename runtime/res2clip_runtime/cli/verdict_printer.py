"""A sink that prints verdicts on stdout."""

from __future__ import annotations

import errno
import json
from typing import Literal

import typer

from res2clip_runtime.cli.verdict_text import verdict_line
from res2clip_runtime.errors import OutputError
from res2clip_runtime.preprocess import PictureU8
from res2clip_runtime.verdict import Verdict

__all__ = ["VerdictPrinter"]


class VerdictPrinter:
    """A line a verdict; behind a worker, so that a terminal that is paused holds nothing up."""

    def __init__(self, form: Literal["text", "json"]) -> None:
        """Print for people or as JSON."""
        self._form = form

    def write(self, verdict: Verdict, picture: PictureU8 | None) -> None:
        """Print one verdict.

        Raises:
            OutputError: nobody reads any more.
        """
        if self._form == "json":
            text = json.dumps(verdict.to_json(), ensure_ascii=False, allow_nan=False)
        else:
            text = verdict_line(verdict)
        try:
            typer.echo(text)
        except OSError as err:
            raise OutputError(err.errno or errno.EPIPE, f"standard output: {err}") from err

    def close(self) -> None:
        """Do nothing: a line is out when it is written."""
