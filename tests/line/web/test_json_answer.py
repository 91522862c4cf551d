"""JSON that every reader takes."""

from __future__ import annotations

import json

from res2clip_runtime.web.json_answer import json_bytes


def test_numbers_that_json_does_not_have_become_null() -> None:
    values = {"a": [1.5, float("nan"), {"b": float("inf")}], "c": (float("-inf"), "ä", None)}
    assert json.loads(json_bytes(values)) == {"a": [1.5, None, {"b": None}], "c": [None, "ä", None]}


def test_text_that_is_no_unicode_does_no_harm() -> None:
    assert json_bytes({"name": "a\ud800b"}) == b'{"name":"a\\ud800b"}'
