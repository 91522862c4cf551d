"""docs/security.md names tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PAGE = (_ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def functions_in(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, functions)}


def test_every_test_that_the_page_names_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", _PAGE)
    assert len(named) > 50
    missing = [f"{file}::{test}" for file, test in named if test not in functions_in(_ROOT / file)]
    assert missing == []


def test_every_threat_has_a_test() -> None:
    protected, _, _ = _PAGE.partition("## What is not protected")
    rows = [row for row in protected.splitlines() if row.startswith("| ")]
    threats = [row for row in rows if row.count(" | ") == 2 and "| threat |" not in row]
    assert len(threats) > 35
    assert [row for row in threats if "`tests/" not in row] == []
