"""A real line, as a process, that hostile clients of every kind are let loose on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from drawn_parts import draw_part, save_parts
from line.components.child import free_port
from line.components.mjpeg_server import MjpegServer
from line.fuzz.hostile_line import HostileLine

from res2clip_runtime.inspector import Inspector


@pytest.fixture(scope="session")
def target(
    inspector: Inspector, bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HostileLine]:
    """A line at a trigger; ``washer`` (recipe 1) finds its part good, ``strict`` (2) never."""
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    pytest.importorskip("uvicorn", reason="the extra 'web' is not installed")
    pytest.importorskip("asyncua", reason="the extra 'opcua' is not installed")
    pytest.importorskip("pymodbus", reason="the extra 'plc' is not installed")
    folder = tmp_path_factory.mktemp("hostile")
    for product in ("washer", "strict"):
        recipe = inspector.teach([draw_part(seed) for seed in range(4)], product=product)
        recipe.save(folder / f"{product}.recipe.safetensors")
    (threshold,) = recipe.thresholds.values()
    with ExitStack() as stack:
        film = stack.enter_context(MjpegServer(save_parts(folder / "film", 1, first_seed=10)))
        ports = (free_port(), free_port(), free_port())
        line = HostileLine(folder, film.url, bundle=bundle, ports=ports, threshold=threshold.score)
        yield stack.enter_context(line)


@pytest.fixture
def level(target: HostileLine) -> Iterator[HostileLine]:
    """The line, which must not have grown or complained when the test is over."""
    target.check_plc()
    target.check_page()
    threads, descriptors, memory = target.threads, target.descriptors, target.memory_mb
    complaints, events = len(target.complaints()), target.log.count("\n")
    yield target
    target.check_plc()
    target.check_page()
    target.await_descriptors(descriptors + 1)
    assert target.threads <= threads + 3  # decoders come and go; a leak would be dozens
    assert target.memory_mb < memory + 60
    assert target.complaints()[complaints:] == []
    assert target.log.count("\n") < events + 40, "a client fills the disk"
    assert target.process.poll() is None
