"""The golden training: four epochs over the test split in file order, batch 6, no shuffling.

    python tests/golden_training.py CLIP HEADS OUT

trains in a folder OUT; under torchrun, with several processes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path

import res2clip
from res2clip.datasets import Sample
from res2clip.encoding import FeaturesOf, encode_files
from res2clip.heads import load_heads, save_heads
from res2clip.training import TrainingSettings, open_fabric
from res2clip.training.folder import RunFolder
from res2clip.training.loop import Trainer
from res2clip.training.pairs import Pair

IMAGES = Path(__file__).parent / "golden" / "images"
SETTINGS = TrainingSettings(epochs=4, batch=6)


def golden_pairs() -> list[Pair]:
    """The reference is the first normal image of the same category other than the query."""
    pairs = []
    for entries in json.loads((IMAGES / "meta.json").read_text())["test"].values():
        normal = [IMAGES / e["img_path"] for e in entries if not e["anomaly"]]
        for entry in entries:
            path = IMAGES / entry["img_path"]
            mask = IMAGES / entry["mask_path"] if entry["mask_path"] else None
            sample = Sample(path=path, defect=entry["specie_name"], mask=mask)
            pairs.append(Pair(sample, next(other for other in normal if other != path)))
    return pairs


def golden_trainer(model, heads: Path, folder: Path, features: FeaturesOf, **changes) -> Trainer:
    settings = TrainingSettings(**{**SETTINGS.to_json(), "betas": SETTINGS.betas, **changes})
    config, pairs = model.backbone.config, golden_pairs()
    return Trainer(
        model,
        lambda epoch: pairs,
        settings,
        fabric=open_fabric("32-true", accelerator="cpu"),
        features=features,
        folder=RunFolder(folder),
        heads=load_heads(heads, taps=config.taps, dim=config.embed_dim),
    )


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("clip", "heads", "out"):
        parser.add_argument(name, type=Path)
    options = parser.parse_args(arguments)
    model = res2clip.Res2CLIP(res2clip.load_backbone(options.clip, image_size=112))
    trainer = golden_trainer(model, options.heads, options.out, partial(encode_files, model))
    trainer.train()
    if int(os.environ.get("RANK", "0")) == 0:
        save_heads(trainer.run.heads, options.out / "heads.safetensors")


if __name__ == "__main__":
    main(sys.argv[1:])
