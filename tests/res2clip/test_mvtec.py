from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from drawn_category import save_category
from PIL import Image

from res2clip.datasets import find_categories, load_mask
from res2clip_runtime.errors import ArtefactNotFoundError, InputError

REAL = Path(__file__).parents[3] / "shared" / "data"


def only(directory: Path):
    (category,) = find_categories(directory)
    return category


def test_a_category_folder_is_one_category(tmp_path):
    category = only(save_category(tmp_path / "washer", train=4, good=2, scratched=3))
    assert category.name == "washer"
    assert [path.name for path in category.train_good] == [f"{i:03}.png" for i in range(4)]
    assert [sample.defect for sample in category.test] == ["good"] * 2 + ["scratch"] * 3
    assert [sample.mask is not None for sample in category.test] == [False] * 2 + [True] * 3
    assert category.defects == ("scratch",)


def test_a_folder_of_categories_gives_them_sorted(tmp_path):
    for name in ("nut", "bolt"):
        save_category(tmp_path / name, good=1, scratched=1)
    (tmp_path / "notes").mkdir()
    assert [category.name for category in find_categories(tmp_path)] == ["bolt", "nut"]


def test_categories_one_level_deeper_are_found_and_equal_names_told_apart(tmp_path):
    for place in ("line1/nut", "line2/nut", "line2/bolt"):
        save_category(tmp_path / place, good=1, scratched=0)
    names = [category.name for category in find_categories(tmp_path)]
    assert names == ["line1/nut", "bolt", "line2/nut"]


def test_good_pictures_come_first_whatever_the_defects_are_called(tmp_path):
    save_category(tmp_path / "nut", good=1, scratched=1, defect="bent")
    assert [sample.defect for sample in only(tmp_path / "nut").test] == ["good", "bent"]


def test_a_category_without_test_pictures_can_be_taught(tmp_path):
    folder = save_category(tmp_path / "nut")
    shutil.rmtree(folder / "test")
    shutil.rmtree(folder / "ground_truth")
    category = only(folder)
    assert category.test == ()
    assert len(category.train_good) == 4


def test_only_good_test_pictures_need_no_masks(tmp_path):
    category = only(save_category(tmp_path / "nut", good=3, scratched=0))
    assert category.defects == ()
    assert all(not sample.defective for sample in category.test)


def test_without_ground_truth_there_are_no_masks(tmp_path):
    category = only(save_category(tmp_path / "nut", masks=False))
    assert all(sample.mask is None for sample in category.test)


def test_masks_may_be_called_like_their_pictures(tmp_path):
    folder = save_category(tmp_path / "nut", scratched=1)
    masks = folder / "ground_truth" / "scratch"
    (masks / "200_mask.png").rename(masks / "200.png")
    assert only(folder).test[-1].mask == masks / "200.png"


def test_a_missing_mask_is_named(tmp_path):
    folder = save_category(tmp_path / "nut")
    (folder / "ground_truth" / "scratch" / "201_mask.png").unlink()
    with pytest.raises(InputError, match=r"scratch/201\.png has no mask.*201_mask\.png"):
        find_categories(folder)


def test_a_mask_of_another_size_is_named_with_both_sizes(tmp_path):
    folder = save_category(tmp_path / "nut")
    Image.new("L", (96, 81)).save(folder / "ground_truth" / "scratch" / "202_mask.png")
    with pytest.raises(InputError, match=r"202_mask\.png is 96 x 81 px.*96 x 80 px"):
        find_categories(folder)


def test_a_mask_fits_the_upright_picture(tmp_path):
    folder = save_category(tmp_path / "nut", good=0, scratched=1)
    picture = folder / "test" / "scratch" / "200.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees: shown 80 x 96
    Image.open(picture).save(picture.with_suffix(".jpg"), exif=exif)
    picture.unlink()
    with pytest.raises(InputError, match="80 x 96 px"):
        find_categories(folder)
    mask = folder / "ground_truth" / "scratch" / "200_mask.png"
    Image.open(mask).transpose(Image.Transpose.ROTATE_270).save(mask)
    assert only(folder).test[0].mask == mask


def test_an_unreadable_picture_with_a_mask_is_named(tmp_path):
    folder = save_category(tmp_path / "nut")
    (folder / "test" / "scratch" / "200.png").write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"scratch/200\.png cannot be read"):
        find_categories(folder)


def test_a_category_without_good_pictures_is_refused(tmp_path):
    folder = save_category(tmp_path / "nut", train=0)
    with pytest.raises(InputError, match=r"train/good holds no pictures"):
        find_categories(folder)
    shutil.rmtree(folder / "train")
    with pytest.raises(InputError, match=r"train/good holds no pictures"):
        find_categories(tmp_path)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "pictures").mkdir()
    with pytest.raises(InputError, match="holds no category"):
        find_categories(tmp_path)
    with pytest.raises(ArtefactNotFoundError, match="no folder"):
        find_categories(tmp_path / "nowhere")


def test_a_limit_takes_pictures_of_each_class_at_even_distances(tmp_path):
    category = only(save_category(tmp_path / "nut", good=6, scratched=2)).limited(3)
    names = [f"{sample.defect}/{sample.path.stem}" for sample in category.test]
    assert names == ["good/100", "good/102", "good/104", "scratch/200", "scratch/201"]
    with pytest.raises(InputError, match="--limit"):
        category.limited(0)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I;16"])
def test_masks_of_every_mode_mark_what_is_not_black(tmp_path, mode):
    truth = np.zeros((8, 12), dtype=np.uint8)
    truth[2:4, 3:9] = 255
    path = tmp_path / "mask.png"
    if mode == "I;16":
        Image.fromarray(truth.astype(np.uint16) * 257).save(path)
    else:
        Image.fromarray(truth).convert("RGB" if mode == "P" else mode).convert(mode).save(path)
    mask = load_mask(path, 24)
    assert mask.shape == (24, 24)
    assert mask.dtype == np.bool_
    assert np.array_equal(mask[1::3, ::2], truth > 0)


def test_a_missing_mask_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_mask(tmp_path / "none.png", 8)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real pictures are not on this machine")
def test_the_real_categories_are_complete():
    categories = find_categories(REAL)
    assert len(categories) == 6
    for category in categories:
        assert len(category.train_good) >= 4, category.name
        assert all(sample.mask for sample in category.test if sample.defective), category.name
