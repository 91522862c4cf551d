"""docs/http.md, held to the code."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

from res2clip_runtime.web import WebConfig
from res2clip_runtime.web.endpoints import ENDPOINTS

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "http.md").read_text(encoding="utf-8")


def test_every_key_is_described_with_its_default() -> None:
    keys = PAGE.partition("## Keys")[2].partition("\n## ")[0]
    shown = dict(re.findall(r"^\| `(\w+)` \| (`[^`]+`|-) \|", keys, flags=re.MULTILINE))
    fields = {field.name: field.default for field in dataclasses.fields(WebConfig)}
    assert set(shown) == set(fields)
    for name, text in shown.items():
        if text == "-":
            assert not fields[name], name
        else:
            default = fields[name]
            default = str(default) if isinstance(default, Path) else default
            assert json.loads(text.strip("`")) == default, name


def test_every_route_is_described() -> None:
    for endpoint in ENDPOINTS:
        place = re.sub(r"\{.*", "", endpoint.path)
        shown = f"{endpoint.method} {place}" if "static" not in place else "`/static/..."
        assert shown in PAGE, endpoint


def test_tests_that_the_page_on_reliability_names_exist() -> None:
    page = (DOCS / "reliability.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`tests/line/web/(test_\w+)`", page))
    assert named
    for name in named:
        assert (Path(__file__).parent / f"{name}.py").exists(), name
