"""A finished folder takes its place whole, and the older one goes only after that."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

__all__ = ["swap_folder"]


def swap_folder(workspace: Path, target: Path) -> None:
    """Sync every file of ``workspace`` and rename it to ``target``, beside which it lies.

    Raises:
        OSError: the place refused.
    """
    for path in workspace.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.replace(old)
    workspace.chmod(0o755)
    workspace.replace(target)
    shutil.rmtree(old, ignore_errors=True)
