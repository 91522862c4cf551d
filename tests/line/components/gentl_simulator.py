"""The GenTL producer with three simulated cameras that the package ``genicam`` brings."""

from __future__ import annotations

from pathlib import Path

import pytest


def producer() -> Path:
    """Return viky.cti: red, green and blue 400 x 400 px RGBa8 at about 20 a second."""
    genicam = pytest.importorskip("genicam", reason="the extra 'gentl' is not installed")
    path = Path(genicam.__file__).with_name("viky.cti")
    if not path.exists():
        pytest.skip("this machine's genicam wheel holds no simulator")
    return path
