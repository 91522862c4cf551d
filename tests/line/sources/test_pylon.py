"""Basler cameras through pypylon, from pylon's own emulation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from drawn_parts import save_parts
from line.components import pylon_emulation
from line.components.private_network import PrivateNetwork


class Pylon:
    def __init__(self, network: PrivateNetwork, folder: Path) -> None:
        self._network, self._folder = network, folder

    def call(self, function: str):
        return self._network.call(
            "line.sources.pylon_scenarios",
            function,
            str(self._folder),
            env=pylon_emulation.environment(2),
        )


@pytest.fixture
def pylon(tmp_path: Path) -> Iterator[Pylon]:
    pytest.importorskip("pypylon", reason="the extra 'pylon' is not installed")
    with PrivateNetwork() as network:
        yield Pylon(network, save_parts(tmp_path / "parts", 3))


def test_pictures_come_in_order_and_bit_for_bit(pylon: Pylon) -> None:
    seen = pylon.call("plays_pictures")
    assert seen["names"] == ["000.png", "001.png", "002.png", "000.png", "001.png"]
    assert seen["describe"] == "Basler Emulation 0815-0000 (96 x 80 px, RGB8Packed, pylon)"


def test_free_run_gives_new_pictures_with_names_and_times(pylon: Pylon) -> None:
    seen = pylon.call("free_run")
    assert set(seen["names"]) == {"000.png", "001.png", "002.png"}
    assert len(set(seen["ids"])) == 6
    assert seen["moments"] == sorted(seen["moments"])


def test_a_failed_buffer_is_counted_and_never_given(pylon: Pylon) -> None:
    seen = pylon.call("failed_buffers")
    assert seen["damaged"] == 2
    assert seen["first"].endswith(".png")


def test_a_camera_with_only_failed_buffers_is_lost(pylon: Pylon) -> None:
    assert "only damaged pictures" in pylon.call("only_failed_buffers")


def test_nothing_comes_without_the_trigger_and_one_picture_with_it(pylon: Pylon) -> None:
    seen = pylon.call("trigger")
    assert seen == {"before": None, "first": "000.png", "after": None, "waits": True}


def test_what_the_camera_does_not_take_is_named(pylon: Pylon) -> None:
    seen = pylon.call("refusals")
    assert "No device is available" in seen["serial"]
    assert "4711" in seen["serial"]
    assert "exposure_us" in seen["exposure"]
    assert "RGB16Packed is not known" in seen["format"]
    assert "Line9" in seen["line"]
    assert "LensCap" in seen["feature"]
