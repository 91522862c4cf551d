from __future__ import annotations

import dataclasses
import json
import os

import pytest
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

from res2clip.datasets import find_categories, read_meta, write_meta
from res2clip_runtime.errors import ArtefactNotFoundError, InputError, OutputError


@pytest.fixture
def meta(tmp_path):
    """A meta.json of MPDD and a function that changes its content."""
    root = save_mpdd(tmp_path / "mpdd")
    write_meta(root / "meta.json", find_categories(root))
    return root / "meta.json"


def edit(file, change):
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def refuse(file, message):
    with pytest.raises(InputError, match=message) as caught:
        read_meta(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "save", [save_mpdd, save_btad, save_loco, save_ad_2, save_visa, save_plain]
)
def test_what_is_written_is_read_again(tmp_path, save):
    root = save(tmp_path / "data")
    categories = find_categories(root)
    write_meta(root / "meta.json", categories)
    again = read_meta(root / "meta.json")
    for one, other in zip(categories, again, strict=True):
        assert (one.name, one.train_good, one.test) == (other.name, other.train_good, other.test)
        assert other.layout == "meta.json"


def test_the_file_has_the_familys_keys_and_paths(meta):
    content = json.loads(meta.read_text())
    assert list(content) == ["train", "test"]
    assert content["train"]["tubes"][0] == {
        "img_path": "tubes/train/good/000.png",
        "mask_path": "",
        "cls_name": "tubes",
        "specie_name": "good",
        "anomaly": 0,
    }
    assert content["test"]["tubes"][1] == {
        "img_path": "tubes/test/anomalous/000.png",
        "mask_path": "tubes/ground_truth/anomalous/000_mask.png",
        "cls_name": "tubes",
        "specie_name": "anomalous",
        "anomaly": 1,
    }


def test_several_masks_are_written_as_their_folder(tmp_path):
    root = save_loco(tmp_path)
    write_meta(root / "meta.json", find_categories(root))
    entries = json.loads((root / "meta.json").read_text())["test"]["pushpins"]
    assert entries[1]["mask_path"] == "pushpins/ground_truth/logical_anomalies/000"


def test_a_name_that_is_no_utf_8_comes_back(tmp_path):
    root = save_plain(tmp_path / "data")
    save_picture(root / "abnormal" / os.fsdecode(b"\xff.png"))
    save_mask(root / "masks" / os.fsdecode(b"\xff.png"))
    before = find_categories(root)
    write_meta(root / "meta.json", before)
    assert read_meta(root / "meta.json")[0].test == before[0].test


def test_an_empty_specie_name_is_an_anomaly_and_a_good_one_may_have_any(meta):
    def change(content):
        content["test"]["tubes"][1]["specie_name"] = ""
        content["test"]["tubes"][0]["specie_name"] = "ok"

    edit(meta, change)
    tubes = read_meta(meta)[1]
    assert [sample.defect for sample in tubes.test] == ["good", "anomaly"]


def test_without_masks_there_are_none(meta):
    edit(meta, lambda content: content["test"]["tubes"][1].update(mask_path=""))
    assert read_meta(meta)[1].test[1].mask is None


