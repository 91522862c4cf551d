"""Gathers res2clip and all it needs as wheels, for installing on a machine without internet.

    python deploy/wheelhouse.py --extras cpu,video --out wheelhouse
    python3.10 deploy/wheelhouse.py --extras cpu,video --machine aarch64 --glibc 2.35

Run it with the Python version of the machine the wheels are for: pip chooses by the Python that
runs it.  Without --machine the wheels are for a machine like this one, and what comes as source
only (pycuda) is built here.  The folder holds the wheels and ``requirements.txt`` with the sha256
of each; on the other machine:

    pip install --no-index --find-links wheelhouse --require-hashes -r wheelhouse/requirements.txt
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    options = parse()
    check_target(options.out)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.out.parent, prefix=".wheelhouse.") as folder:
        wheels = Path(folder) / "wheels"
        own = build_own(wheels)
        gather(wheels, f"{own}[{options.extras}]", machine=options.machine, glibc=options.glibc)
        lines = requirements(wheels, options.extras)
        (wheels / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        shutil.rmtree(options.out, ignore_errors=True)
        wheels.replace(options.out)
    size_mb = sum(path.stat().st_size for path in options.out.iterdir()) / 1e6
    print(f"{options.out}: {len(lines)} wheels, {size_mb:.0f} MB")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--extras", default="cpu", help="extras of res2clip, with commas")
    parser.add_argument("--out", type=Path, default=Path("wheelhouse"), help="folder to write")
    parser.add_argument("--machine", choices=["x86_64", "aarch64"], help="where it will run")
    parser.add_argument("--glibc", default="2.35", help="with --machine: its C library (2.35)")
    return parser.parse_args()


def check_target(out: Path) -> None:
    """Refuse a folder that holds something else than an older wheelhouse."""
    if not out.exists():
        return
    foreign = [
        path.name
        for path in (out.iterdir() if out.is_dir() else [out])
        if path.suffix != ".whl" and path.name != "requirements.txt"
    ]
    if foreign:
        sys.exit(f"{out} holds something else ({foreign[0]}); choose another folder (--out)")


def build_own(wheels: Path) -> Path:
    """Return res2clip's own wheel, built from this checkout."""
    pip("wheel", "--no-deps", "--wheel-dir", wheels, ROOT)
    (own,) = wheels.glob("res2clip-*.whl")
    return own


def gather(wheels: Path, wanted: str, *, machine: str | None, glibc: str) -> None:
    """Put ``wanted`` and what it needs into ``wheels``."""
    if machine is None:
        pip("wheel", "--wheel-dir", wheels, wanted)
        return
    if platform.machine() != machine:
        print(f"wheels for {machine}, untried here: this is {platform.machine()}", file=sys.stderr)
    tags = [argument for tag in platform_tags(machine, glibc) for argument in ("--platform", tag)]
    pip("download", "--only-binary=:all:", *tags, "--dest", wheels, wanted)


def platform_tags(machine: str, glibc: str) -> list[str]:
    """Return the tags a machine with this C library takes; pip itself only takes them one by one.

    manylinux_2_N runs on any C library from 2.N on (PEP 600).
    """
    major, minor = (int(part) for part in glibc.split("."))
    if major != 2 or minor < 17:
        sys.exit(f"--glibc is {glibc}, expected 2.17 or newer")
    tags = [f"manylinux_2_{n}_{machine}" for n in range(minor, 16, -1)]
    return [*tags, f"manylinux2014_{machine}", f"linux_{machine}"]


def requirements(wheels: Path, extras: str) -> list[str]:
    """Return a line with name, version and sha256 for every wheel."""
    lines = []
    for path in sorted(wheels.glob("*.whl")):
        name, version = path.name.split("-")[:2]
        chosen = f"[{extras}]" if name == "res2clip" else ""
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        lines.append(f"{name.replace('_', '-')}{chosen}=={version} --hash=sha256:{digest}")
    return lines


def pip(*arguments: object) -> None:
    command = [sys.executable, "-m", "pip", *map(str, arguments), "--quiet"]
    if subprocess.run(command, check=False).returncode:
        sys.exit("pip failed; what it said is above")


if __name__ == "__main__":
    main()
