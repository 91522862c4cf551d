from __future__ import annotations

import dataclasses
import os
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn_parts import save_parts

from res2clip_runtime.errors import ArtefactNotFoundError, InputError, SourceError
from res2clip_runtime.picture_archive import RecipeBook, Worklist
from res2clip_runtime.picture_archive.listing import ListedPicture, list_pictures
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.sources.picture_paths import find_pictures


def listed(place: Path, text: str, name: str = "list.csv") -> list[ListedPicture]:
    (place / name).write_text(text, encoding="utf-8")
    return list(list_pictures(str(place / name)))


def names(pictures: Iterable[ListedPicture]) -> list[tuple[str, str | None]]:
    return [(picture.path, picture.product) for picture in pictures]


def book_of(recipe: Recipe, *products: str) -> RecipeBook:
    recipes = {name: dataclasses.replace(recipe, product=name) for name in products}
    return RecipeBook(recipes=recipes, sha256=dict.fromkeys(products, "0"))


def test_folder_is_listed_with_subfolders_in_the_order_of_the_run(tmp_path: Path) -> None:
    for name in ("b", "a/x", "a-b", "a/.hidden", "c.png"):
        save_parts(tmp_path / name, 2)
    (tmp_path / "a" / "notes.txt").touch()
    found = [picture.path for picture in list_pictures(str(tmp_path))]
    assert found == [str(path) for path in find_pictures(str(tmp_path), subfolders=True).paths]
    assert len(found) == 8


def test_glob_and_single_picture_are_listed(good: Path) -> None:
    assert len(list(list_pictures(f"{good}/00[12].png"))) == 2
    assert names(list_pictures(str(good / "001.png"))) == [(str(good / "001.png"), None)]


def test_empty_folder_and_missing_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no pictures"):
        list(list_pictures(str(tmp_path)))
    with pytest.raises(ArtefactNotFoundError, match="nothing at"):
        list(list_pictures(str(tmp_path / "nowhere")))


def test_csv_keeps_its_order_and_its_text(tmp_path: Path) -> None:
    text = "\ufeffproduct,path,shift\n007,b.png,1\n,a.png,2\nnut,a.png\n"
    assert names(listed(tmp_path, text)) == [("b.png", "007"), ("a.png", None), ("a.png", "nut")]


def test_csv_without_products_is_a_list(tmp_path: Path) -> None:
    assert names(listed(tmp_path, 'path\n"x, y.png"\n')) == [("x, y.png", None)]


