"""What all tests of the line share: the checked-in model, opened once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from res2clip_runtime.bundle import Bundle
from res2clip_runtime.inspector import Inspector


@pytest.fixture(scope="session")
def bundle() -> Path:
    return Path(__file__).parents[1] / "runtime" / "data" / "tiny_bundle"


@pytest.fixture(scope="session")
def inspector(bundle: Path) -> Iterator[Inspector]:
    with Inspector(Bundle.load(bundle), threads=1) as inspector:
        yield inspector
