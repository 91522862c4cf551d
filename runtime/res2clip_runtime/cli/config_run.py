"""``--config FILE``: which flags go with it, and which keys stand for the others."""

from __future__ import annotations

import dataclasses
from enum import Enum
from pathlib import Path

import typer

__all__ = ["KEYS", "LogFormat", "refuse_other_flags", "run_config"]

KEYS = {
    "recipe": "[[recipe]] file",
    "source": "[[camera]] source",
    "camera": "[[camera]] source",
    "trigger": "[[camera]] trigger",
    "deadline_ms": "[line] deadline_ms",
    "bundle": "[model] bundle",
    "backend": "[model] backend",
    "threads": "[model] threads",
    "spin": "[model] spin",
    "arena": "[model] arena",
    "gpu_memory": "[model] gpu_memory_mb",
    "compile_cache": "[model] compile_cache",
    "threshold": "[[recipe]] threshold",
    "pixel_threshold": "[[recipe]] pixel_threshold",
    "out": "[jsonl] folder and [pictures] folder",
    "pictures": "[pictures] ok_share (1 for all), or no such table",
    "as_json": '[line] print = "json"',
    "limit": "[line] limit",
    "log_format": "[line] log_format",
}
"""What stands in the file for each flag."""

_BESIDE = ("config", "dry_run", "log_format")


class LogFormat(str, Enum):
    """Values of ``--log-format``."""

    TEXT = "text"
    JSON = "json"


def refuse_other_flags(ctx: typer.Context) -> None:
    """Refuse what stands in the file: there is one place to look for a setting.

    Raises:
        BadParameter: a flag is given whose key belongs into the file.
    """
    for name in ctx.params:
        source = ctx.get_parameter_source(name)
        if name not in _BESIDE and source is not None and source.name == "COMMANDLINE":
            flag = "json" if name == "as_json" else name.replace("_", "-")
            raise typer.BadParameter(
                f"--{flag} does not go with --config; set it in the file: {KEYS.get(name, name)}"
            )


def run_config(file: Path, *, dry: bool, log_format: LogFormat | None) -> int:
    """Return the exit code of the line in ``file``, or of trying everything it names.

    Raises:
        Res2ClipError: the file cannot be used, or the line could not begin.
    """
    from res2clip_runtime.cli.line import dry_run, run_line
    from res2clip_runtime.service.config import load_config

    config = load_config(file)
    if log_format is not None:
        line = dataclasses.replace(config.line, log_format=log_format.value)
        config = dataclasses.replace(config, line=line)
    return dry_run(config) if dry else run_line(config, service=True)