def test_parquet_keeps_its_order(tmp_path: Path) -> None:
    products = pa.array(["nut", None, "washer"]).dictionary_encode()
    table = pa.table({"id": [1, 2, 3], "product": products, "path": ["c.png", "a.png", "b.png"]})
    pq.write_table(table, tmp_path / "list.parquet", row_group_size=2)
    found = names(list_pictures(str(tmp_path / "list.parquet")))
    assert found == [("c.png", "nut"), ("a.png", None), ("b.png", "washer")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'path'"),
        ("file,product\na.png,nut\n", "it has: file, product"),
        ("path;product\na.png;nut\n", "separated by commas"),
        ("path,product\na.png,nut\n,nut\n", "line 3: there is no path"),
        ("product,path\nnut\n", "line 2: there is no path"),
        ("path\ns3://bucket/a.png\n", "line 2: s3://bucket/a.png is no local path"),
        ("path\na\0.png\n", "line 2: the path holds a null character|NUL"),
    ],
)
def test_list_that_cannot_be_used_is_refused_with_the_line(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        listed(tmp_path, text)


def test_list_of_no_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has no rows"):
        listed(tmp_path, "path,product\n")


def test_csv_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes("path\nStück.png\n".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8"):
        list(list_pictures(str(tmp_path / "list.csv")))


def test_parquet_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.parquet"
    path.write_bytes(b"PAR1 but no more")
    with pytest.raises(InputError, match="cannot be read as a Parquet list"):
        list(list_pictures(str(path)))
    pq.write_table(pa.table({"file": ["a.png"]}), path)
    with pytest.raises(InputError, match="it has: file"):
        list(list_pictures(str(path)))
    pq.write_table(pa.table({"path": ["a.png", None]}), path)
    with pytest.raises(InputError, match="row 2: there is no path"):
        list(list_pictures(str(path)))


def test_relative_paths_are_relative_to_the_list(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    pictures = listed(tmp_path, "path\nin/a.png\n/data/b.png\n../c.png\n")
    with Worklist(pictures, book_of(recipe, "nut").product_of) as worklist:
        (shard,) = worklist.shards([0], size=10)
    assert [item.path for item in shard.items] == ["in/a.png", "/data/b.png", "../c.png"]
    assert [item.file for item in shard.items] == [
        f"{tmp_path}/in/a.png",
        "/data/b.png",
        f"{tmp_path.parent}/c.png",
    ]


def test_picture_listed_twice_is_one_picture_and_counted(tmp_path: Path, recipe: Recipe) -> None:
    rows = "path,product\na.png,nut\nb.png,nut\n./a.png,nut\na.png,washer\nx/../b.png,nut\n"
    book = book_of(recipe, "nut", "washer")
    with Worklist(listed(tmp_path, rows), book.product_of) as worklist:
        assert (worklist.count, worklist.duplicates) == (3, 2)
        first, second = worklist.shards([0, 1], size=2)
    assert [(i.path, i.product) for i in (*first.items, *second.items)] == [
        ("a.png", "nut"), ("b.png", "nut"), ("a.png", "washer"),
    ]  # fmt: skip


def test_the_hash_tells_lists_apart(tmp_path: Path, recipe: Recipe) -> None:
    book = book_of(recipe, "nut", "washer")
    texts = ["a,nut\nb,nut", "b,nut\na,nut", "a,nut\nb,washer", "a,nut", "a,nut\na,nut\nb,nut"]
    hashes = [
        Worklist(listed(tmp_path, f"path,product\n{text}\n"), book.product_of).sha256
        for text in texts
    ]
    assert len(set(hashes[:4])) == 4
    assert hashes[4] == hashes[0]


def test_name_that_is_no_utf8_is_kept(tmp_path: Path, recipe: Recipe) -> None:
    raw = os.fsencode(tmp_path) + b"/\xff.png"
    os.close(os.open(raw, os.O_CREAT | os.O_WRONLY))
    with Worklist(list_pictures(str(tmp_path)), book_of(recipe, "nut").product_of) as worklist:
        (shard,) = worklist.shards([0], size=1)
    assert os.fsencode(shard.items[0].file) == raw


def test_only_recipe_judges_what_names_no_product(tmp_path: Path, recipe: Recipe) -> None:
    (picture,) = listed(tmp_path, "path\na.png\n")
    assert book_of(recipe, "nut").product_of(picture) == "nut"
    with pytest.raises(InputError, match=r"list.csv, line 2: no product .*several recipes \(nut, "):
        book_of(recipe, "nut", "washer").product_of(picture)


def test_product_without_a_recipe_is_refused_with_its_line(tmp_path: Path, recipe: Recipe) -> None:
    pictures = listed(tmp_path, "path,product\na.png,nut\nb.png,bolt\n")
    with pytest.raises(InputError, match=r"line 3: there is no recipe of product 'bolt' \(given: "):
        Worklist(pictures, book_of(recipe, "nut").product_of)


def test_two_recipes_of_one_product_are_refused(tmp_path: Path, recipe: Recipe) -> None:
    for name in ("a", "b"):
        recipe.save(tmp_path / name)
    with pytest.raises(InputError, match=r"b: there is another recipe of 'washer'"):
        RecipeBook.load([tmp_path / "a", tmp_path / "b"])


def test_a_long_list_is_not_held_in_memory(tmp_path: Path, recipe: Recipe) -> None:
    rows = (
        ListedPicture(f"pictures/{number:09}.png", tmp_path, None, "list")
        for number in range(20_000)
    )
    tracemalloc.start()
    with Worklist(rows, book_of(recipe, "nut").product_of) as worklist:
        for shard in worklist.shards(range(200), size=100):
            assert len(shard.items) == 100
        _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