def test_some_masks_only_are_refused(meta):
    extra = meta.parent / "tubes" / "test" / "anomalous" / "001.png"
    save_picture(extra)
    entry = {"img_path": "tubes/test/anomalous/001.png", "anomaly": 1}
    edit(meta, lambda content: content["test"]["tubes"].append(entry))
    refuse(meta, r"anomalous/001\.png has no mask, others of its category have")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"img_path": "../x.png"}, r"test/tubes\[0\]: the path '\.\./x\.png' leaves"),
        ({"img_path": "/etc/passwd"}, r"the path '/etc/passwd' leaves"),
        ({"img_path": "tubes/none.png"}, r"test/tubes\[0\]: there is no file .*tubes/none\.png"),
        ({"img_path": "tubes/test"}, r"there is no file .*tubes/test;"),
        ({"img_path": "tubes/train/good/000.png"}, r"is listed already .*train/tubes\[0\]"),
        ({"img_path": 7}, r"img_path, mask_path and specie_name must be text"),
        ({"anomaly": 2}, r"test/tubes\[0\]: anomaly is 2; expected 0 or 1"),
        ({"anomaly": "1"}, r"anomaly is '1'; expected 0 or 1"),
        ({"anomaly": 1}, r"specie_name 'good' and anomaly 1"),
        ({"anomaly": 1, "specie_name": "x", "mask_path": ".."}, r"the path '\.\.' leaves"),
        ({"anomaly": 1, "specie_name": "x", "mask_path": "no.png"}, r"there is no file .*no\.png"),
        ({"anomaly": 1, "specie_name": "x", "mask_path": "x" * 5000}, r"there is no file .*xxx"),
    ],
)
def test_the_first_wrong_entry_is_named(meta, change, message):
    edit(meta, lambda content: content["test"]["tubes"][0].update(change))
    refuse(meta, message)


@pytest.mark.parametrize("key", ["img_path", "anomaly"])
def test_a_missing_key_is_named(meta, key):
    edit(meta, lambda content: content["train"]["tubes"][1].pop(key))
    refuse(meta, rf"train/tubes\[1\] has no '{key}'")


def test_a_defective_picture_to_teach_from_is_refused(meta):
    edit(meta, lambda c: c["train"]["tubes"][0].update(anomaly=1, specie_name="bent"))
    refuse(meta, r"train/tubes\[0\]: .* is defective and in the train split")


def test_a_category_only_in_the_test_split_is_refused(meta):
    edit(meta, lambda content: content["train"].pop("tubes"))
    refuse(meta, "tubes has no good pictures in its train split")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no JSON"),
        ("[]", r"is no meta\.json"),
        ('{"train": {}}', r"is no meta\.json"),
        ('{"train": [], "test": {}}', "train: expected a list of entries for each category"),
        ('{"train": {"a": {}}, "test": {}}', "train/a: expected a list of entries"),
        ('{"train": {"a": ["x.png"]}, "test": {}}', r"train/a\[0\]: expected an entry"),
        ('{"train": {"a": [], "a": []}, "test": {}}', "the key 'a' appears twice"),
        ('{"train": {}, "test": {}}', "lists no pictures"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_something_else_is_refused(tmp_path, text, message):
    (tmp_path / "meta.json").write_text(text)
    refuse(tmp_path / "meta.json", message)


def test_a_file_that_is_no_utf_8_is_refused(tmp_path):
    (tmp_path / "meta.json").write_bytes(b'{"train": "\xe4"}')
    refuse(tmp_path / "meta.json", "is not UTF-8")


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(ArtefactNotFoundError, match="there is no file"):
        read_meta(tmp_path / "meta.json")


def test_pictures_outside_the_lists_folder_are_refused(tmp_path):
    categories = find_categories(save_mpdd(tmp_path / "mpdd"))
    with pytest.raises(InputError, match="does not lie below"):
        write_meta(tmp_path / "lists" / "meta.json", categories)
    assert not (tmp_path / "lists").exists()
    write_meta(tmp_path / "meta.json", categories)
    (found, _) = read_meta(tmp_path / "meta.json")
    assert found.test == categories[0].test
    assert found.folder == tmp_path


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    categories = find_categories(save_mpdd(tmp_path))
    (tmp_path / "meta.json").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*meta\.json"):
        write_meta(tmp_path / "meta.json", categories)


def test_an_older_list_stays_when_a_new_one_cannot_be_made(meta):
    before = meta.read_bytes()
    category = find_categories(meta)[0]
    outside = dataclasses.replace(category, train_good=(meta.parent.parent / "x.png",))
    with pytest.raises(InputError):
        write_meta(meta, (outside,))
    assert meta.read_bytes() == before
