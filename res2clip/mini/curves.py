"""``python -m res2clip.mini.curves RUN PICTURE``: the loss curves of a run, for the card."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from res2clip_runtime.errors import ArtefactNotFoundError, MissingExtraError, Res2ClipError

__all__ = ["draw_curves", "read_table"]

_LOSSES = ("probe", "similarity", "residual", "fused", "patch_text", "ranking", "caption")
_FIGURES = ("visual", "fused", "text", "image")

Table = dict[str, npt.NDArray[np.float64]]


def read_table(file: Path) -> Table:
    """Return the columns of a run's csv file; of a step that was done twice, the last time.

    Raises:
        ArtefactNotFoundError: if there is no such file.
    """
    if not file.is_file():
        raise ArtefactNotFoundError(f"{file} does not exist; pass the --out directory of a run")
    with file.open(newline="") as handle:
        rows = {int(row["step"]): row for row in csv.DictReader(handle)}
    ordered = [rows[step] for step in sorted(rows)]
    names = list(ordered[0]) if ordered else []
    return {name: np.array([float(row[name]) for row in ordered]) for name in names}


def draw_curves(run: Path, picture: Path) -> None:
    """Write the losses (left) and held-out figures (right) of ``run`` to ``picture``.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as err:
        raise MissingExtraError("matplotlib", extra="mini", purpose="drawing curves") from err
    losses, held_out = read_table(run / "losses.csv"), read_table(run / "validation.csv")
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name in _LOSSES:
        left.plot(*_smooth(losses["step"], losses[name]), label=name, linewidth=1)
    left.set(xlabel="step", ylabel="weighted loss, mean of 25 steps", yscale="log")
    for name in _FIGURES:
        right.plot(held_out["step"], held_out[name], label=name, marker=".", linewidth=1)
    right.set(xlabel="step", ylabel="area under ROC, held-out episodes", ylim=(0.45, 1.0))
    for axes in (left, right):
        axes.legend(fontsize=7)
        axes.grid(alpha=0.3)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=110, metadata={"Software": None})


def _smooth(
    steps: npt.NDArray[np.float64], values: npt.NDArray[np.float64], window: int = 25
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    window = min(window, len(values))
    kernel = np.ones(window) / window
    return steps[window - 1 :], np.convolve(values, kernel, mode="valid")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m res2clip.mini.curves", description=__doc__)
    parser.add_argument("run", type=Path, help="--out directory of a training run")
    parser.add_argument("picture", type=Path, help="PNG to write")
    options = parser.parse_args(arguments)
    try:
        draw_curves(options.run, options.picture)
    except Res2ClipError as err:
        sys.stderr.write(f"error: {err}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
