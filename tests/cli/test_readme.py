"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from res2clip.drawing import Product, draw

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
MODULES = {"res2clip": "res2clip.cli", "res2clip-run": "res2clip_runtime.cli"}


@pytest.mark.slow
def test_the_python_example_runs(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    for place, seed, defect in (("good/1", 1, None), ("good/2", 2, None), ("parts/17", 3, "chip")):
        path = tmp_path / f"{place}.png"
        path.parent.mkdir(exist_ok=True)
        drawing = draw(Product("flange"), seed=seed, size_px=256, defect=defect)
        Image.fromarray(drawing.image_rgb_u8).save(path)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] in {"OK", "NG"}


def commands() -> list[tuple[str, str, list[str]]]:
    """(program, sub-command or "", options) of every command line in the README."""
    found = []
    for program, rest in re.findall(r"(?:^    +|`)(res2clip(?:-run)?) ([^`\n#]+)", README, re.M):
        words = rest.split()
        name = words[0] if re.fullmatch(r"[a-z]+", words[0]) else ""
        found.append((program, name, re.findall(r"(?<!\S)--[a-z-]+", rest)))
    return found


def test_every_option_the_readme_names_exists() -> None:
    seen = commands()
    assert {("res2clip", "teach"), ("res2clip", "export"), ("res2clip-run", "")} <= {
        (program, name) for program, name, _ in seen
    }
    helps: dict[tuple[str, str], str] = {}
    for program, name, options in seen:
        if (program, name) not in helps:
            code = f"from {MODULES[program]} import main; main()"
            arguments = [sys.executable, "-c", code, *([name] if name else []), "--help"]
            done = subprocess.run(arguments, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{program} {name}: {done.stderr}"
            helps[program, name] = done.stdout
        for option in options:
            assert option in helps[program, name], f"{program} {name} {option}"


def test_every_file_the_readme_links_to_is_there() -> None:
    root = Path(__file__).parents[2]
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (root / target).exists(), target
