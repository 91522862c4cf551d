"""Losses and the whole training trajectory against the golden figures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.checkpoint import save_clip
from golden_training import golden_pairs, golden_trainer
from parity.tolerances import assert_close
from safetensors.torch import load_file

from res2clip.encoding import encode_files
from res2clip.feature_cache import FeatureCache
from res2clip.heads import load_heads
from res2clip.losses import Truth, count_kinds, magnitude_control, rank, upsample
from res2clip_runtime.stages import Features

LOSS, RELATIVE_MOVE = 1e-4, 0.01
"""Allowed by the golden figures: absolute for losses, relative for how far a tensor moved."""
FIRST = 1e-5
"""Allowed for single weights, for which the golden figures state nothing: float noise."""
LOSS_CACHED = 5e-3
"""Allowed for losses (1 to 7) on features rounded to fp16, whose steps are 5e-4 of their size: a
residual is a difference of two of them, so its error is a few times that."""
FIRST_CACHED = 5e-4
"""The same for single weights: one step of Adam at the peak learning rate, since Adam moves a
weight whose gradient is next to nothing as far as any other."""
NAMES = {"visual": "L_vis", "text": "L_text", "residual": "L_res_vis", "direction": "L_res_text"}


@pytest.fixture
def inputs(figures) -> dict[str, torch.Tensor]:
    return {k[8:]: torch.from_numpy(v) for k, v in figures.items() if k.startswith("loss/in_")}


@pytest.fixture(scope="module")
def encoded(model_of):
    """Features in fp32, each picture encoded once."""
    paths = [pair.query.path for pair in golden_pairs()]
    found = encode_files(model_of("training-free"), paths)

    def features(wanted):
        rows = [paths.index(path) for path in wanted]
        return Features(patches=found.patches[rows], image=found.image[rows])

    return features


def truth_of(anomalous: torch.Tensor) -> Truth:
    return Truth.of(anomalous, count_kinds(anomalous))


def test_losses_of_pixels_are_the_golden_ones(inputs, figures) -> None:
    truth = truth_of(inputs["mask"][:, 0] > 0)
    norm, adapted, scores = (
        upsample(values, 20)
        for values in (inputs["R"].norm(dim=-1), inputs["R_adapt"].norm(dim=-1), inputs["score"])
    )
    assert_close(rank(scores, 1.0, truth), figures["loss/fixed_margin_ranking"], LOSS)
    assert_close(rank(scores, norm, truth), figures["loss/dynamic_margin_ranking"], LOSS)
    golden = figures["loss/magnitude_control"].sum()
    assert_close(magnitude_control(adapted, norm, truth), golden, LOSS)


def test_losses_of_pictures_are_the_golden_ones(inputs, figures) -> None:
    truth, scores = truth_of(inputs["label"] > 0), inputs["score_global"]
    norm = inputs["R_global"].norm(dim=-1)
    assert_close(rank(scores, 1.0, truth), figures["loss/fixed_margin_ranking_global"], LOSS)
    assert_close(rank(scores, norm, truth), figures["loss/dynamic_margin_ranking_global"], LOSS)


def check_heads(
    trained: dict[str, torch.Tensor], start: Path, figures, first8: float = FIRST
) -> None:
    before = load_heads(start, taps=(6, 12, 18, 24), dim=768).state_dict()
    assert trained.keys() == before.keys()
    for name, tensor in trained.items():
        key = f"train/{name.replace('.', '/', 1)}"
        moved = float((tensor - before[name]).norm())
        assert moved == pytest.approx(float(figures[f"{key}/delta_norm"]), rel=RELATIVE_MOVE), name
        first = tensor.flatten()[:8].detach().numpy()
        assert_close(first, figures[f"{key}/first8"], first8, name)


def train_and_check(
    trainer, start: Path, figures, *, loss: float = LOSS, first8: float = FIRST
) -> None:
    losses: list[dict[str, float]] = []
    trainer.train(on_step=lambda step, found: losses.append(dict(found)))
    golden = json.loads(str(figures["train/losses_3dp"]))
    for step, (found, expected) in enumerate(zip(losses, golden, strict=True)):
        assert {NAMES[name] for name in found} == set(expected)
        for name, value in found.items():
            # The golden ones are rounded to three decimals.
            assert value == pytest.approx(expected[NAMES[name]], abs=5e-4 + loss), (step, name)
    check_heads(trainer.run.heads.state_dict(), start, figures, first8)


@pytest.mark.parametrize("accumulate", [1, 4])
def test_training_follows_the_golden_trajectory(
    model_of, golden_heads, figures, tmp_path, encoded, accumulate
) -> None:
    model = model_of("training-free")
    trainer = golden_trainer(model, golden_heads, tmp_path, encoded, accumulate=accumulate)
    train_and_check(trainer, golden_heads, figures)


def test_training_through_the_cache_follows_it_too(
    model_of, golden_heads, figures, tmp_path
) -> None:
    model = model_of("training-free")
    with FeatureCache.open(tmp_path / "cache", model) as cache:
        cache.fill([pair.query.path for pair in golden_pairs()])
        trainer = golden_trainer(model, golden_heads, tmp_path / "run", cache.features)
        train_and_check(trainer, golden_heads, figures, loss=LOSS_CACHED, first8=FIRST_CACHED)


@pytest.mark.slow
def test_two_processes_follow_it_too(golden_heads, figures, tmp_path) -> None:
    clip = save_clip(tmp_path / "clip.safetensors", 11)
    script = Path(__file__).parents[1] / "golden_training.py"
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    places = [clip, golden_heads, tmp_path / "run"]
    done = subprocess.run(
        [sys.executable, *torchrun, str(script), *map(str, places)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    check_heads(load_file(tmp_path / "run" / "heads.safetensors"), golden_heads, figures)


def test_losses_of_parts_add_up_to_those_of_the_batch(inputs) -> None:
    scores, masks = upsample(inputs["score"], 20), inputs["mask"][:, 0] > 0
    counts = count_kinds(masks)
    parts = [rank(scores[i : i + 1], 1.0, Truth.of(masks[i : i + 1], counts)) for i in range(3)]
    whole = rank(scores, 1.0, Truth.of(masks, counts))
    assert np.isclose(sum(map(float, parts)), float(whole), rtol=1e-6)
