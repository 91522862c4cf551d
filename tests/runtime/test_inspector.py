"""The checked-in bundle on ONNX Runtime."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from drawn_parts import draw_part

from res2clip_runtime import Bundle, Decision, Inspector, Recipe
from res2clip_runtime.errors import BackendError, EncoderMismatchError, InputError
from res2clip_runtime.stages import grid_rho

PARTS = [draw_part(seed) for seed in range(4)]


@pytest.fixture
def inspector(bundle_path: Path):  # type: ignore[no-untyped-def]
    with Inspector(Bundle.load(bundle_path), threads=1) as inspector:
        yield inspector


def test_taught_parts_are_told_from_scratched_ones(inspector: Inspector, tmp_path: Path) -> None:
    inspector.teach(PARTS, product="washer").save(tmp_path / "a")
    recipe = Recipe.load(tmp_path / "a")
    for seed in range(10, 14):
        assert inspector.inspect(draw_part(seed), recipe).decision is Decision.OK
        scratched = draw_part(seed, scratched=True)
        assert inspector.inspect(scratched, recipe).decision is Decision.NG


def test_stages_give_what_the_manifest_promises(inspector: Inspector) -> None:
    spec = inspector.spec
    images = np.stack([draw_part(i, size_px=(spec.image_size_px,) * 2) for i in range(3)])
    features = inspector.stages.encode(images)
    assert features.patches.shape == (3, len(spec.taps), spec.patches, spec.embed_dim)
    assert features.image.shape == (3, spec.embed_dim)
    np.testing.assert_allclose(np.linalg.norm(features.patches, axis=-1), 1, atol=1e-4)
    rho = grid_rho(spec.grid)
    for shots in (1, 2, 3):
        bank = np.concatenate(list(features.patches[:shots]), axis=1)
        residual = inspector.stages.match(features.patches, bank, np.tile(rho, shots))
        assert residual.shape == features.patches.shape
        branches = inspector.stages.heads(
            features.patches[:, -1], residual, features.image, features.image[0]
        )
        assert branches.maps.shape == (3, 3, spec.grid, spec.grid)
        assert branches.scores.shape == (3, 2)
        assert np.isfinite(branches.maps).all()


def test_batch_gives_the_same_as_one_by_one(inspector: Inspector) -> None:
    size = (inspector.spec.image_size_px,) * 2
    images = np.stack([draw_part(i, size_px=size) for i in range(3)])
    together = inspector.stages.encode(images).patches
    alone = np.concatenate([inspector.stages.encode(image[None]).patches for image in images])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_closed_inspector_says_so(bundle_path: Path) -> None:
    inspector = Inspector(Bundle.load(bundle_path), threads=1)
    recipe = inspector.teach(PARTS[:2], product="washer")
    inspector.close()
    with pytest.raises(BackendError, match="closed"):
        inspector.inspect(PARTS[0], recipe)


def test_unknown_engine_lists_the_known_ones(bundle_path: Path) -> None:
    with pytest.raises(InputError, match="onnxruntime, openvino, tensorrt"):
        Inspector(Bundle.load(bundle_path), backend="magic")


def test_cuda_that_is_not_there_is_an_error_and_not_the_cpu(bundle_path: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(BackendError, match=r"res2clip\[gpu\]"):
        Inspector(Bundle.load(bundle_path), backend="onnxruntime-cuda")


def test_graph_that_is_no_graph_is_an_error_of_ours(tmp_path: Path, bundle_path: Path) -> None:
    from res2clip_runtime.backends.onnx_session import open_session

    copy = shutil.copy(bundle_path / "manifest.json", tmp_path / "match.onnx")
    with pytest.raises(BackendError, match="cannot open"):
        open_session(str(copy))


def test_bank_that_does_not_fit_is_an_error_of_ours(inspector: Inspector) -> None:
    spec = inspector.spec
    patches = np.zeros((1, len(spec.taps), spec.patches, spec.embed_dim), dtype=np.float32)
    with pytest.raises(BackendError, match="stage 'match'"):
        inspector.stages.match(patches, patches[0, :, :, :5], grid_rho(spec.grid))


def test_recipe_of_another_encoder_is_refused(inspector: Inspector, recipe: Recipe) -> None:
    with pytest.raises(EncoderMismatchError):
        inspector.inspect(PARTS[0], recipe)
