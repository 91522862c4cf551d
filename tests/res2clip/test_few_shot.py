from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import astuple

import numpy as np
import pytest
from drawn_category import save_category

from res2clip.datasets import find_categories
from res2clip.evaluation import choose_references, evaluate
from res2clip.feature_source import ScratchFeatures
from res2clip.few_shot import (
    Cell,
    StagesDetector,
    draw_references,
    make_blocks,
    measure_cells,
)
from res2clip.few_shot.text import csv_text, json_values, markdown_text
from res2clip.metrics import Metrics
from res2clip.recalled_stages import RecalledStages
from res2clip_runtime.errors import InputError
from res2clip_runtime.preprocess import to_square
from res2clip_runtime.teaching import teach


class Counting:
    """A model that counts the pictures it encodes."""

    def __init__(self, model):
        self._model, self.encoded = model, 0

    def __getattr__(self, name):
        return getattr(self._model, name)

    def encode(self, images):
        self.encoded += len(images)
        return self._model.encode(images)


@pytest.fixture
def category(tmp_path):
    (found,) = find_categories(save_category(tmp_path / "nut", train=6, good=3, scratched=3))
    return found


def figures(value: float, **changed: float) -> Metrics:
    names = ("i_auroc", "i_ap", "i_f1", "p_auroc", "p_ap", "p_f1", "pro")
    return Metrics(**{**dict.fromkeys(names, value), **changed})


def cell(category, seed, value, *, detector="training-free", shots=4, **changed) -> Cell:
    return Cell(
        detector=detector,
        category=category,
        shots=shots,
        seed=seed,
        metrics=figures(value, **changed),
    )


def test_the_figures_are_those_of_teaching_and_inspecting_as_on_a_line(tiny_model, category):
    draws = draw_references(category, [1, 3], [0, 7])
    with ScratchFeatures(tiny_model) as source:
        detector = StagesDetector(tiny_model, source.features)
        cells = measure_cells({"training-free": detector}, category, draws)
    assert [(c.shots, c.seed) for c in cells] == [(1, 0), (1, 7), (3, 0), (3, 7)]
    for found, draw in zip(cells, draws, strict=True):
        recipe = teach(tiny_model, draw.references, product="nut").recipe
        expected = evaluate(tiny_model, recipe, category).metrics
        assert astuple(found.metrics) == pytest.approx(astuple(expected), abs=1e-6)


def test_every_picture_is_encoded_once_for_all_draws_and_detectors(tiny_model, category):
    model = Counting(tiny_model)
    draws = draw_references(category, [1, 2, 4], [0, 1])
    steps = []
    with ScratchFeatures(model) as source:
        detectors = {name: StagesDetector(model, source.features) for name in ("a", "b")}
        cells = measure_cells(
            detectors, category, draws, progress=lambda done, total: steps.append((done, total))
        )
    references = {path for draw in draws for path in draw.references}
    assert model.encoded == len(references) + len(category.test)
    assert len(cells) == 12
    assert steps == [(done, 72) for done in range(1, 73)]


def test_stored_features_are_the_encoders_own_in_the_order_asked_for(tiny_model, category):
    paths = [sample.path for sample in category.test]
    with ScratchFeatures(tiny_model) as source:
        source.fill(paths)
        found = source.features([paths[4], paths[1]])
    for row, path in enumerate((paths[4], paths[1])):
        fresh = tiny_model.encode(to_square(path, 40)[None])
        np.testing.assert_array_equal(found.patches[row], fresh.patches[0])
        np.testing.assert_array_equal(found.image[row], fresh.image[0])


def test_a_picture_that_cannot_be_read_is_named(tiny_model, category):
    category.test[2].path.write_bytes(b"torn")
    with ScratchFeatures(tiny_model) as source, pytest.raises(InputError, match=r"102\.png"):
        source.fill([sample.path for sample in category.test])


def test_recalled_stages_answer_like_the_model_and_do_not_encode_again(tiny_model, category):
    model = Counting(tiny_model)
    references = choose_references(category, 3, 0)
    known = [*references, *(sample.path for sample in category.test)]
    with ScratchFeatures(model) as source:
        source.fill(known)
        assert model.encoded == 9
        recalled = RecalledStages(model, source, known)
        recipe = teach(recalled, references, product="nut").recipe
        result = evaluate(recalled, recipe, category)
        assert model.encoded == 9
        stranger = next(path for path in category.train_good if path not in references)
        recalled.encode(to_square(stranger, 40)[None])
        assert model.encoded == 10
    plain = teach(tiny_model, references, product="nut").recipe
    expected = evaluate(tiny_model, plain, category)
    np.testing.assert_allclose(result.scores, expected.scores, atol=1e-6)
    assert [v.decision for v in result.verdicts] == [v.decision for v in expected.verdicts]


def test_a_draw_needs_as_many_good_pictures(category):
    with pytest.raises(InputError, match="--shots between 1 and 6"):
        draw_references(category, [1, 8], [0])


def test_rows_are_means_over_draws_and_the_last_row_is_the_mean_of_the_categories():
    cells = [cell("a", 0, 0.8), cell("a", 1, 0.6), cell("b", 0, 0.5), cell("b", 1, 0.5)]
    (block,) = make_blocks(cells)
    assert [row.name for row in block.rows] == ["a", "b"]
    assert block.rows[0].mean.pro == pytest.approx(0.7)
    assert block.rows[0].spread.pro == pytest.approx(0.1)
    assert block.rows[1].spread.pro == 0
    # The draws of all categories together: 0.65 and 0.55.
    assert block.mean.mean.pro == pytest.approx(0.6)
    assert block.mean.spread.pro == pytest.approx(0.05)


def test_there_is_a_block_for_each_detector_and_k_in_their_order():
    cells = [
        cell("a", 0, 0.5, detector=detector, shots=shots)
        for detector in ("training-free", "trained")
        for shots in (8, 1)
    ]
    blocks = make_blocks(cells)
    assert [(block.detector, block.shots) for block in blocks] == [
        ("training-free", 1),
        ("training-free", 8),
        ("trained", 1),
        ("trained", 8),
    ]
    assert blocks[0].rows[0].spread is None


def test_an_undefined_figure_is_a_dash_a_null_and_an_empty_cell_and_left_out_of_the_mean():
    cells = [cell("a", 0, 0.5), cell("b", 0, 0.25, pro=math.nan, i_f1=math.nan)]
    blocks = make_blocks(cells)
    assert "| b | 25.0 | 25.0 | - | 25.0 | 25.0 | 25.0 | - |" in markdown_text(blocks)
    assert blocks[0].mean.mean.pro == 0.5
    said = json.loads(json.dumps(json_values(blocks, cells), allow_nan=False))
    assert said["blocks"][0]["categories"][1]["figures"]["pro"] is None
    assert said["draws"][1]["i_f1"] is None
    (_, line) = csv.DictReader(io.StringIO(csv_text(cells, {"backbone": "x"})))
    assert (line["pro"], line["p_ap"], line["backbone"]) == ("", "0.25", "x")


def test_markdown_has_the_seven_columns_in_percent_and_survives_odd_names():
    cells = [cell("a|b*<i>", seed, 0.5 + 0.1 * seed) for seed in (0, 1)]
    text = markdown_text(make_blocks(cells))
    head = "| category | I-AUROC | I-AP | I-F1 | P-AUROC | P-AP | P-F1 | PRO |"
    assert head in text.splitlines()
    assert "**training-free, 4 shots, mean ± spread of 2 draws**" in text
    assert "| a\\|b\\*&lt;i> | 55.0 ± 5.0 |" in text
