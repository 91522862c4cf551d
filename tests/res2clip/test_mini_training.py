"""Training the mini: a one-minute run, its parts, and the weights it packages."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from res2clip.drawing import Product, draw
from res2clip.loading import load_backbone
from res2clip.matching import Matcher, Strategy
from res2clip.mini.architecture import WEIGHTS_FILE, vision_config
from res2clip.mini.curves import read_table
from res2clip.mini.drawn_products import draw_products, load_products
from res2clip.mini.episode import patch_labels, photo_episodes
from res2clip.mini.learner import Learner, whitening_filters
from res2clip.mini.low_level import gaussian_similarity, low_level_statistics
from res2clip.mini.matching_loss import episode_residuals, sparsemax
from res2clip.mini.nuisance import draw_poses, seen_by
from res2clip.mini.objective import half_of
from res2clip.mini.packaging import save_towers
from res2clip.mini.pasted_defects import paste_defect
from res2clip.mini.photos import PhotoBank, load_photos
from res2clip.mini.prompts import Prompts, text_residual
from res2clip.mini.settings import TrainingSettings
from res2clip.mini.student import training_features
from res2clip.mini.training import Sources, start_run, train
from res2clip.text_residual import text_residual as library_text_residual
from res2clip.text_tower import TextTower
from res2clip_runtime.errors import ArtefactNotFoundError, InputError
from res2clip_runtime.stages import grid_rho

TINY = TrainingSettings(
    steps=24,
    sizes_px=(64,),
    late_sizes_px=(64,),
    patches_per_part=384,
    parts_per_step=2,
    warmup_steps=4,
)


@pytest.fixture(scope="module")
def photos() -> PhotoBank:
    names = ("wood", "granite", "weave", "brushed_sheet")
    drawn = [draw(Product(name), seed=1, size_px=256).image_rgb_u8 for name in names]
    return PhotoBank(tuple((picture,) for picture in drawn))


@pytest.fixture(scope="module")
def learner() -> Learner:
    torch.manual_seed(0)
    return Learner().eval()


def _losses(run: Path) -> list[float]:
    with (run / "losses.csv").open() as handle:
        return [float(row["total"]) for row in csv.DictReader(handle)]


@pytest.mark.slow
def test_a_minute_of_training_makes_the_loss_fall(photos: PhotoBank, tmp_path: Path) -> None:
    drawn_at = tmp_path / "drawn"
    for number, _ in enumerate(draw_products(drawn_at, per_family=1)):
        if number == 3:
            break
    drawn = load_products(drawn_at)
    sources = Sources(photos=photos, held_out_photos=photos, drawn=drawn)
    train(start_run(TINY, photos), TINY, sources, out=tmp_path, checkpoint_every=24)
    losses = _losses(tmp_path)
    assert len(losses) == TINY.steps
    assert np.isfinite(losses).all()
    assert np.mean(losses[-6:]) < 0.95 * np.mean(losses[:6])
    assert (tmp_path / "validation.csv").exists()
    assert load_backbone(tmp_path / "mini.safetensors").config.native_size_px == 192


@pytest.mark.slow
def test_a_run_that_was_interrupted_goes_on_as_if_it_had_not(
    photos: PhotoBank, tmp_path: Path
) -> None:
    sources = Sources(photos=photos)
    two, four = replace(TINY, steps=2, decay_share=0.5), replace(TINY, steps=4, decay_share=0.25)
    whole = start_run(four, photos)
    train(whole, four, sources, out=tmp_path / "whole")
    train(start_run(two, photos), replace(two, decay_share=0.01), sources, out=tmp_path / "part")
    resumed = start_run(four, photos)
    resumed.load(tmp_path / "part" / "run.pt")
    assert resumed.step == 2
    train(resumed, four, sources, out=tmp_path / "part")
    expected, got = _losses(tmp_path / "whole"), _losses(tmp_path / "part")
    np.testing.assert_allclose(got, expected, rtol=0.02)  # bfloat16 sums in another order


def test_the_training_forward_pass_gives_inspections_features(learner: Learner) -> None:
    picture = torch.rand(2, 3, 96, 96)
    with torch.no_grad():
        expected, got = learner.visual(picture), training_features(learner.visual, picture)
    torch.testing.assert_close(got.patches, expected.patches, atol=2e-5, rtol=0)
    torch.testing.assert_close(got.image, expected.image, atol=2e-5, rtol=0)


def test_residuals_of_an_episode_are_the_methods() -> None:
    generator = torch.Generator().manual_seed(3)
    patches = torch.randn((1, 3, 2, 16, 8), generator=generator)
    patches = torch.nn.functional.normalize(patches, dim=-1)
    got = episode_residuals(patches, torch.from_numpy(grid_rho(4)))
    matcher = Matcher(Strategy.parse("sparse_radial_knn"), 4)
    rho = torch.from_numpy(grid_rho(4))
    for view, reference in ((0, 1), (1, 0), (2, 0)):
        expected = matcher(patches[:, view], patches[0, reference], rho)
        torch.testing.assert_close(got[:, view], expected, atol=1e-4, rtol=0)


def test_sparsemax_sums_to_one_and_has_a_gradient() -> None:
    z = (0.3 * torch.randn(5, 40, generator=torch.Generator().manual_seed(1))).requires_grad_()
    weights = sparsemax(z)
    torch.testing.assert_close(weights.sum(-1), torch.ones(5), atol=1e-4, rtol=0)
    (gradient,) = torch.autograd.grad(weights.square().sum(), z)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().sum() > 0


def test_the_packaged_text_tower_gives_the_trained_text_residual(
    learner: Learner, tmp_path: Path
) -> None:
    save_towers(learner, tmp_path / "mini.safetensors", steps=0, seed=0)
    backbone = load_backbone(tmp_path / "mini.safetensors")
    expected = library_text_residual(TextTower(backbone.text, backbone.text_weights))
    with torch.no_grad():
        got = text_residual(learner.text, Prompts.of_the_method())
    assert float(got @ expected) > 0.999  # the file is fp16


def test_a_pasted_flaw_changes_the_picture_where_its_mask_says() -> None:
    rng = np.random.default_rng(5)
    picture = np.full((96, 96, 3), 0.5, np.float32)
    foreign = rng.random((96, 96, 3), np.float32)
    for _ in range(30):
        flawed, mask, _ = paste_defect(picture, foreign, rng)
        changed = np.abs(flawed - picture).mean(2)
        assert flawed.shape == picture.shape
        assert flawed.min() >= 0 and flawed.max() <= 1
        if mask.any():
            assert changed[mask > 0].mean() > 0.03
            assert changed[mask == 0].mean() < 0.5 * changed[mask > 0].mean()


def test_an_episode_depends_on_its_seed_alone(photos: PhotoBank) -> None:
    def make() -> torch.Tensor:
        rng = np.random.default_rng(9)
        return photo_episodes(photos, 2, size_px=64, patch_px=8, rng=rng).images

    first = make()
    assert first.shape == (2, 3, 3, 64, 64)
    assert torch.equal(first, make())


def test_a_view_of_the_same_pose_sees_every_patch() -> None:
    poses = draw_poses(3, torch.ones(3), zoom=0.8, rng=torch.Generator().manual_seed(0))
    assert seen_by(poses, poses, 8).all()
    moved = poses.clone()
    moved[:, 0, 2] += 0.9
    assert not seen_by(moved, poses, 8).all()


def test_a_flaw_thinner_than_a_patch_is_still_labelled() -> None:
    masks = torch.zeros(1, 32, 32)
    masks[0, 4, 0:20] = 1  # one pixel high
    flawed, clean = patch_labels(masks, 8)
    assert flawed.sum() == 3
    assert not (flawed & clean).any()


def test_flawed_patches_are_always_among_those_that_are_matched() -> None:
    flawed = torch.zeros((2, 3, 64), dtype=torch.bool)
    flawed[0, 2, [3, 40]] = flawed[1, 2, 63] = True
    for seed in range(5):
        chosen = half_of(flawed, torch.Generator().manual_seed(seed)).tolist()
        assert len(set(chosen)) == 32
        assert {3, 40, 63} <= set(chosen)


def test_low_level_similarity_tells_a_spot_from_its_surroundings() -> None:
    image = torch.full((1, 3, 64, 64), 0.5)
    image[:, 0, 32:40, 16:24] = 1.0  # one red patch of 8 x 8, row 4, column 2
    similarity = gaussian_similarity(low_level_statistics(image, 8))[0]
    assert similarity.shape == (64, 64)
    torch.testing.assert_close(similarity, similarity.T)
    spot, far, other = 4 * 8 + 2, 0, 7
    assert similarity[far, other] == pytest.approx(1.0, abs=1e-5)
    assert similarity[spot, far] < 0.8


def test_whitening_filters_decorrelate_patches() -> None:
    generator = torch.Generator().manual_seed(0)
    crops = torch.nn.functional.interpolate(
        torch.randn((64, 3, 16, 16), generator=generator), size=(64, 64), mode="bilinear"
    )
    outputs = torch.nn.functional.conv2d(crops, whitening_filters(crops, 8), stride=8)
    covariance = torch.cov(outputs.permute(1, 0, 2, 3).flatten(1))
    off = covariance - torch.diag(covariance.diagonal())
    assert off.abs().max() < 0.1
    assert covariance.diagonal().max() < 1.5


def test_a_directory_without_pictures_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("res2clip.mini.photos.SKIMAGE_SAMPLES", ())
    with pytest.raises(InputError, match="--photos"):
        load_photos(tmp_path)


def test_settings_refuse_sides_that_hold_no_whole_patches() -> None:
    with pytest.raises(InputError, match="sizes_px"):
        TrainingSettings(sizes_px=(100,))


def test_the_learning_rate_rises_stays_and_falls() -> None:
    settings = TrainingSettings(steps=1000, warmup_steps=100, decay_share=0.3)
    assert settings.rate(0) < 0.02
    assert settings.rate(500) == 1
    assert settings.rate(999) < 0.05


def test_vision_sizes_follow_openais_rule() -> None:
    config = vision_config()
    assert config.heads == config.width // 64
    assert config.taps == (2, 4, 6, 8)


def test_the_packaged_weights_are_small_finite_and_anonymous() -> None:
    assert WEIGHTS_FILE.stat().st_size < 16_000_000
    with safe_open(WEIGHTS_FILE, framework="pt") as opened:
        about = json.loads(opened.metadata()["res2clip"])
        assert all(torch.isfinite(opened.get_tensor(name)).all() for name in opened.keys())  # noqa: SIM118 (no mapping)
    assert about["native_size_px"] == load_backbone("mini").config.image_size_px
    assert set(about) == {
        "format_version", "layout", "license", "name", "native_size_px", "quick_gelu", "seed",
        "steps", "text_heads", "vision_heads",
    }  # fmt: skip


def test_a_step_that_was_done_twice_counts_once_in_the_curves(tmp_path: Path) -> None:
    table = tmp_path / "losses.csv"
    table.write_text("step,total\n1,4.0\n2,9.0\n2,3.0\n")
    np.testing.assert_array_equal(read_table(table)["total"], [4.0, 3.0])
    with pytest.raises(ArtefactNotFoundError, match="--out"):
        read_table(tmp_path / "none.csv")
