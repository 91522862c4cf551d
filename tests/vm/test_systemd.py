"""The unit as it ships, installed as its head says, under a real systemd with a real udev."""

from __future__ import annotations

from pathlib import Path

import pytest
from vm.systemd_machine import boot

pytestmark = pytest.mark.vm


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, bundle: Path, recipe_file: Path) -> dict:
    """What the machine answered; the tests look at one boot."""
    pytest.importorskip("cv2", reason="the extra 'camera' is not installed")
    folder = tmp_path_factory.mktemp("systemd")
    return boot(
        folder,
        "vm.unit_scenarios",
        "everything",
        bundle=bundle,
        recipe=recipe_file,
        timeout_s=1200,
    )


def test_unit_starts_at_the_boot_when_the_network_is_there(seen: dict) -> None:
    found = seen["boot"]
    assert found["enabled"] == "enabled"
    assert "network-online.target" in found["after"]
    assert found["network_s"] <= found["started_s"] < found["active_s"]
    assert found["restarts"] == 0, "the address to listen on was there at the first attempt"
    assert found["decision"] == "OK"


def test_it_runs_as_its_user_and_writes_for_its_group_only(seen: dict) -> None:
    assert seen["boot"]["user"] == "res2clip"
    assert seen["boot"]["results"] == {"user": "res2clip", "mode": "0o640"}


def test_rules_name_the_camera_and_give_it_to_the_group(seen: dict) -> None:
    assert seen["camera"] == {"leads to": "../../video0", "group": "video", "mode": "0o660"}


def test_camera_that_comes_back_under_another_number_is_found_by_its_name(
    seen: dict, measured
) -> None:
    found = seen["replugged"]
    assert found["before"] == "/dev/video0"
    assert found["after"] == "/dev/video1"
    assert (found["decision"], found["restarts"]) == ("OK", 0)
    measured("USB camera, another number", back=found["back_s"])


def test_ready_is_said_after_the_model_has_warmed_up(seen: dict) -> None:
    states = seen["start"]["states"]
    assert states[-1][0] == "active"
    assert {state for state, _ in states[:-1]} == {"activating"}
    assert ["activating", "loading the model"] in states
    assert states[-1][1] != "loading the model"


@pytest.mark.parametrize("fault", ["frozen process", "hanging model"])
def test_hang_ends_in_a_restart(seen: dict, fault: str, measured) -> None:
    found = seen[fault]
    assert any(event.endswith("Watchdog timeout (limit 20s)!") for event in found["events"])
    assert any("Failed with result 'watchdog'" in event for event in found["events"])
    assert (found["restarts"], found["another process"]) == (1, True)
    assert found["decision"] == "OK"
    assert found["last picture before"] < found["broken_at"], "nothing was judged meanwhile"
    assert any("Fatal Python error: Aborted" in event for event in found["events"]), "where it hung"
    measured(f"systemd, {fault}", noticed=found["noticed_s"], active=found["active_s"])


def test_model_that_hangs_is_told_before_the_watchdog_bites(seen: dict) -> None:
    (status,) = seen["hanging model"]["status"]
    assert "not ready: the inspection has not moved for" in status


def test_process_that_crashes_is_started_anew(seen: dict, measured) -> None:
    found = seen["crash"]
    assert any("/SEGV" in event for event in found["events"])
    assert (found["restarts"], found["another process"]) == (1, True)
    assert found["decision"] == "OK"
    measured("systemd, crash", noticed=found["noticed_s"], active=found["active_s"])


def test_systemd_never_gives_up_starting_it(seen: dict) -> None:
    found = seen["program away"]
    assert found["killed"]
    assert found["state"]["ActiveState"] == "activating"
    assert not found["given up"]
    assert found["decision"] == "OK"


@pytest.mark.parametrize("when", ["stop", "stop while the model hangs"])
def test_stop_is_polite_and_in_time(seen: dict, when: str, measured) -> None:
    found = seen[when]
    assert (found["ActiveState"], found["Result"]) == ("inactive", "success")
    assert (found["ExecMainStatus"], found["gone"], found["whole"]) == ("0", True, True)
    assert found["took_s"] < 30, "TimeoutStopSec"
    assert found.get("hang is said", True)
    measured(f"systemd, {when}", took=found["took_s"])


def test_commands_at_the_head_of_the_unit_work(seen: dict) -> None:
    assert len(seen["instructions"]) == 2
    for command, (code, text) in seen["instructions"].items():
        assert code == 0, f"{command}\n{text}"


def test_sandbox_lets_it_write_its_results_and_nothing_else(seen: dict) -> None:
    found = seen["sandbox"]
    assert (found["write state"], found["write tmp"]) == ("done", "done")
    for what in ("its configuration", "its program", "a folder open to all"):
        assert found[f"write {what}"] == "EROFS", what
    assert found["write var"] in ("EROFS", "EACCES")
    assert found["write a kernel setting"] in ("EROFS", "EACCES")
    assert found["read home"] == found["read root's home"] == "EACCES"
    assert found["others' /tmp"] == ["probe"]
    assert found["mode of its files"] == "0o640"


def test_sandbox_lets_it_use_cameras_and_networks_and_little_else(seen: dict) -> None:
    found = seen["sandbox"]
    for what in ("open camera", "AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"):
        assert found[what] == "done", what
    for what in ("AF_ALG", "AF_VSOCK"):
        assert found[what] == "EAFNOSUPPORT", what
    for what in ("mark as set-user-ID", "user namespace", "host name", "real time"):
        assert found[what] == "EPERM", what
    assert found["other users' processes"] == 0
    assert found["user"] != 0
    assert int(found["capabilities"], 16) == 0
    assert found["no new privileges"] == "1"
