"""Every layout is told by its folders; what is wrong is named."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_datasets import (
    save_ad_2,
    save_btad,
    save_loco,
    save_mask,
    save_mpdd,
    save_picture,
    save_plain,
    save_visa,
)

from res2clip.datasets import CategoryCount, find_categories, load_mask, take_inventory
from res2clip.evaluation import choose_references, evaluate
from res2clip_runtime.errors import ArtefactNotFoundError, InputError
from res2clip_runtime.teaching import teach

GOLDEN = Path(__file__).parents[1] / "golden" / "images"


def counts(place: Path) -> list[tuple]:
    rows = take_inventory(find_categories(place))
    return [(r.name, r.layout, r.train_good, r.test_good, r.masks, r.defects) for r in rows]


@pytest.mark.parametrize(
    ("save", "expected"),
    [
        (save_btad, [(name, "btad", 3, 2, 2, {"ko": 2}) for name in ("01", "02", "03")]),
        (
            save_mpdd,
            [
                ("connector", "mvtec", 2, 1, 1, {"parts_mismatch": 1}),
                ("tubes", "mvtec", 2, 1, 1, {"anomalous": 1}),
            ],
        ),
        (
            save_loco,
            [
                (
                    *("pushpins", "mvtec_loco", 2, 1, 2),
                    {"logical_anomalies": 1, "structural_anomalies": 1},
                )
            ],
        ),
        (save_ad_2, [("walnuts", "mvtec_ad_2", 2, 1, 1, {"bad": 1})]),
        (save_visa, [(name, "visa", 2, 1, 2, {"anomaly": 2}) for name in ("candle", "pcb1")]),
        (save_plain, [("data", "folder", 3, 2, 2, {"abnormal": 2})]),
    ],
)
def test_each_public_layout_is_found_whole(tmp_path, save, expected):
    assert counts(save(tmp_path / "data")) == expected


def test_data_sets_of_several_layouts_may_lie_side_by_side(tmp_path):
    save_btad(tmp_path / "btad")
    save_loco(tmp_path / "loco")
    names = [(c.name, c.layout) for c in find_categories(tmp_path)]
    assert names == [*((n, "btad") for n in ("01", "02", "03")), ("pushpins", "mvtec_loco")]


def test_masks_of_one_picture_are_united_whatever_their_values(tmp_path):
    (category,) = find_categories(save_loco(tmp_path, masks=(236, 1, 255)))
    good, logical, structural = category.test
    assert good.mask is None
    columns = load_mask(logical.mask, 48).any(axis=0)
    assert np.flatnonzero(columns).tolist() == [*range(4, 8), *range(12, 16), *range(20, 24)]
    assert np.flatnonzero(load_mask(structural.mask, 48).any(axis=0)).tolist() == [4, 5, 6, 7]


def test_each_of_several_masks_must_fit(tmp_path):
    folder = save_loco(tmp_path) / "pushpins" / "ground_truth" / "logical_anomalies" / "000"
    save_mask(folder / "001.png", size_px=(32, 48))
    with pytest.raises(InputError, match=r"000/001\.png is 32 x 48 px.*48 x 32 px"):
        find_categories(tmp_path)
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"logical_anomalies/000 holds no pictures"):
        find_categories(tmp_path)


def test_a_missing_bmp_mask_of_btad_is_named(tmp_path):
    folder = save_btad(tmp_path) / "03"
    (folder / "ground_truth" / "ko" / "0001.bmp").unlink()
    with pytest.raises(InputError, match=r"03/test/ko/0001\.bmp has no mask"):
        find_categories(tmp_path)
    with pytest.raises(InputError, match=r"train/ok holds no pictures"):
        shutil.rmtree(folder / "ground_truth")
        for path in (folder / "train" / "ok").iterdir():
            path.unlink()
        find_categories(folder)


def test_ad_2_leaves_out_what_has_no_labels(tmp_path):
    (category,) = find_categories(save_ad_2(tmp_path))
    places = {sample.path.relative_to(tmp_path).parts[1] for sample in category.test}
    assert places == {"test_public"}
    assert len(category.train_good) == 2  # without those of validation/


def test_ad_2s_masks_among_the_test_folders_are_no_pictures(tmp_path):
    save_mask(save_ad_2(tmp_path) / "walnuts" / "test_public" / "ground_truth" / "stray.png")
    assert find_categories(tmp_path)[0].defects == ("bad",)


def test_jpeg_is_no_format_for_masks(tmp_path):
    root = save_plain(tmp_path / "data")
    (root / "masks" / "0.png").rename(root / "masks" / "0.jpg")
    with pytest.raises(InputError, match=r"0\.jpg has no mask"):
        find_categories(root)


def test_visa_with_its_converted_copy_inside_is_read_by_its_split(tmp_path):
    root = save_visa(tmp_path / "visa")
    save_picture(root / "visa_pytorch" / "candle" / "train" / "good" / "0.JPG")
    assert [c.layout for c in find_categories(root)] == ["visa", "visa"]


@pytest.mark.parametrize("place", ["", "candle"])
def test_visa_without_its_split_is_not_taken_for_plain_folders(tmp_path, place):
    root = save_visa(tmp_path / "visa")
    shutil.rmtree(root / "split_csv")
    with pytest.raises(InputError, match=r"looks like a category of VisA.*1cls\.csv is missing"):
        find_categories(root / place)


def test_folders_are_preferred_to_a_meta_json_unless_it_is_named(tmp_path):
    root = save_mpdd(tmp_path)
    (root / "meta.json").write_text('{"train": {}, "test": {}}')
    assert len(find_categories(root)) == 2
    with pytest.raises(InputError, match="lists no pictures"):
        find_categories(root / "meta.json")


def test_the_golden_pictures_are_the_same_by_folders_and_by_list():
    by_folders, by_list = find_categories(GOLDEN), find_categories(GOLDEN / "meta.json")
    assert len(by_folders) == 2
    for one, other in zip(by_folders, by_list, strict=True):
        assert (one.layout, other.layout) == ("mvtec", "meta.json")
        assert one.train_good == other.train_good
        assert one.test == other.test
        assert (one.name, one.folder) == (other.name, other.folder)


def test_folders_of_something_else_are_refused(tmp_path):
    save_picture(tmp_path / "good" / "1.png")  # good pictures alone: test/ given for a category?
    with pytest.raises(InputError, match="holds no category"):
        find_categories(tmp_path)
    with pytest.raises(ArtefactNotFoundError, match="no folder"):
        find_categories(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is not UTF-8"):
        find_categories(tmp_path / "good" / "1.png")


def test_a_name_that_is_no_utf_8_does_no_harm(tmp_path):
    root = save_plain(tmp_path / "data")
    odd = root / "abnormal" / os.fsdecode(b"\xff.png")
    save_picture(odd)
    save_mask(root / "masks" / os.fsdecode(b"\xff_mask.png"))
    (category,) = find_categories(root)
    assert odd in [sample.path for sample in category.test]


@pytest.mark.parametrize(
    ("save", "names"),
    [
        (save_btad, ["ok/0000.bmp", "ok/0001.bmp", "ko/0000.bmp", "ko/0001.bmp"]),
        (
            save_loco,
            ["good/000.png", "logical_anomalies/000.png", "structural_anomalies/000.png"],
        ),
        (save_ad_2, ["good/000_regular.png", "bad/000_regular.png"]),
        (save_visa, ["Normal/0003.JPG", "Anomaly/0000.JPG", "Anomaly/0001.JPG"]),
        (save_plain, ["normal/1.png", "normal/3.png", "abnormal/0.jpg", "abnormal/1.jpg"]),
    ],
)
def test_every_layout_can_be_evaluated(tiny_model, tmp_path, save, names):
    category = find_categories(save(tmp_path / "data"))[0]
    recipe = teach(tiny_model, choose_references(category, 1, 0), product=category.name).recipe
    result = evaluate(tiny_model, recipe, category)
    assert [verdict.frame_id for verdict in result.verdicts] == names
    assert np.isfinite(result.metrics.p_auroc)


def test_the_numbers_of_a_category_are_counted_by_defect(tmp_path):
    root = save_plain(tmp_path / "data")
    shutil.rmtree(root / "masks")
    save_picture(root / "abnormal" / "bent" / "0.png")
    (row,) = take_inventory(find_categories(root))
    assert row == CategoryCount(
        name="data",
        layout="folder",
        train_good=3,
        test_good=2,
        defective=3,
        masks=0,
        defects={"abnormal": 2, "bent": 1},
    )


def test_a_turned_photo_fits_a_mask_that_is_upright(tmp_path):
    root = save_visa(tmp_path / "visa")
    picture = root / "candle" / "Data" / "Images" / "Anomaly" / "0000.JPG"
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees: 32 x 48
    Image.open(picture).save(picture, exif=exif)
    with pytest.raises(InputError, match=r"000\.png is 48 x 32 px.*0000\.JPG is 32 x 48 px"):
        find_categories(root)
    save_mask(root / "candle" / "Data" / "Masks" / "Anomaly" / "000.png", size_px=(32, 48))
    assert len(find_categories(root)) == 2
