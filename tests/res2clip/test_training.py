"""Training runs on a random tiny CLIP: same results however they are cut up or interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from drawn_category import save_category
from safetensors.torch import load_file

from res2clip.datasets import find_categories
from res2clip.heads import load_heads
from res2clip.training import TrainingRequest, TrainingSettings, open_fabric, train_heads
from res2clip.training.groups import rate
from res2clip.training.pairs import random_pairs
from res2clip_runtime.errors import ArtefactError, InputError


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("data")
    for name in ("bolt", "nut"):
        save_category(place / name)
    return place


@pytest.fixture(scope="module")
def fabric():
    return open_fabric("32-true", accelerator="cpu")


@pytest.fixture
def train(tiny_model, fabric, data, tmp_path):
    """Train on the small set in a folder; returns the heads and the config."""

    def run(name: str, *, stop_at: int = 0, resume: bool = False, held_out=(), **settings):
        request = TrainingRequest(
            categories=find_categories(data),
            held_out=held_out,
            out=tmp_path / name,
            cache=tmp_path / "cache",
            resume=resume,
            settings=TrainingSettings(
                **{"epochs": 2, "batch": 5, "checkpoint_every": 2, **settings}
            ),
        )

        def progress(what: str, done: int, total: int) -> None:
            if what == "training" and done == stop_at:
                raise KeyboardInterrupt

        config = train_heads(tiny_model, request, fabric, progress=progress)
        return load_file(tmp_path / name / "heads.safetensors"), config

    return run


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


def test_equal_seeds_give_equal_heads_and_others_give_others(train) -> None:
    first, config = train("first")
    assert_same(first, train("second")[0])
    assert any(not torch.equal(first[k], v) for k, v in train("other", seed=5)[0].items())
    assert set(config["losses"]) == {"text", "visual", "residual", "direction"}


@pytest.mark.parametrize("stop_at", [1, 3, 5])
def test_a_run_that_was_stopped_goes_on_to_the_same_heads(train, tmp_path, stop_at) -> None:
    expected, _ = train("whole")
    with pytest.raises(KeyboardInterrupt):
        train("cut", stop_at=stop_at)
    found, _ = train("cut", resume=True)
    assert_same(found, expected)
    tables = [(tmp_path / name / "losses.csv").read_text() for name in ("whole", "cut")]
    assert tables[0] == tables[1]


def test_accumulating_parts_gives_the_same_heads_but_for_float_noise(train) -> None:
    whole, parts = train("whole")[0], train("parts", accumulate=3)[0]
    for name, tensor in whole.items():
        assert torch.allclose(tensor, parts[name], atol=1e-5), name


def test_a_folder_with_a_run_is_not_overwritten_and_other_options_do_not_go_on(train) -> None:
    train("run")
    with pytest.raises(InputError, match="--resume"):
        train("run")
    with pytest.raises(InputError, match="epochs 2, not 3"):
        train("run", resume=True, epochs=3)


def test_a_damaged_checkpoint_is_refused_by_name(train, tmp_path) -> None:
    train("run")
    checkpoint = tmp_path / "run" / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    with pytest.raises(ArtefactError, match=r"checkpoint\.safetensors is damaged"):
        train("run", resume=True)


def test_a_run_leaves_heads_config_card_and_picture(train, tmp_path, data, tiny_model) -> None:
    held_out = find_categories(data / "nut")
    _, config = train("run", held_out=held_out)
    place = tmp_path / "run"
    backbone = tiny_model.backbone.config
    load_heads(place / "heads.safetensors", taps=backbone.taps, dim=backbone.embed_dim)
    assert json.loads((place / "config.json").read_text()) == config
    assert config["best"]["epoch"] in (1, 2)
    assert (place / "best.safetensors").is_file()
    assert config["encoder_id"] in (place / "README.md").read_text()
    assert (place / "losses.svg").read_text().count("<polyline") == 4
    assert len((place / "validation.csv").read_text().splitlines()) == 3


def test_bf16_trains_nearly_the_same(train, tiny_model, data, tmp_path) -> None:
    expected, _ = train("exact")
    request = TrainingRequest(
        categories=find_categories(data),
        out=tmp_path / "bf16",
        cache=tmp_path / "cache",
        settings=TrainingSettings(epochs=2, batch=5, precision="bf16-mixed"),
    )
    train_heads(tiny_model, request, open_fabric("bf16-mixed", accelerator="cpu"))
    found = load_file(tmp_path / "bf16" / "heads.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in found.values())
    assert any(not torch.equal(found[name], expected[name]) for name in found)
    for name, tensor in found.items():
        assert torch.allclose(tensor, expected[name], atol=5e-3), name


def test_references_are_other_good_pictures_of_the_same_category(data) -> None:
    pairs = random_pairs(find_categories(data), seed=1)
    first, second = pairs(0), pairs(1)
    assert {pair.query for pair in first} == {pair.query for pair in second}
    assert first != second
    for pair in (*first, *second):
        assert pair.reference != pair.query.path
        assert pair.reference.parent.name == "good"
        assert pair.reference.parents[2] == pair.query.path.parents[2]


def test_data_that_cannot_be_trained_on_is_refused(tmp_path) -> None:
    save_category(tmp_path / "lonely" / "nut", good=1)
    with pytest.raises(InputError, match="nut has 1 good"):
        random_pairs(find_categories(tmp_path / "lonely"), seed=1)
    save_category(tmp_path / "bare" / "nut", masks=False)
    with pytest.raises(InputError, match="has no mask"):
        random_pairs(find_categories(tmp_path / "bare"), seed=1)


def test_the_rate_warms_up_from_nothing_and_falls_along_a_cosine() -> None:
    assert [rate(step, 4, 12) for step in range(4)] == [0, 0.25, 0.5, 0.75]
    assert rate(4, 4, 12) == 1
    assert rate(8, 4, 12) == pytest.approx(0.5)
    assert rate(12, 4, 12) == pytest.approx(0)


@pytest.mark.slow
def test_a_command_that_was_killed_goes_on_to_the_same_heads(
    data, tiny_checkpoint, tmp_path
) -> None:
    def command(out: str) -> list[str]:
        options = ["--data", data, "--backbone", tiny_checkpoint, "--image-size", "40"]
        options += ["--epochs", "6", "--batch", "3", "--checkpoint-every", "2", "--resume"]
        options += ["--cache", tmp_path / out / ".cache", "--out", tmp_path / out]
        return [sys.executable, "-m", "res2clip.cli", "train", *map(str, options)]

    subprocess.run(command("whole"), check=True, capture_output=True)
    table = tmp_path / "killed" / "losses.csv"
    with subprocess.Popen(command("killed"), stderr=subprocess.DEVNULL) as process:
        while not table.exists() or len(table.read_text().splitlines()) < 7:
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "killed" / "heads.safetensors").exists()
    subprocess.run(command("killed"), check=True, capture_output=True, env=dict(os.environ))
    assert_same(
        load_file(tmp_path / "killed" / "heads.safetensors"),
        load_file(tmp_path / "whole" / "heads.safetensors"),
    )
