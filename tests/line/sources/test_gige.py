"""GigE Vision through Aravis: the real protocol, from Aravis's fake camera."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from line.components.gige_camera import need_aravis
from line.components.private_network import PrivateNetwork

SCENARIOS = "line.sources.gige_scenarios"


@pytest.fixture
def network() -> Iterator[PrivateNetwork]:
    need_aravis()
    with PrivateNetwork() as network:
        yield network


@pytest.mark.parametrize("pixel_format", ["Mono8", "RGB8", "BayerRG8", "Mono16"])
def test_a_camera_gives_pictures_in_each_of_its_formats(
    network: PrivateNetwork, pixel_format: str
) -> None:
    seen = network.call(SCENARIOS, "free_run", pixel_format)
    assert seen["describe"] == f"Aravis Fake FAKE01 (320 x 240 px, {pixel_format}, Aravis)"
    assert seen["live"] is True
    assert seen["shapes"] == [[240, 320, 3]] * 4
    assert seen["dtypes"] == ["uint8"] * 4
    assert len(set(seen["ids"])) == 4
    assert seen["moments"] == sorted(seen["moments"])
    assert seen["device_ns"] == sorted(set(seen["device_ns"]))
    assert seen["moves"]
    assert seen["grey"] is pixel_format.startswith("Mono")
    assert seen["contrast"] > 100


def test_settings_are_taken_or_refused_with_their_name(network: PrivateNetwork) -> None:
    seen = network.call(SCENARIOS, "settings_taken_and_refused")
    assert seen["exposure"] is True
    assert "does not take a setting: PixelFormat = Bogus8" in seen["bogus format"]
    assert "InputError" in seen["bogus feature"]
    assert "LensCap" in seen["bogus feature"]
    assert "it has: Line0, Software" in seen["bogus line"]


def test_software_trigger_gives_one_picture_each_and_never_an_old_one(
    network: PrivateNetwork,
) -> None:
    seen = network.call(SCENARIOS, "software_trigger")
    assert (seen["waits"], seen["has_trigger"]) == (True, True)
    assert seen["before"] is None
    assert len(set(seen["ids"])) == 3
    assert seen["after"] is None
    assert seen["forgotten"] == 1
    assert seen["fresh"]
    assert seen["none left"] is None


def test_a_slow_reader_gets_a_new_picture_and_the_old_ones_are_counted(
    network: PrivateNetwork,
) -> None:
    seen = network.call(SCENARIOS, "slow_reader")
    assert seen["captured_before_s"] < 0.1, "it lay in a buffer"
    assert seen["dropped"] >= 8


def test_a_picture_that_lost_packets_is_never_given(network: PrivateNetwork) -> None:
    seen = network.call(SCENARIOS, "packet_loss", 2)
    assert seen["good"] > 0
    assert seen["damaged"] > 0
    assert seen["why"] == ""


def test_a_camera_that_only_loses_packets_is_lost(network: PrivateNetwork) -> None:
    seen = network.call(SCENARIOS, "packet_loss", 100)
    assert seen["good"] == 0
    assert "only damaged pictures" in seen["why"]


def test_a_camera_frozen_for_a_moment_goes_on(network: PrivateNetwork) -> None:
    seen = network.call(SCENARIOS, "freeze")
    assert seen["nothing"] is None
    assert seen["waited_s"] < 2.0, "the reader was held"
    assert seen["again"]


def test_a_killed_camera_is_lost_and_a_new_handle_finds_it_again(network: PrivateNetwork) -> None:
    seen = network.call(SCENARIOS, "kill_and_come_back")
    assert "is lost" in seen["lost"]
    assert "does not answer" in seen["down"]
    assert seen["again"]


def test_a_camera_is_found_by_its_id_or_as_the_first(network: PrivateNetwork) -> None:
    assert (
        network.call(SCENARIOS, "by_id") == ["Aravis Fake PORT7 (320 x 240 px, Mono8, Aravis)"] * 2
    )
