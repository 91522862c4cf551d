"""The datasets command, on an application of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import typer
from tiny_datasets import save_loco, save_visa
from typer.testing import CliRunner

from res2clip.cli.datasets import datasets
from res2clip_runtime.cli.group import CommandGroup


@pytest.fixture
def run():
    application = typer.Typer(cls=CommandGroup)
    application.command()(datasets)
    application.command("other")(lambda: None)  # so that "datasets" is a command of its own
    return lambda *words: CliRunner().invoke(application, ["datasets", *map(str, words)])


def test_the_table_shows_every_category_and_the_sums(run, tmp_path):
    done = run(save_visa(tmp_path))
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.stdout.splitlines() if line.split()]
    assert ["candle", "visa", "2", "1", "2", "2", "anomaly", "2"] in rows
    assert ["all", "2", "4", "2", "4", "4", "1", "kind"] in rows


def test_json_has_the_same_numbers(run, tmp_path):
    done = run(save_loco(tmp_path), "--json")
    assert json.loads(done.stdout) == {
        "categories": [
            {
                "name": "pushpins",
                "layout": "mvtec_loco",
                "train_good": 2,
                "test_good": 1,
                "defective": 2,
                "masks": 2,
                "defects": {"logical_anomalies": 1, "structural_anomalies": 1},
            }
        ]
    }


def test_a_meta_json_is_written_once_and_replaced_only_with_force(run, tmp_path):
    root = save_visa(tmp_path)
    file = root / "meta.json"
    assert run(root, "--write-meta", file).exit_code == 0
    assert set(json.loads(file.read_text())["test"]) == {"candle", "pcb1"}
    file.write_text("mine")
    again = run(root, "--write-meta", file)
    assert again.exit_code == 1
    assert "exists already; replace it with --force" in again.stderr
    assert file.read_text() == "mine"
    assert run(root, "--write-meta", file, "--force").exit_code == 0
    assert run(file, "--json").exit_code == 0


def test_the_first_wrong_file_ends_it_with_one_line(run, tmp_path):
    root = save_visa(tmp_path)
    (root / "pcb1" / "Data" / "Images" / "Normal" / "0003.JPG").unlink()
    done = run(root)
    assert done.exit_code == 1
    assert done.stdout == ""
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert "line 9: there is no file" in line


def test_names_are_shown_and_not_read_as_markup(run, tmp_path):
    root = save_loco(tmp_path / "loco")
    (root / "pushpins").rename(root / "[red]pins")
    assert "[red]pins" in run(root).stdout


def test_it_needs_no_torch(tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None; from res2clip.cli import main; "
        f"sys.argv = ['res2clip', 'datasets', {str(save_loco(tmp_path))!r}, '--json']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["categories"][0]["name"] == "pushpins"
