"""What is in the wheel: pinned, so that nothing ships by accident and nothing is forgotten."""

from __future__ import annotations

import re
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "res2clip": ROOT / "res2clip",
    "res2clip_export": ROOT / "export" / "res2clip_export",
    "res2clip_runtime": ROOT / "runtime" / "res2clip_runtime",
}
DATA_SUFFIXES = {
    *(".onnx", ".safetensors", ".json", ".html", ".css", ".js", ".svg", ".typed", ".txt"),
    *(".cu", ".cuh"),  # CUDA sources, compiled on the device
}
"""Files beside the Python ones that are meant to ship."""
LARGEST_BYTES = 20_000_000


@pytest.fixture(scope="session")
def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return sorted(archive.namelist())


def test_three_packages_ship_and_nothing_else(names: list[str]) -> None:
    tops = {name.split("/")[0] for name in names}
    (info,) = [top for top in tops if top.endswith(".dist-info")]
    assert tops == {*PACKAGES, info}


def test_every_file_of_the_packages_ships_and_only_those(names: list[str]) -> None:
    shipped = {name for name in names if ".dist-info/" not in name}
    expected = {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for package, folder in PACKAGES.items()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped == expected


def test_only_known_kinds_of_files_ship(names: list[str]) -> None:
    kinds = {Path(name).suffix for name in names if ".dist-info/" not in name}
    assert kinds <= {".py", *DATA_SUFFIXES}
    assert not [name for name in names if re.search(r"test|conftest|\.pkl$|\.pt$", name)]


def test_packaged_weights_are_there(names: list[str]) -> None:
    assert "res2clip/mini/mini.safetensors" in names
    assert "res2clip/mini/heads.safetensors" in names
    assert "res2clip_runtime/doctor/identity.onnx" in names


def test_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < LARGEST_BYTES


def test_metadata_names_licence_python_extras_and_commands(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (info,) = {n.split("/")[0] for n in archive.namelist() if ".dist-info/" in n}
        metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
        scripts = archive.read(f"{info}/entry_points.txt").decode()
        assert f"{info}/licenses/LICENSE" in archive.namelist()
    assert metadata["Name"] == "res2clip"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.10"
    extras = set(metadata.get_all("Provides-Extra"))
    assert {"cpu", "gpu", "train", "export", "video", "camera", "archive", "ray", "dev"} <= extras
    assert "res2clip = res2clip.cli:main" in scripts
    assert "res2clip-run = res2clip_runtime.cli:main" in scripts


def test_base_install_brings_neither_torch_nor_an_engine(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (path,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        metadata = Parser().parsestr(archive.read(path).decode())
    base = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    names = {re.split(r"[ <>=!~\[;]", line)[0] for line in base}
    # tomli is in the standard library from 3.11 on.
    (tomli,) = [line for line in base if line.startswith("tomli")]
    assert 'python_version < "3.11"' in tomli.replace("'", '"')
    assert names - {"tomli"} == {"numpy", "pillow", "rich", "safetensors", "typer"}
