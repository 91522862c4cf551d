"""VisA's table, and the rules that hold for every list of pictures."""

from __future__ import annotations

import re

import pytest
from tiny_datasets import save_picture, save_visa

from res2clip.datasets import find_categories, load_mask
from res2clip_runtime.errors import InputError


@pytest.fixture
def visa(tmp_path):
    return save_visa(tmp_path / "visa")


def edit(root, change):
    table = root / "split_csv" / "1cls.csv"
    table.write_text(change(table.read_text(encoding="utf-8")), encoding="utf-8")


def refuse(root, message):
    with pytest.raises(InputError, match=message) as caught:
        find_categories(root)
    assert "\n" not in str(caught.value)


def test_the_split_says_what_is_taught_and_what_is_tested(visa):
    candle, _ = find_categories(visa)
    assert [path.name for path in candle.train_good] == ["0001.JPG", "0005.JPG"]
    assert [(s.path.name, s.defect) for s in candle.test] == [
        ("0003.JPG", "good"), ("0000.JPG", "anomaly"), ("0001.JPG", "anomaly"),
    ]  # fmt: skip
    assert candle.folder == visa / "candle"


def test_masks_that_hold_a_defects_number_are_seen(visa):
    candle, _ = find_categories(visa)
    assert load_mask(candle.test[1].mask, 48).any(axis=0).tolist() == [
        i in (4, 5, 6, 7) for i in range(48)
    ]


def test_a_byte_order_mark_and_another_order_of_columns_are_fine(visa):
    table = visa / "split_csv" / "1cls.csv"
    rows = [line.split(",") for line in table.read_text().splitlines()]
    table.write_text("\r\n".join(",".join(row[::-1]) for row in rows), encoding="utf-8-sig")
    assert len(find_categories(visa)) == 2


def test_a_missing_column_is_named(visa):
    edit(visa, lambda text: text.replace(",mask", ",masks", 1))
    refuse(visa, r"1cls\.csv has no column 'mask'; its first line must name object,split,")


def test_an_empty_table_is_refused(visa):
    edit(visa, lambda text: "")
    refuse(visa, "has no column 'object'")
    edit(visa, lambda text: "object,split,label,image,mask\n")
    refuse(visa, "lists no pictures")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("test,normal", "valid,normal", r"line 4: the split is 'valid'; expected train or test"),
        ("test,normal", "test,fine", r"line 4: the label is 'fine'; expected normal or anomaly"),
        ("test,normal,", "test,normal", r"line 4: expected 5 values"),
        ("Normal/0003.JPG,", "Normal/0003.JPG,,x", r"line 4: expected 5 values"),
        ("train,normal", "train,anomaly", r"line 2: .* is defective and in the train split"),
        ("Normal/0003", "Normal/0009", r"line 4: there is no file .*Normal/0009\.JPG"),
        ("Anomaly/000.png", "Anomaly/009.png", r"line 5: there is no file .*Anomaly/009\.png"),
        (",candle/Data/Masks/Anomaly/000.png", ",", r"Anomaly/0000\.JPG has no mask, others"),
        ("Normal/0003", "Normal/0005", r"line 4: .*0005\.JPG is listed already \(.*line 2\)"),
    ],
)
def test_the_first_wrong_line_is_named(visa, old, new, message):
    edit(visa, lambda text: text.replace(old, new, 1))
    refuse(visa, message)


@pytest.mark.parametrize("path", ["../secret.png", "candle/../../secret.png", "{outside}", "", "."])
def test_paths_that_leave_the_data_are_refused(visa, path):
    outside = save_picture(visa.parent / "secret.png")
    path = path.format(outside=outside)
    edit(visa, lambda text: text.replace("candle/Data/Images/Normal/0003.JPG", path, 1))
    refuse(visa, rf"line 4: the path '{re.escape(path)}' leaves the data's folder")


def test_dots_and_absolute_paths_that_stay_inside_are_fine(visa):
    inside = (visa / "candle" / "Data" / "Images" / "Normal" / "0003.JPG").resolve()
    edit(visa, lambda text: text.replace("candle/Data/Images/Normal/0003.JPG", str(inside), 1))
    edit(visa, lambda text: text.replace("candle/Data", "pcb1/../candle/./Data"))
    before = find_categories(visa)
    assert before[0].test[0].path == visa / "candle" / "Data" / "Images" / "Normal" / "0003.JPG"


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "\ud800"])
def test_impossible_names_are_missing_files(visa, name):
    table = visa / "split_csv" / "1cls.csv"
    text = table.read_text().replace("Normal/0003.JPG", name, 1)
    table.write_bytes(text.encode("utf-8", "surrogatepass"))
    refuse_or_not_utf_8 = r"there is no file|is not UTF-8|line contains NUL"
    with pytest.raises(InputError, match=refuse_or_not_utf_8):
        find_categories(visa)


def test_a_table_that_is_no_utf_8_is_refused(visa):
    (visa / "split_csv" / "1cls.csv").write_bytes("object,split,Größe".encode("latin-1"))
    refuse(visa, r"1cls\.csv is not UTF-8 \(byte 15\)")


def test_a_category_without_good_pictures_to_teach_from_is_refused(visa):
    edit(visa, lambda text: text.replace("pcb1,train,normal", "pcb1,test,normal"))
    refuse(visa, "pcb1 has no good pictures in its train split")


def test_links_to_the_pictures_are_followed(visa, tmp_path):
    (visa / "candle").rename(tmp_path / "elsewhere")
    (visa / "candle").symlink_to(tmp_path / "elsewhere")
    assert len(find_categories(visa)[0].train_good) == 2
