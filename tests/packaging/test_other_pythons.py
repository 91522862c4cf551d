"""The wheel on the Pythons of JetPack 6 and 7; ``make test-pythons`` runs all tests of the runtime.

Versions that are not on this machine are skipped; ``make lint`` checks the source of all versions.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from other_pythons import find_python, make_environment, own_environment

BUNDLE = Path(__file__).parents[1] / "runtime" / "data" / "tiny_bundle"

SMOKE = """
import importlib, pkgutil, sys
import numpy as np
import res2clip_runtime
from res2clip_runtime import Bundle, Inspector

optional = {
    "asyncua", "cryptography", "starlette", "uvicorn",
    "av", "cv2", "pyarrow", "ray", "openvino", "tensorrt", "pycuda",
}
for module in pkgutil.walk_packages(res2clip_runtime.__path__, "res2clip_runtime."):
    if module.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(module.name)
    except ImportError as err:
        if err.name not in optional and getattr(err, "package", None) not in optional:
            raise
noise = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
with Inspector(Bundle.load(sys.argv[1])) as inspector:
    recipe = inspector.teach(list(noise[:2]), product="washer")
    print(inspector.inspect(noise[2], recipe).decision.value)
"""


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("version", ["3.10", "3.12"])
def test_wheel_imports_teaches_and_inspects(version: str, wheel: Path, tmp_path: Path) -> None:
    python = find_python(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    own = make_environment(python, tmp_path / "venv", f"{wheel}[cpu]")
    done = subprocess.run(
        [str(own), "-W", "error", "-c", SMOKE, str(BUNDLE)],
        cwd=tmp_path,
        env=own_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in {"OK", "NG"}
