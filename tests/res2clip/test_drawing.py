"""Drawn pictures: repeatable, and their masks exactly where the defect shows."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
from PIL import Image

from res2clip.drawing import FAMILIES, DatasetPlan, Drawing, Product, draw, write_mvtec
from res2clip.drawing.picture import SMALLEST_MASK, visible_change
from res2clip_runtime.errors import InputError

SIZE_PX = 64
EVERY_DEFECT = sorted({defect for family in FAMILIES.values() for defect in family.defects})


def change(drawing, good):
    gap = np.abs(drawing.image_rgb_u8.astype(int) - good.image_rgb_u8.astype(int))
    return gap.max(axis=-1)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_draws_good_and_defective_pictures(family):
    product = Product(family, 2)
    good = draw(product, seed=3, size_px=SIZE_PX)
    assert good.image_rgb_u8.shape == (SIZE_PX, SIZE_PX, 3)
    assert good.image_rgb_u8.dtype == np.uint8
    assert good.defect == "good"
    assert not good.mask.any()
    assert good.image_rgb_u8.std() > 2
    structural = [d for d in ("missing_feature", "misprint", "cut_thread") if d in product.defects]
    for defect in structural or [product.defects[0]]:
        drawing = draw(product, seed=3, size_px=SIZE_PX, defect=defect)
        assert drawing.defect == defect
        assert drawing.mask.mean() >= SMALLEST_MASK, defect


@pytest.mark.parametrize("defect", EVERY_DEFECT)
def test_the_mask_is_where_the_picture_differs_from_the_one_without_the_defect(defect):
    families = [name for name, family in FAMILIES.items() if defect in family.defects]
    for seed in range(3):
        product = Product(families[(7 * seed) % len(families)], seed)
        good = draw(product, seed=seed, size_px=128)
        drawing = draw(product, seed=seed, size_px=128, defect=defect)
        gap = change(drawing, good)
        assert drawing.mask.shape == (128, 128)
        assert drawing.mask.dtype == np.bool_
        assert gap[~drawing.mask].max(initial=0) <= 11  # the threshold of 10 grey levels, rounded
        assert gap[~drawing.mask].sum() < gap.size
        assert gap[drawing.mask].mean() > 5
        # At least 2 levels before rounding; only noise at black or white can hide the change.
        assert np.mean(gap[drawing.mask] >= 1) > 0.98


def test_the_same_arguments_give_the_same_picture():
    first = draw(Product("gear", 4), seed=9, size_px=SIZE_PX, defect="scratch")
    again = draw(Product("gear", 4), seed=9, size_px=SIZE_PX, defect="scratch")
    assert np.array_equal(first.image_rgb_u8, again.image_rgb_u8)
    assert np.array_equal(first.mask, again.mask)
    assert first.captions == again.captions


def test_another_seed_is_another_picture_and_another_product_another_design():
    base = draw(Product("washer"), seed=1, size_px=SIZE_PX).image_rgb_u8.astype(int)
    picture = draw(Product("washer"), seed=2, size_px=SIZE_PX).image_rgb_u8.astype(int)
    product = draw(Product("washer", 1), seed=1, size_px=SIZE_PX).image_rgb_u8.astype(int)
    assert 0 < np.abs(base - picture).mean() < np.abs(base - product).mean()


def test_pictures_of_one_product_differ_less_than_pictures_of_two():
    def thumbnail(number, seed):
        image = draw(Product("cap", number), seed=seed, size_px=SIZE_PX).image_rgb_u8
        return image.reshape(8, 8, 8, 8, 3).mean(axis=(1, 3))

    same = np.abs(thumbnail(1, 1) - thumbnail(1, 2)).mean()
    other = np.abs(thumbnail(1, 1) - thumbnail(2, 1)).mean()
    assert same < other / 2


def test_captions_always_say_whether_the_product_is_sound():
    sound = [
        "flawless",
        "perfect",
        "clean",
        "undamaged",
        "intact",
        "unblemished",
        "normal",
        "pristine",
        "good",
        "without",
    ]
    for seed in range(12):
        good = draw(Product("washer"), seed=seed, size_px=32)
        assert len(set(good.captions)) == 3
        assert all(any(word in text for word in sound) for text in good.captions)
        bad = draw(Product("washer"), seed=seed, size_px=32, defect="scratch")
        assert all("washer" in text for text in bad.captions)
        marks = ("scratch", "damaged", "defect")
        assert all(any(word in text for word in marks) for text in bad.captions)
        assert not any(" a intact" in text or " a un" in text for text in good.captions)


def test_a_change_nobody_sees_is_not_in_the_mask():
    good = np.full((20, 20, 3), 100.0)
    other = good.copy()
    other[:10] += 4.0
    assert not visible_change(good, other).any()
    other[4, 4, 1] += 30.0
    assert np.argwhere(visible_change(good, other)).tolist() == [[4, 4]]


@pytest.mark.parametrize("name", ["flange", "washer_17", "solar_cell", "solar_cell_3"])
def test_a_product_name_is_read_back(name):
    assert Product.parse(name).name == name


def test_unknown_products_and_defects_are_refused_with_the_choices():
    with pytest.raises(InputError, match=r"unknown product family 'teapot'.*washer"):
        Product.parse("teapot")
    with pytest.raises(InputError, match="unknown product family"):
        Product.parse("teapot_3")
    with pytest.raises(InputError, match=r"cannot have the defect 'misprint'.*scratch"):
        draw(Product("flange"), seed=0, defect="misprint")
    with pytest.raises(InputError, match="size_px must be at least 32"):
        draw(Product("flange"), seed=0, size_px=8)
    with pytest.raises(InputError, match="seed must be 0 or more"):
        draw(Product("flange"), seed=-1)


def small_plan(**changes):
    return DatasetPlan(**{"train": 2, "good": 1, "defect": 1, "size_px": 32, **changes})


def test_a_data_set_has_the_layout_of_mvtec(tmp_path):
    seen = []
    product = Product("flange")
    folder = write_mvtec(tmp_path, product, small_plan(), progress=seen.append)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png"))
    expected = [
        "flange/test/good/000.png",
        "flange/train/good/000.png",
        "flange/train/good/001.png",
    ]
    expected += [f"flange/test/{defect}/000.png" for defect in product.defects]
    expected += [f"flange/ground_truth/{defect}/000_mask.png" for defect in product.defects]
    assert files == sorted(expected)
    assert folder == tmp_path / "flange"
    assert seen[0] == 0
    assert seen[-1] == small_plan().count(product) == 10
    mask = np.asarray(Image.open(folder / "ground_truth" / "scratch" / "000_mask.png"))
    assert set(np.unique(mask)) == {0, 255}


def test_a_killed_run_can_be_started_again(tmp_path):
    class KilledError(Exception):
        pass

    def kill(done):
        if done == 3:
            raise KilledError

    with pytest.raises(KilledError):
        write_mvtec(tmp_path, Product("nut"), small_plan(), progress=kill)
    assert not (tmp_path / "nut").exists()
    write_mvtec(tmp_path, Product("nut"), small_plan())
    assert [path.name for path in tmp_path.iterdir()] == ["nut"]
    assert json.loads((tmp_path / "nut" / "drawing.json").read_text())["product"] == "nut"


def test_a_finished_product_is_kept_and_another_one_is_not_overwritten(tmp_path):
    folder = write_mvtec(tmp_path, Product("nut"), small_plan())
    before = (folder / "train" / "good" / "000.png").stat().st_mtime_ns
    assert write_mvtec(tmp_path, Product("nut"), small_plan()) == folder
    assert (folder / "train" / "good" / "000.png").stat().st_mtime_ns == before
    with pytest.raises(InputError, match="holds something else"):
        write_mvtec(tmp_path, Product("nut"), small_plan(seed=1))


def test_plans_that_make_no_data_set_name_the_flag():
    with pytest.raises(InputError, match=r"train \(--train\) must be 1 or more"):
        DatasetPlan(train=0)
    with pytest.raises(InputError, match=r"size_px \(--size\) must be 32 or more"):
        DatasetPlan(size_px=4)


def test_drawing_keeps_a_training_run_supplied():
    names = list(FAMILIES)[::5]
    begin = time.perf_counter()
    for name in names:
        assert isinstance(draw(Product(name, 1), seed=0, size_px=192), Drawing)
    # Measured 0.03 s a picture; wide, for busy machines.
    assert (time.perf_counter() - begin) / len(names) < 0.4


def test_all_means_one_product_of_each_family() -> None:
    products = Product.parse_all("all_3")
    assert [product.family for product in products] == sorted(FAMILIES)
    assert {product.seed for product in products} == {3}
    assert Product.parse_all("all")[0].seed == 0
    assert Product.parse_all("gear_3") == (Product("gear", 3),)
    with pytest.raises(InputError, match="allsorts"):
        Product.parse_all("allsorts")
