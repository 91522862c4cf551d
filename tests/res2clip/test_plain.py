from __future__ import annotations

import pytest
from tiny_datasets import save_mask, save_picture, save_plain

from res2clip.datasets import find_categories
from res2clip_runtime.errors import InputError


@pytest.mark.parametrize(
    ("normal", "abnormal", "masks"),
    [("good", "bad", "mask"), ("OK", "NG", "ground_truth"), ("Normal", "Anomaly", "Masks")],
)
def test_the_folders_may_have_the_usual_names(tmp_path, normal, abnormal, masks):
    root = save_plain(tmp_path / "bolt")
    for old, new in (("normal", normal), ("abnormal", abnormal), ("masks", masks)):
        (root / old).rename(root / "moved")
        (root / "moved").rename(root / new)
    (category,) = find_categories(root)
    assert category.name == "bolt"
    assert category.defects == (abnormal,)
    assert [sample.mask is not None for sample in category.test] == [False, False, True, True]


def test_every_second_normal_picture_is_kept_for_the_test(tmp_path):
    (category,) = find_categories(save_plain(tmp_path))
    good = [sample.path.stem for sample in category.test if not sample.defective]
    assert [path.stem for path in category.train_good] == ["0", "2", "4"]
    assert good == ["1", "3"]


def test_normal_test_pictures_of_their_own_leave_the_others_for_teaching(tmp_path):
    save_picture(save_plain(tmp_path) / "normal_test" / "9.png")
    (category,) = find_categories(tmp_path)
    assert len(category.train_good) == 5
    assert [s.path.stem for s in category.test if not s.defective] == ["9"]


def test_folders_in_abnormal_are_defects_and_their_masks_lie_alike(tmp_path):
    root = save_plain(tmp_path)
    save_picture(root / "abnormal" / "dent" / "0.png")
    with pytest.raises(InputError, match=r"dent/0\.png has no mask: expected .*masks/dent/0_mask"):
        find_categories(root)
    mask = save_mask(root / "masks" / "dent" / "0_mask.png")
    (category,) = find_categories(root)
    assert category.defects == ("abnormal", "dent")
    assert category.test[-1].mask == mask


def test_a_folder_of_plain_categories_gives_them_all(tmp_path):
    for name in ("nut", "bolt"):
        save_plain(tmp_path / name)
    assert [category.name for category in find_categories(tmp_path)] == ["bolt", "nut"]


@pytest.mark.parametrize("folder", ["normal", "abnormal"])
def test_an_empty_folder_is_named(tmp_path, folder):
    for path in (save_plain(tmp_path) / folder).iterdir():
        path.unlink()
    with pytest.raises(InputError, match=rf"/{folder} holds no pictures"):
        find_categories(tmp_path)


def test_two_folders_for_the_same_thing_are_refused(tmp_path):
    (save_plain(tmp_path) / "good").mkdir()
    with pytest.raises(InputError, match=r"/good and .*/normal could both be meant"):
        find_categories(tmp_path)


def test_a_defect_cannot_be_called_good(tmp_path):
    save_picture(save_plain(tmp_path) / "abnormal" / "good" / "0.png")
    with pytest.raises(InputError, match=r"abnormal/good is a folder of defective pictures"):
        find_categories(tmp_path)
