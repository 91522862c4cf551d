"""The runtime's tests on other Python versions, each in a virtual environment of its own.

    python tests/other_pythons.py 3.10 3.12

3.10 is what JetPack 6 brings, 3.12 what JetPack 7 does.  A version that is not on this machine is
said to be left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = "cpu,video,archive"
TEST_NEEDS = ("pytest>=8.2", "hypothesis>=6.100", "scipy>=1.11")


def find_python(version: str) -> Path | None:
    """Return an interpreter of this version: on the PATH, or one of pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    on_path = shutil.which(f"python{version}")
    candidates = [*([Path(on_path)] if on_path else []), *pyenv.glob(f"{version}.*/bin/python")]
    for python in candidates:
        # A shim of pyenv is there whether or not its version is chosen.
        question = [str(python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        done = subprocess.run(question, capture_output=True, text=True, check=False)
        if done.stdout.strip() == version:
            return python
    return None


def make_environment(python: Path, folder: Path, *wanted: str) -> Path:
    """Return the Python of a virtual environment in ``folder`` with ``wanted`` installed."""
    subprocess.run([str(python), "-m", "venv", "--without-pip", str(folder)], check=True)
    own = folder / "bin" / "python"
    # This Python's pip serves the other one: a pip of its own takes longer than the rest.
    command = [sys.executable, "-m", "pip", "--python", str(own), "install", "--quiet"]
    subprocess.run([*command, "--no-compile", *wanted], check=True)
    return own


def own_environment() -> dict[str, str]:
    """Return this process's environment without what would lead Python to other packages."""
    return {name: v for name, v in os.environ.items() if not name.startswith("PYTHON")}


def main(versions: list[str]) -> int:
    failed = []
    for version in versions:
        python = find_python(version)
        if python is None:
            print(f"Python {version}: not on this machine, left out")
            continue
        print(f"Python {version}: {python}", flush=True)
        folder = ROOT / f".venv-{version}"
        own = make_environment(python, folder, f"{ROOT}[{EXTRAS}]", *TEST_NEEDS)
        # The installed package is tested, from a folder where no other can be found.
        command = [own, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ROOT]
        command += ["-c", ROOT / "pyproject.toml", ROOT / "tests" / "runtime"]
        done = subprocess.run(
            [str(part) for part in command], cwd=folder, env=own_environment(), check=False
        )
        if done.returncode:
            failed.append(version)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
