"""How much faster is training through the feature cache, and are the heads the same?

    python benchmarks/bench_train.py [--epochs 10]

A random ViT-B/16-shaped CLIP at 224 px on 60 drawn pictures: speed needs no trained weights. Both
sides run here, one after the other; the cache's side starts with an empty cache. Heads are compared
by how far apart they are over how far they have moved. The yardstick is a third run, on the cached
features with once more as much rounding noise.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from harness import append_rows, print_table

import res2clip
from res2clip.datasets import find_categories
from res2clip.drawing import DatasetPlan, Product, write_mvtec
from res2clip.encoding import encode_files
from res2clip.feature_cache import FeatureCache
from res2clip.training import TrainingSettings, open_fabric
from res2clip.training.folder import RunFolder
from res2clip.training.loop import Trainer
from res2clip.training.pairs import random_pairs
from res2clip_runtime.stages import Features

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from golden.checkpoint import Sizes, save_clip

VIT_B_16 = Sizes(embed_dim=512, image_size=224, vision_layers=12, vision_width=768, patch_size=16)
PLANS = {
    "flange": DatasetPlan(train=1, good=7, defect=3, size_px=256),
    "washer": DatasetPlan(train=1, good=10, defect=2, size_px=256),
}


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory() as folder:
        rows = compare(Path(folder), options.epochs)
    print_table(rows)
    print(f"appended to {append_rows('train', rows)}")


def compare(place: Path, epochs: int) -> list[dict[str, object]]:
    fabric = open_fabric("32-true", accelerator="cpu")
    backbone = res2clip.load_backbone(save_clip(place / "clip.safetensors", 11, VIT_B_16))
    model = res2clip.Res2CLIP(backbone)
    for name, plan in PLANS.items():
        write_mvtec(place / "data", Product(name), plan)
    categories = find_categories(place / "data")
    paths = [sample.path for category in categories for sample in category.test]
    settings = TrainingSettings(epochs=epochs)

    def trainer(name: str, features: Callable[[Sequence[Path]], Features]) -> Trainer:
        pairs, folder = random_pairs(categories, settings.seed), RunFolder(place / name)
        return Trainer(model, pairs, settings, fabric=fabric, features=features, folder=folder)

    encode_files(model, paths[:2])  # warm-up
    with FeatureCache.open(place / "cache", model) as cache:
        start = time.perf_counter()
        cache.fill(paths)
        filled = time.perf_counter() - start
        cached = trainer("cached", cache.features)
        cached.train()
        with_cache = time.perf_counter() - start
        noisy = trainer("noisy", partial(rounded_again, cache))
        noisy.train()
    print(f"with the cache: {with_cache:.0f} s, of it encoding {filled:.0f} s", flush=True)
    plain = trainer("plain", partial(encode_files, model))
    before = weights(plain)
    start = time.perf_counter()
    plain.train()
    without = time.perf_counter() - start
    moved = torch.linalg.vector_norm(weights(plain) - before)

    def apart(other: Trainer, than: Trainer) -> float:
        return float(torch.linalg.vector_norm(weights(other) - weights(than)) / moved)

    shared = {"pictures": len(paths), "epochs": epochs, "encoder": "ViT-B/16", "size_px": 224}
    return [
        {
            **shared,
            "side": side,
            "seconds": round(seconds, 1),
            "of_it_encoding_s": round(encoding, 1),
            "times_faster": round(without / seconds, 2),
            "heads_apart": difference,
            "noise_yardstick": apart(noisy, cached),
        }
        for side, seconds, encoding, difference in (
            ("no cache", without, float("nan"), 0.0),
            ("cache", with_cache, filled, apart(cached, plain)),
        )
    ]


def rounded_again(cache: FeatureCache, paths: Sequence[Path]) -> Features:
    """Return cached features with noise of the size of half-precision rounding, the same always."""
    found = cache.features(paths)
    parts = []
    for values in (found.patches, found.image):
        for path, row in zip(paths, values, strict=True):
            rng = np.random.default_rng(zlib.crc32(bytes(path)))
            row += np.spacing(row.astype(np.float16)) * (
                rng.random(row.shape, dtype=np.float32) - 0.5
            )
        parts.append(values)
    return Features(*parts)


def weights(trainer: Trainer) -> torch.Tensor:
    heads = trainer.run.heads.state_dict().values()
    return torch.cat([value.detach().flatten().clone() for value in heads])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    return parser.parse_args()


if __name__ == "__main__":
    main()
