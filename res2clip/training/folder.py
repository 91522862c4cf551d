"""The folder of a training run: what lies where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from res2clip_runtime.errors import InputError

__all__ = ["RunFolder"]


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Places below ``--out``."""

    root: Path
    """The folder itself."""

    @property
    def heads(self) -> Path:
        """The trained heads."""
        return self.root / "heads.safetensors"

    @property
    def best_heads(self) -> Path:
        """The heads of the epoch that was best on the held-out category."""
        return self.root / "best.safetensors"

    @property
    def config(self) -> Path:
        """How they were trained, as JSON."""
        return self.root / "config.json"

    @property
    def card(self) -> Path:
        """What they are, for people."""
        return self.root / "README.md"

    @property
    def curves(self) -> Path:
        """The losses as a picture."""
        return self.root / "losses.svg"

    @property
    def losses(self) -> Path:
        """The losses of every step."""
        return self.root / "losses.csv"

    @property
    def validation(self) -> Path:
        """The held-out figures of every epoch."""
        return self.root / "validation.csv"

    @property
    def checkpoint(self) -> Path:
        """The state of the run."""
        return self.root / "checkpoint.safetensors"

    def claim(self, *, resume: bool) -> None:
        """Make sure that no other run is overwritten.

        Raises:
            InputError: the folder is a file, holds a run that is not to go on, or something else.
        """
        if self.root.exists() and not self.root.is_dir():
            raise InputError(f"{self.root} is a file; choose a folder with --out")
        if self.checkpoint.exists() and not resume:
            raise InputError(
                f"{self.root} holds a training run; go on with it (--resume) or choose another "
                "folder (--out)"
            )
        ours = {self.losses.name, self.validation.name}  # of a run that was killed very early
        found = {p.name for p in self.root.iterdir()} if self.root.is_dir() else set()
        foreign = {name for name in found - ours if not name.startswith(".")}
        if foreign and not self.checkpoint.exists():
            raise InputError(
                f"{self.root} holds {sorted(foreign)[0]}, which is no training run's; choose "
                "another folder with --out"
            )
