"""docs/line.md and docs/reliability.md, held to the code."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from line.components.child import await_true
from line.components.gige_camera import need_aravis
from line.components.private_network import PrivateNetwork
from line.components.running_line import search_path

from res2clip_runtime.service.config import CameraTable, LineTable, ModelTable
from res2clip_runtime.service.recipe_file import RecipeFile

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "line.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("table", [LineTable, ModelTable, RecipeFile, CameraTable])
def test_every_key_is_described(table: type) -> None:
    for field in dataclasses.fields(table):
        assert f"`{field.name}`" in PAGE, f"{table.__name__}.{field.name} is not in docs/line.md"


@pytest.mark.parametrize(
    ("heading", "table"),
    [
        ("### `[line]`", LineTable),
        ("### `[model]`", ModelTable),
        ("### `[[camera]]`", CameraTable),
    ],
)
def test_defaults_in_the_tables_are_those_of_the_code(heading: str, table: type) -> None:
    section = PAGE.partition(heading)[2].partition("\n### ")[0]
    shown = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", section, flags=re.MULTILINE))
    assert shown
    defaults = {field.name: field.default for field in dataclasses.fields(table)}
    for name, text in shown.items():
        assert json.loads(text) == defaults[name], name


def test_tests_that_the_page_names_exist() -> None:
    page = (DOCS / "reliability.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    assert named
    for name in named:
        assert (Path(__file__).parent / f"{name}.py").exists(), name
    for place in re.findall(r"`(tests/[\w/]+)`", page):
        assert any((DOCS.parent / path).exists() for path in (place, f"{place}.py")), place


def test_four_commands_of_the_page_give_verdicts(
    tmp_path: Path, recipe_file: Path, bundle: Path
) -> None:
    """In a network of its own; the model is installed, as the page takes for granted."""
    need_aravis()
    block = PAGE.partition("## Four commands")[2].partition("\n## ")[0]
    commands = [line[4:] for line in block.splitlines() if line.startswith("    ")]
    assert len(commands) == 4
    shutil.copy(recipe_file, tmp_path / "washer.recipe.safetensors")
    shutil.copytree(bundle, tmp_path / "data" / "res2clip" / "bundles" / "tiny")
    alias = f'res2clip-run() {{ {sys.executable} -m res2clip_runtime.cli "$@"; }}'
    *first, last = commands
    script = "\n".join(["set -e", alias, *first, f"exec {sys.executable} -m res2clip_runtime.cli"
                        f"{last.removeprefix('res2clip-run')}"])  # fmt: skip
    env = {**os.environ, "PYTHONPATH": search_path(), "XDG_DATA_HOME": str(tmp_path / "data")}
    results = tmp_path / "results" / "results.jsonl"
    with (
        PrivateNetwork() as network,
        (tmp_path / "out").open("wb") as out,
        subprocess.Popen(
            network.command(["bash", "-c", script]),
            cwd=tmp_path,
            stdout=out,
            stderr=out,
            env=env,
            start_new_session=True,
        ) as process,
    ):
        try:
            await_true(
                lambda: (
                    (results.exists() and results.read_bytes().count(b"\n") >= 3)
                    or process.poll() is not None
                ),
                "three verdicts",
            )
            assert process.poll() is None, (tmp_path / "out").read_text()
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # the camera in the background, too
    printed = (tmp_path / "out").read_text()
    assert re.search(r"^ok +camera top", printed, flags=re.MULTILINE)
    assert re.search(r"^NG ", printed, flags=re.MULTILINE)
