"""Features, text and matching of the PyTorch model against the golden figures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden.checkpoint import save_clip
from parity.conftest import GOLDEN
from parity.tolerances import PYTORCH, assert_close

from res2clip.text_residual import (
    ANOMALOUS_PHRASES,
    NEUTRAL_PHRASES,
    NORMAL_PHRASES,
    mean_embedding,
    text_residual,
)
from res2clip.text_tower import TextTower
from res2clip_runtime.preprocess import to_square
from res2clip_runtime.stages import grid_rho


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def squares(figures) -> np.ndarray:
    return np.stack([to_square(GOLDEN / "images" / str(p), 112) for p in figures["features/paths"]])


@pytest.fixture(scope="module")
def features(model_of, squares):
    return model_of("training-free").encode(squares)


def test_preprocessing_equals_the_published_one(model_of, squares, figures) -> None:
    pixels = model_of("training-free").encoder.normalise(torch.from_numpy(squares))
    assert_close(pixels.numpy(), figures["features/preprocessed"], 1e-6, "pixels")


@pytest.mark.parametrize("index", range(4))
def test_patch_features_of_every_tap_are_the_golden_ones(features, figures, index) -> None:
    golden = unit(figures[f"features/layer{6 * (index + 1)}"][:, 1:])
    assert_close(features.patches[:, index], golden, PYTORCH, "patches")


def test_the_global_feature_is_the_golden_one(features, figures) -> None:
    assert_close(features.image, unit(figures["features/global"]), PYTORCH, "global")


def test_text_embeddings_and_residual_are_the_golden_ones(golden_backbone, figures) -> None:
    tower = TextTower(golden_backbone.text, golden_backbone.text_weights)
    for name, phrases in (
        ("t_neutral", NEUTRAL_PHRASES),
        ("t_normal", NORMAL_PHRASES),
        ("t_anomaly", ANOMALOUS_PHRASES),
    ):
        assert_close(mean_embedding(tower, phrases), figures[f"text/{name}"], PYTORCH, name)
    # 1e-6 only holds when no weight was rounded to fp16 on its way into the text tower.
    assert_close(text_residual(tower), figures["text/r_anomaly"], 1e-6, "R_t")


@pytest.mark.parametrize("strategy", ["sparse_radial_knn", "sparse_knn", "radial_3nn", "local_1nn"])
def test_matching_is_the_golden_one(model_of, features, figures, strategy) -> None:
    model = model_of("training-free", strategy)
    query, bank = features.patches[:1, 1:2], features.patches[1, 1:2]
    matched = query - model.match(query, bank, grid_rho(8))
    distance = 1 - (query * matched).sum(-1).reshape(1, 1, 8, 8)
    assert_close(distance, figures[f"match/{strategy}/map"], PYTORCH, strategy)
    if strategy == "sparse_radial_knn":
        golden = figures[f"match/{strategy}/matched"]
        assert_close(matched[:, 0], golden, PYTORCH, "matched")


def test_another_file_layout_gives_the_same_encoder(golden_backbone, tmp_path) -> None:
    import res2clip

    again = res2clip.load_backbone(save_clip(tmp_path / "again.safetensors", 11), image_size=112)
    assert again.encoder_id == golden_backbone.encoder_id
    other_size = res2clip.load_backbone(tmp_path / "again.safetensors", image_size=126)
    assert other_size.encoder_id != golden_backbone.encoder_id
