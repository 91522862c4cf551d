"""How good is res2clip-mini on real parts?  Few-shot figures beside two baselines.

    python benchmarks/bench_mini.py --data DIR                       # the table of docs/mini.md
    python benchmarks/bench_mini.py --data DIR --shots 4 --sizes 192 256 --no-baselines
    python benchmarks/bench_mini.py --data DIR --shots 4 --text      # text map alone, R_t or random

DIR holds categories in MVTec AD's layout, or folders of such.  Every detector sees the same
pictures and the same draws of references; features are computed once per picture.  At most
``--limit`` good and ``--limit`` defective test pictures per category are used, the latter spread
over all defect kinds.  All maps are compared with the masks at 256 x 256 pixels.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from mini_baselines import CnnNearestNeighbour, CrudeBaseline, Detector

import res2clip
from res2clip.datasets import Category, find_categories
from res2clip.few_shot import Draw, measure_cells
from res2clip.metrics import Metrics, mean_metrics
from res2clip_runtime.preprocess import to_square
from res2clip_runtime.score import Scored
from res2clip_runtime.stages import Features, grid_rho, mean_direction
from res2clip_runtime.teaching import score_against

FloatArray = npt.NDArray[np.float32]
MASK_PX = 256
RESULTS = Path(__file__).parent / "results" / "mini.csv"


class Mini:
    """The library's own training-free detector at one inspection size."""

    def __init__(self, backbone: str, size_px: int | None) -> None:
        self.model = res2clip.Res2CLIP(res2clip.load_backbone(backbone, image_size=size_px))
        self.size_px = self.model.spec.image_size_px
        self.name = f"{backbone} {self.size_px} px"
        self._rho = grid_rho(self.model.spec.grid)

    def features(self, file: Path) -> Features:
        return self.model.encode(to_square(file, self.size_px)[None])

    def inspect(
        self, features: Features, references: Sequence[Features]
    ) -> tuple[float, FloatArray]:
        scored = score_against(
            self.model,
            features.patches[0],
            features.image[0],
            bank=np.concatenate([r.patches[0] for r in references], axis=1),  # (T, N, D)
            bank_rho=np.tile(self._rho, len(references)),
            bank_global_mean=mean_direction(np.concatenate([r.image for r in references])),
        )
        return scored.image_score, scored.anomaly_map


class TextMap(Mini):
    """The text map alone, with R_t or with a random unit vector in its place."""

    def __init__(self, backbone: str, size_px: int | None, random_seed: int | None) -> None:
        super().__init__(backbone, size_px)
        self.direction = self.model.branches.text
        if random_seed is not None:
            generator = torch.Generator().manual_seed(random_seed)
            drawn = torch.randn(self.direction.shape, generator=generator)
            self.direction = F.normalize(drawn, dim=-1)
        which = "R_t" if random_seed is None else f"random vector {random_seed}"
        self.name = f"text map, {which}"

    def inspect(
        self, features: Features, references: Sequence[Features]
    ) -> tuple[float, FloatArray]:
        cosines = features.patches[0, -1] @ self.direction.numpy()
        side = int(len(cosines) ** 0.5)
        return float(cosines.max()), cosines.reshape(side, side)


def _picked(found: Category, limit: int) -> Category:
    good = [sample for sample in found.test if not sample.defective][:limit]
    bad = [sample for sample in found.test if sample.defective]
    chosen = np.linspace(0, len(bad) - 1, min(limit, len(bad))).astype(int)
    return dataclasses.replace(found, test=(*good, *(bad[i] for i in chosen)))


def _draws(category: Category, shots: Sequence[int], draws: int) -> list[Draw]:
    files, found = category.train_good, []
    for count in shots:
        rng = np.random.default_rng([111, count])
        for seed in range(draws):
            chosen = rng.choice(len(files), count, replace=False)
            references = tuple(files[i] for i in chosen)
            found.append(Draw(shots=count, seed=seed, references=references))
    return found


def _resized(anomaly_map: FloatArray) -> FloatArray:
    tensor = torch.from_numpy(np.ascontiguousarray(anomaly_map, np.float32))[None, None]
    size = (MASK_PX, MASK_PX)
    return F.interpolate(tensor, size=size, mode="bilinear", align_corners=False)[0, 0].numpy()


