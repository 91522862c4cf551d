"""Which distributions of ONNX Runtime are installed, and whether their files are still theirs.

onnxruntime, onnxruntime-gpu and their relatives all install a package ``onnxruntime``: the last one
overwrites the others' files, and removing one takes the files of all.  pip notices neither, and
afterwards says "requirement already satisfied".
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

__all__ = ["Wheels", "installed_wheels", "reinstall_command", "wheels_problem"]

Wheels: TypeAlias = dict[str, metadata.Distribution]
"""Installed distributions by name."""

_NAMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml")


def installed_wheels(path: Sequence[str] | None = None) -> Wheels:
    """Return the installed distributions that bring a package ``onnxruntime``, by name.

    Args:
        path: folders to look in; by default where Python imports from.
    """
    found: Wheels = {}
    for distribution in metadata.distributions(path=list(sys.path if path is None else path)):
        name = str(distribution.metadata["Name"]).lower().replace("_", "-")
        if name in _NAMES:
            found.setdefault(name, distribution)  # the first on the path is the one imported
    return dict(sorted(found.items()))


def wheels_problem(wheels: Wheels) -> str:
    """Return what is wrong with these distributions, or nothing if all is well."""
    if len(wheels) > 1:
        return f"{' and '.join(wheels)} are both installed and overwrite each other's files"
    for name, distribution in wheels.items():
        if missing := _missing_files(distribution):
            return (
                f"{missing} of the files of {name} are gone, as after removing another package "
                "that had overwritten them"
            )
    return ""


def reinstall_command(wheels: Wheels) -> str:
    """Return the command that mends it; pip alone would find its requirement satisfied."""
    names = " ".join(wheels) or "onnxruntime"
    extra = "gpu" if "onnxruntime-gpu" in wheels else "cpu"
    return f"pip uninstall -y {names} && pip install 'res2clip[{extra}]'"


def _missing_files(distribution: metadata.Distribution) -> int:
    """Return how many modules and libraries of its record are not there."""
    # Distribution.files leaves out what is not there, from Python 3.12 on.
    record = csv.reader((distribution.read_text("RECORD") or "").splitlines())
    names = [row[0] for row in record if row and row[0].endswith((".py", ".so"))]
    return sum(not Path(str(distribution.locate_file(name))).exists() for name in names)
