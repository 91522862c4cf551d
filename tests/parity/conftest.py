"""The golden checkpoint, its figures, and every engine that must reproduce them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from golden import checkpoint

GOLDEN = Path(checkpoint.__file__).parent


@dataclass(frozen=True)
class GoldenPictures:
    train: dict[str, list[Path]]
    test: list[tuple[str, Path]]


@pytest.fixture(scope="session")
def figures() -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "golden.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


@pytest.fixture(scope="session")
def pictures() -> GoldenPictures:
    meta = json.loads((GOLDEN / "images" / "meta.json").read_text())
    place = GOLDEN / "images"
    return GoldenPictures(
        train={
            name: [place / e["img_path"] for e in meta["train"][name]] for name in meta["train"]
        },
        test=[(name, place / e["img_path"]) for name in meta["test"] for e in meta["test"][name]],
    )


@pytest.fixture(scope="session")
def golden_backbone(tmp_path_factory: pytest.TempPathFactory):
    import res2clip

    path = checkpoint.save_clip(tmp_path_factory.mktemp("golden") / "clip.safetensors", 11)
    return res2clip.load_backbone(path, image_size=112)


@pytest.fixture(scope="session")
def golden_heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("heads") / "published.pth"
    return checkpoint.save_heads(path, 21, taps=(6, 12, 18, 24), dim=768)


@pytest.fixture(scope="session")
def model_of(golden_backbone, golden_heads):
    """The PyTorch model of a mode and strategy; ``finetune`` uses the golden heads."""
    import res2clip

    def build(mode: str, strategy: str = "sparse_radial_knn"):
        heads = golden_heads if mode == "finetune" else None
        return res2clip.Res2CLIP(golden_backbone, heads, strategy)

    return build
