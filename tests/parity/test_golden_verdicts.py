"""Maps and scores against the golden figures: PyTorch, and the bundle run without it."""

from __future__ import annotations

import numpy as np
import pytest
from parity.tolerances import BUNDLE, PYTORCH, assert_close

MODES = ["training-free", "finetune"]
SHOTS = [1, 2, 4]


def check(verdicts, figures, key: str, tolerance: float) -> None:
    scores = np.array([verdict.score for verdict in verdicts])
    maps = np.stack([verdict.anomaly_map for verdict in verdicts])
    means = maps.reshape(-1, 8, 14, 8, 14).mean(axis=(2, 4))
    assert_close(scores, figures[f"{key}/image_scores"], tolerance, "scores")
    assert_close(means, figures[f"{key}/pixel_maps_8x8_mean"], tolerance, "map means")
    if f"{key}/pixel_maps" in figures:
        assert_close(maps, figures[f"{key}/pixel_maps"], tolerance, "maps")


@pytest.mark.parametrize("shots", SHOTS)
@pytest.mark.parametrize("strategy", ["sparse_radial_knn", "radial_3nn"])
@pytest.mark.parametrize("mode", MODES)
def test_pytorch_reproduces_the_golden_maps_and_scores(
    model_of, pictures, figures, mode, strategy, shots
) -> None:
    model = model_of(mode, strategy)
    recipes = {
        name: model.teach(paths[:shots], product=name) for name, paths in pictures.train.items()
    }
    verdicts = [model.inspect(path, recipes[name]) for name, path in pictures.test]
    check(verdicts, figures, f"{mode}/{strategy}/{shots}shot", PYTORCH)


@pytest.fixture(scope="module", params=MODES)
def bundle_of_mode(request, model_of, pictures, tmp_path_factory):
    from res2clip_export import export_bundle

    paths = [path for _, path in pictures.test]
    directory = tmp_path_factory.mktemp("golden") / "bundle"
    return request.param, export_bundle(model_of(request.param), directory, pictures=paths)


@pytest.mark.slow
@pytest.mark.parametrize("shots", SHOTS)
def test_the_bundle_with_a_saved_recipe_reproduces_them_too(
    bundle_of_mode, pictures, figures, shots, tmp_path
) -> None:
    from res2clip_runtime import Inspector, Recipe

    mode, bundle = bundle_of_mode
    with Inspector(bundle) as inspector:
        recipes = {}
        for name, paths in pictures.train.items():
            inspector.teach(paths[:shots], product=name).save(tmp_path / f"{name}.safetensors")
            recipes[name] = Recipe.load(tmp_path / f"{name}.safetensors")
        verdicts = [inspector.inspect(path, recipes[name]) for name, path in pictures.test]
    check(verdicts, figures, f"{mode}/sparse_radial_knn/{shots}shot", BUNDLE)