class OneSize:
    """A detector whose features are kept, and whose maps are all of the size of the masks."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._features: dict[Path, Any] = {}

    def inspect(self, pictures: Sequence[Path], references: Sequence[Path]) -> Iterator[Scored]:
        good = [self._of(file) for file in references]
        for file in pictures:
            score, anomaly_map = self._detector.inspect(self._of(file), good)
            yield Scored(score, _resized(anomaly_map))

    def _of(self, file: Path) -> Any:
        if file not in self._features:
            self._features[file] = self._detector.features(file)
        return self._features[file]


def evaluate(
    detector: Detector, category: Category, *, shots: Sequence[int], draws: int
) -> dict[int, list[Metrics]]:
    """Return the figures of every draw, by number of references."""
    figures: dict[int, list[Metrics]] = {count: [] for count in shots}
    for cell in measure_cells(
        {detector.name: OneSize(detector)}, category, _draws(category, shots, draws)
    ):
        figures[cell.shots].append(cell.metrics)
    return figures


def _print(name: str, category: str, shots: int, draws: list[Metrics]) -> None:
    mean = asdict(mean_metrics(draws))
    spread = {k: np.std([asdict(d)[k] for d in draws]) for k in mean}
    text = "  ".join(f"{k} {mean[k]:.3f}±{spread[k]:.3f}" for k in mean)
    print(f"{name:24s} k={shots} {category:14s} {text}", flush=True)


def _rows(name: str, category: str, shots: int, draws: list[Metrics]) -> list[dict[str, Any]]:
    about = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": platform.machine(),
        "torch": torch.__version__,
        "detector": name,
        "category": category,
        "shots": shots,
    }
    return [
        {**about, "draw": i, **{k: round(v, 5) for k, v in asdict(d).items()}}
        for i, d in enumerate(draws)
    ]


def _append(rows: list[dict[str, Any]], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    new = not file.exists()
    with file.open("a", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        if new:
            writer.writeheader()
        writer.writerows(rows)


def _detectors(options: argparse.Namespace) -> list[Detector]:
    size = options.sizes[0] or None
    if options.text:
        randoms = [TextMap(options.backbone, size, seed) for seed in range(5)]
        return [TextMap(options.backbone, size, None), *randoms]
    detectors: list[Detector] = [Mini(options.backbone, s or None) for s in options.sizes]
    if options.baselines:
        detectors += [CrudeBaseline(), CnnNearestNeighbour()]
    return detectors


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    categories = [_picked(c, options.limit) for c in find_categories(options.data)]
    if options.only:
        categories = [c for c in categories if c.name in options.only]
    detectors = _detectors(options)
    totals: dict[tuple[str, int], list[list[Metrics]]] = {}
    for category in categories:
        for detector in detectors:
            found = evaluate(detector, category, shots=options.shots, draws=options.draws)
            for shots, draws in found.items():
                totals.setdefault((detector.name, shots), []).append(draws)
                _print(detector.name, category.name, shots, draws)
                if options.out:
                    _append(_rows(detector.name, category.name, shots, draws), options.out)
    names = [c.name for c in categories]
    for (name, shots), per_category in totals.items():
        by_draw = [mean_metrics(list(d)) for d in zip(*per_category, strict=True)]
        _print(name, "mean", shots, by_draw)
        for left_out in options.without:
            kept = [d for n, d in zip(names, per_category, strict=True) if n != left_out]
            rest = [mean_metrics(list(d)) for d in zip(*kept, strict=True)]
            _print(name, f"w/o {left_out}", shots, rest)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder of categories")
    parser.add_argument("--backbone", default="mini", help="as load_backbone takes it")
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 2, 4], help="references, k")
    parser.add_argument("--draws", type=int, default=5, help="draws of references")
    parser.add_argument("--sizes", type=int, nargs="+", default=[0], help="px; 0: native")
    parser.add_argument("--limit", type=int, default=40, help="good and defective pictures, each")
    parser.add_argument("--only", nargs="*", help="names of categories to take")
    parser.add_argument("--without", nargs="*", default=[], help="also the means without these")
    parser.add_argument("--text", action="store_true", help="check the text branch alone")
    parser.add_argument("--no-baselines", dest="baselines", action="store_false")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help=f"csv to append to, such as {RESULTS.name}")
    return parser.parse_args()


if __name__ == "__main__":
    main()
