from __future__ import annotations

import json

import pytest
from tiny_datasets import save_mpdd

from res2clip.datasets import parse_prefix, read_few_shot_records
from res2clip_runtime.errors import ArtefactNotFoundError, InputError


@pytest.fixture
def root(tmp_path):
    return save_mpdd(tmp_path / "mpdd")


def records(root, content):
    file = root.parent / "records.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def good(number, prefix=""):
    return f"{prefix}tubes/train/good/{number:03}.png"


def test_references_keep_the_files_order(root):
    file = records(root, {"tubes": [good(1), good(0)], "connector": [{"img_path": good(0)}]})
    found = read_few_shot_records(file, root=root)
    assert list(found) == ["tubes", "connector"]
    assert found["tubes"] == (root / good(1), root / good(0))
    assert found["connector"] == (root / good(0),)


@pytest.mark.parametrize(
    ("written", "prefix"),
    [
        ("./data/mpdd/", "./data/mpdd="),
        ("data/mpdd/", "./data/mpdd/="),
        ("/home/them/mpdd/", "/home/them/mpdd=."),
        ("/home/them/", "/home/them={root}"),
        ("/", "/="),
        ("them/of/", "them=sub/.."),
    ],
)
def test_the_prefix_of_another_machine_is_replaced(root, written, prefix):
    if "of/" in written:
        (root / "of").symlink_to(root)
    file = records(root, {"tubes": [good(0, written)]})
    old_new = parse_prefix(prefix.format(root=root))
    (path,) = read_few_shot_records(file, root=root, prefix=old_new)["tubes"]
    assert path.samefile(root / good(0))


def test_only_whole_folders_are_a_prefix(root):
    file = records(root, {"tubes": [good(0, "data/mpdd_old/")]})
    with pytest.raises(InputError, match=r"tubes\[0\].*does not start with 'data/mpdd'"):
        read_few_shot_records(file, root=root, prefix=("data/mpdd", ""))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "holds no few-shot records"),
        ([good(0)], "holds no few-shot records"),
        ({"tubes": []}, "tubes: expected a list of paths"),
        ({"tubes": good(0)}, "tubes: expected a list of paths"),
        ({"tubes": [good(0), 3]}, r"tubes\[1\]: expected a path"),
        ({"tubes": [{"path": good(0)}]}, r"tubes\[0\]: expected a path"),
        ({"tubes": [good(0), good(9)]}, r"tubes\[1\]: there is no file .*009\.png"),
        ({"tubes": [good(0), "./" + good(0)]}, r"tubes\[1\]: .*000\.png is listed twice"),
        ({"tubes": ["../x.png"]}, r"tubes\[0\]: the path '\.\./x\.png' leaves"),
        ({"tubes": ["/home/them/x.png"]}, r"the path '/home/them/x\.png' leaves"),
        ('{"tubes": [], "tubes": []}', "the key 'tubes' appears twice"),
        ("nonsense", "no JSON"),
    ],
)
def test_the_first_wrong_record_is_named(root, content, message):
    with pytest.raises(InputError, match=message) as caught:
        read_few_shot_records(records(root, content), root=root)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("new", ["..", "/etc"])
def test_a_new_prefix_cannot_lead_outside(root, new):
    file = records(root, {"tubes": [good(0, "old/")]})
    with pytest.raises(InputError, match="leaves the data's folder"):
        read_few_shot_records(file, root=root, prefix=("old", new))


def test_a_missing_file_is_said_to_be_missing(root):
    with pytest.raises(ArtefactNotFoundError, match="there is no file"):
        read_few_shot_records(root / "none.json", root=root)


@pytest.mark.parametrize("text", ["data", "=data", ""])
def test_a_prefix_needs_an_equals_sign(text):
    with pytest.raises(InputError, match="give OLD=NEW"):
        parse_prefix(text)
