from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
import pytest
from drawn_category import save_category

from res2clip.confusion import Confusion, confuse
from res2clip.datasets import find_categories, load_mask
from res2clip.evaluation import choose_references, evaluate
from res2clip.metrics import measure
from res2clip_runtime.errors import EncoderMismatchError, InputError
from res2clip_runtime.teaching import teach
from res2clip_runtime.verdict import Decision


class Keeping:
    """A sink that keeps everything."""

    def __init__(self):
        self.verdicts = []

    def write(self, verdict, picture):
        assert picture is None or picture.dtype == np.uint8
        self.verdicts.append(verdict)

    def close(self):
        pass


@pytest.fixture
def category(tmp_path):
    (found,) = find_categories(save_category(tmp_path / "nut", train=6, good=4, scratched=4))
    return found


def taught(model, category, shots=3):
    return teach(model, choose_references(category, shots, 0), product=category.name).recipe


def test_the_metrics_are_those_of_the_verdicts_and_maps_it_hands_on(tiny_model, category):
    sink = Keeping()
    result = evaluate(tiny_model, taught(tiny_model, category), category, sinks=[sink])
    size = tiny_model.spec.image_size_px
    maps = np.stack([verdict.anomaly_map for verdict in sink.verdicts])
    masks = [
        load_mask(sample.mask, size) if sample.mask else np.zeros((size, size), dtype=bool)
        for sample in category.test
    ]
    expected = measure(
        [0] * 4 + [1] * 4,
        [verdict.score for verdict in sink.verdicts],
        maps=maps,
        masks=np.stack(masks),
    )
    assert astuple(result.metrics) == astuple(expected)
    assert all(math.isfinite(value) for value in astuple(result.metrics))


def test_verdicts_are_in_the_order_of_the_pictures_and_without_maps(tiny_model, category):
    seen = []
    result = evaluate(
        tiny_model,
        taught(tiny_model, category),
        category,
        progress=lambda done, total: seen.append((done, total)),
    )
    frames = [f"{sample.defect}/{sample.path.name}" for sample in category.test]
    assert [verdict.frame_id for verdict in result.verdicts] == frames
    assert all(verdict.anomaly_map is None for verdict in result.verdicts)
    assert seen == [(i, 8) for i in range(1, 9)]
    assert result.labels.tolist() == [False] * 4 + [True] * 4
    assert result.scores.shape == (8,)
    assert result.seconds > 0


def test_an_undecodable_picture_is_an_error_and_left_out_of_the_metrics(tiny_model, category):
    recipe = taught(tiny_model, category)
    whole = evaluate(tiny_model, recipe, category)
    category.test[0].path.write_bytes(b"torn")
    torn = evaluate(tiny_model, recipe, category)
    assert torn.verdicts[0].decision is Decision.ERROR
    assert torn.confusion.good_error == 1
    assert math.isnan(torn.scores[0])
    expected = measure(whole.labels[1:], whole.scores[1:])
    assert torn.metrics.i_auroc == expected.i_auroc
    assert math.isfinite(torn.metrics.p_auroc)


def test_without_masks_the_pixel_figures_are_undefined(tiny_model, tmp_path):
    (category,) = find_categories(save_category(tmp_path / "nut", masks=False))
    metrics = evaluate(tiny_model, taught(tiny_model, category), category).metrics
    assert math.isfinite(metrics.i_auroc)
    assert math.isnan(metrics.p_auroc)
    assert math.isnan(metrics.pro)


def test_only_good_pictures_leave_every_figure_undefined(tiny_model, tmp_path):
    (category,) = find_categories(save_category(tmp_path / "nut", scratched=0))
    result = evaluate(tiny_model, taught(tiny_model, category), category)
    assert all(math.isnan(value) for value in astuple(result.metrics))
    assert result.confusion.good == 3
    assert math.isnan(result.confusion.underkill_rate)


def test_no_test_pictures_give_no_verdicts(tiny_model, category):
    import dataclasses

    empty = dataclasses.replace(category, test=())
    result = evaluate(tiny_model, taught(tiny_model, category), empty)
    assert result.verdicts == ()
    assert math.isnan(result.metrics.i_auroc)


def test_one_shot_has_scores_but_decides_nothing(tiny_model, category):
    result = evaluate(tiny_model, taught(tiny_model, category, shots=1), category)
    assert result.confusion == Confusion(good_error=4, defective_error=4)
    assert math.isfinite(result.metrics.i_auroc)


def test_a_recipe_of_another_encoder_is_refused(tiny_model, category):
    import dataclasses

    foreign = dataclasses.replace(taught(tiny_model, category), encoder_id="0" * 64)
    with pytest.raises(EncoderMismatchError):
        evaluate(tiny_model, foreign, category)


def test_references_depend_on_the_seed_and_fewer_are_the_first_of_more(category):
    four = choose_references(category, 4, 7)
    assert len(set(four)) == 4
    assert choose_references(category, 4, 7) == four
    assert choose_references(category, 2, 7) == four[:2]
    assert len({choose_references(category, 4, seed) for seed in range(5)}) > 1


@pytest.mark.parametrize("shots", [0, -1, 7])
def test_more_references_than_good_pictures_or_none_are_refused(category, shots):
    with pytest.raises(InputError, match="--shots between 1 and 6"):
        choose_references(category, shots, 0)


def test_confusion_counts_every_outcome_in_its_own_cell():
    outcomes = [
        (False, Decision.OK),
        (False, Decision.OK),
        (False, Decision.NG),
        (False, Decision.ERROR),
        (True, Decision.OK),
        (True, Decision.NG),
        (True, Decision.NG),
        (True, Decision.ERROR),
    ]
    counts = confuse(outcomes)
    assert astuple(counts) == (2, 1, 1, 1, 2, 1)
    assert (counts.good, counts.defective) == (4, 4)
    assert (counts.overkill_rate, counts.underkill_rate) == (0.25, 0.25)
    assert astuple(counts + counts) == (4, 2, 2, 2, 4, 2)
