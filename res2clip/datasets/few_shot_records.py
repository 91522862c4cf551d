"""Exact references: which good pictures a few-shot experiment taught from.

    {"<category>": ["bottle/train/good/012.png", ...], ...}

Instead of a path there may be an object with ``img_path``, as in ``meta.json``. This is what
Res2CLIP's authors pass as ``--ref_json``. The paths are those of the machine that wrote the file;
a prefix is replaced, and then they have to lie in the data's folder.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from res2clip.datasets.index import file_within
from res2clip.datasets.json_file import read_json
from res2clip_runtime.errors import InputError

__all__ = ["parse_prefix", "read_few_shot_records"]


def parse_prefix(text: str) -> tuple[str, str]:
    """Return (old, new) of ``OLD=NEW``; NEW may be empty: the data's folder.

    Raises:
        InputError: there is no ``=``, or nothing before it.
    """
    old, equals, new = text.partition("=")
    if not (old and equals):
        raise InputError(f"--records-prefix is '{text}'; give OLD=NEW, such as ./data/mvtec=")
    return old, new


def read_few_shot_records(
    file: Path, *, root: Path, prefix: tuple[str, str] | None = None
) -> Mapping[str, tuple[Path, ...]]:
    """Return the references of each category, in the file's order.

    Args:
        file: the records.
        root: the data's folder, where relative paths start.
        prefix: (old, new): whole folders at the start of every path, and what stands there instead.

    Raises:
        ArtefactNotFoundError: there is no such file.
        InputError: it holds no records, or the first path that is wrong: without the prefix,
            outside ``root``, missing, or twice in a category.
    """
    content = read_json(file)
    if not isinstance(content, dict) or not content:
        raise InputError(
            f'{file} holds no few-shot records: expected {{"category": ["path", ...], ...}}'
        )
    return {
        category: _references(listed, root, prefix, where=f"{file}, {category}")
        for category, listed in content.items()
    }


def _references(
    listed: Any, root: Path, prefix: tuple[str, str] | None, *, where: str
) -> tuple[Path, ...]:
    if not isinstance(listed, list) or not listed:
        raise InputError(f"{where}: expected a list of paths, one or more")
    found: list[Path] = []
    for number, item in enumerate(listed):
        here = f"{where}[{number}]"
        text = item.get("img_path") if isinstance(item, dict) else item
        if not isinstance(text, str):
            raise InputError(f"{here}: expected a path, or an object with img_path")
        path = file_within(root, _remapped(text, prefix, here), where=here)
        if path in found:
            raise InputError(f"{here}: {path} is listed twice; remove one")
        found.append(path)
    return tuple(found)


def _remapped(text: str, prefix: tuple[str, str] | None, where: str) -> str:
    if prefix is None:
        return text
    path, old = posixpath.normpath(text), posixpath.normpath(prefix[0])
    if path != old and not path.startswith(old.rstrip("/") + "/"):
        raise InputError(
            f"{where}: the path {text!r} does not start with {prefix[0]!r}; correct "
            "--records-prefix OLD=NEW"
        )
    return posixpath.join(prefix[1], path[len(old) :].lstrip("/"))
