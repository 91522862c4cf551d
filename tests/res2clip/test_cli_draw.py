"""The draw command, on an application of its own."""

from __future__ import annotations

import json
import sys

import pytest
import typer
from typer.testing import CliRunner

from res2clip.cli.draw import draw
from res2clip_runtime.errors import InputError, MissingExtraError

SMALL = ["--train", "1", "--count-good", "1", "--count-defect", "1", "--size", "32"]


@pytest.fixture
def app():
    application = typer.Typer()
    application.command()(draw)
    return application


def test_draw_prints_the_folders_it_made(app, tmp_path):
    done = CliRunner().invoke(
        app, ["--out", str(tmp_path), "--product", "nut", "--product", "washer_2", *SMALL]
    )
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == [str(tmp_path / "nut"), str(tmp_path / "washer_2")]
    assert (tmp_path / "washer_2" / "test" / "scratch" / "000.png").exists()


def test_draw_prints_json_for_programs(app, tmp_path):
    done = CliRunner().invoke(app, ["--out", str(tmp_path), "--json", "--format", "mvtec", *SMALL])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {
        "products": [{"product": "flange", "path": str(tmp_path / "flange"), "pictures": 9}]
    }


def test_draw_refuses_unknown_products_before_it_draws(app, tmp_path):
    done = CliRunner().invoke(app, ["--out", str(tmp_path / "x"), "--product", "teapot", *SMALL])
    assert isinstance(done.exception, InputError)
    assert not (tmp_path / "x").exists()


def test_draw_without_its_packages_names_the_extra(app, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "res2clip.drawing", None)
    done = CliRunner().invoke(app, ["--out", str(tmp_path), *SMALL])
    assert isinstance(done.exception, MissingExtraError)
    assert "res2clip[train]" in str(done.exception)
