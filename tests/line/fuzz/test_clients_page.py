"""The programs of docs/clients.md, taken out of the page, compiled and run against a real line."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from drawn_parts import save_parts
from line.fuzz.hostile_line import HostileLine

PAGE = Path(__file__).parents[3] / "docs" / "clients.md"


def program(file: str) -> str:
    """Return the page's program that is to be saved as ``file``."""
    text = PAGE.read_text(encoding="utf-8")
    assert text.count(f"`{file}`") == 1
    found = re.search(r"```\w+\n(.*?)```", text.partition(f"`{file}`")[2], re.DOTALL)
    assert found is not None
    return found[1]


def printed(*command: object, ends_with: int = 0) -> list[str]:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == ends_with, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def scratched(tmp_path: Path) -> Path:
    (picture,) = save_parts(tmp_path / "s", 1, first_seed=20, scratched=True).iterdir()
    return picture


def test_python_client_works_as_printed(
    target: HostileLine, tmp_path: Path, scratched: Path
) -> None:
    target.check_page()
    (tmp_path / "client.py").write_text(program("res2clip_client.py"))
    ready, part, picture, first = printed(
        sys.executable, "-W", "error", tmp_path / "client.py", target.url, scratched
    )
    assert ready == "ready: True product: washer"
    assert part.strip() == "part 1: OK good: True"
    assert re.fullmatch(r"picture: NG regions: [1-9]\d*", picture)
    assert re.fullmatch(r"first result: \d+ (OK|NG)", first)


def test_python_client_calls_nothing_good_that_it_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text(program("res2clip_client.py"))
    said = printed(
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from client import Line; "
        "print([Line.verdict(*v)['good'] for v in [(200, {'decision': 'OK'}), (202, "
        "{'decision': 'OK'}), (504, {}), (500, {'decision': 'OK'}), (200, {}), "
        "(200, {'decision': 'NG'})]])",
    )
    assert said == ["[True, False, False, False, False, False]"]


def test_csharp_client_compiles_and_works_as_printed(
    target: HostileLine, tmp_path: Path, scratched: Path
) -> None:
    if not (shutil.which("mcs") and shutil.which("mono")):
        pytest.skip("no C# compiler: apt install mono-mcs mono-runtime (make system-packages)")
    target.check_page()
    source = tmp_path / "Res2ClipClient.cs"
    source.write_text(program("Res2ClipClient.cs"))
    command = re.search(r"`mcs (.*?) Res2ClipClient\.cs`", PAGE.read_text(encoding="utf-8"))
    assert command is not None
    printed("mcs", *command[1].split(), "-warnaserror", source)
    said = printed("mono", source.with_suffix(".exe"), target.url, scratched)
    # Results are printed as they come, between the other lines.
    streamed = [text for text in said if text.startswith("streamed: ")]
    ready, part, picture = (text for text in said if text not in streamed)
    assert ready == "ready: True product: washer"
    assert part.strip() == "part 1: OK good: True"
    assert re.fullmatch(r"picture: NG regions: [1-9]\d*", picture)
    assert streamed == ["streamed: part 1 OK", "streamed: part 2 OK"]


def test_opcua_client_works_as_printed(target: HostileLine, tmp_path: Path) -> None:
    pytest.importorskip("asyncua", reason="the extra 'opcua' is not installed")
    (tmp_path / "client.py").write_text(program("res2clip_opcua.py"))
    address = f"opc.tcp://127.0.0.1:{target.opcua}/res2clip"
    for product, answer in (("strict", "NG good: False"), ("washer", "OK good: True")):
        (said,) = printed(sys.executable, tmp_path / "client.py", address, product)
        assert said.strip() == f"part 1: {answer}"
