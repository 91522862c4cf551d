"""``res2clip-run cameras`` beside real and emulated cameras."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from line.components import gentl_simulator, pylon_emulation
from line.components.gige_camera import GigeCamera, need_aravis
from line.components.private_network import PrivateNetwork

from res2clip_runtime.sources.v4l2 import list_devices


def cameras(*arguments: str, network: PrivateNetwork, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        network.command([sys.executable, "-m", "res2clip_runtime.cli", "cameras", *arguments]),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), **(env or {})},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_camera_is_listed_with_what_to_give() -> None:
    need_aravis()
    pytest.importorskip("pypylon", reason="the extra 'pylon' is not installed")
    producer = gentl_simulator.producer()
    env = pylon_emulation.environment(2)
    with (
        PrivateNetwork() as network,
        GigeCamera(serial="HALL3", prefix=network.command([])),
    ):
        answer = cameras("--json", "--cti", str(producer), network=network, env=env)
        text = cameras("--cti", str(producer), network=network, env=env)
    found = {kind["kind"]: kind for kind in json.loads(answer)}
    assert list(found) == ["v4l2", "aravis", "pylon", "gentl"]
    assert {"place": "gige://127.0.0.1", "name": "Aravis Fake HALL3", "note": ""} in found[
        "aravis"
    ]["cameras"]
    pylon = [camera["place"] for camera in found["pylon"]["cameras"]]
    assert pylon == ["pylon://0815-0000", "pylon://0815-0001"]
    gentl = [camera["place"] for camera in found["gentl"]["cameras"]]
    assert gentl[0] == f"gentl:{producer}#VikyTL_DEV_red"
    assert len(gentl) == 3
    assert len(found["v4l2"]["cameras"]) == len(list_devices())
    assert "--camera gige://127.0.0.1  Aravis Fake HALL3" in text


def test_producers_that_the_makers_announce_are_asked() -> None:
    folder = gentl_simulator.producer().parent
    with PrivateNetwork() as network:
        env = {"GENICAM_GENTL64_PATH": f"/nowhere{os.pathsep}{folder}"}
        answer = cameras("--json", network=network, env=env)
    (gentl,) = (kind for kind in json.loads(answer) if kind["kind"] == "gentl")
    assert [c["place"].partition("#")[2] for c in gentl["cameras"]] == [
        f"VikyTL_DEV_{colour}" for colour in ("red", "green", "blue")
    ]


def test_what_is_not_installed_is_said_with_the_command(tmp_path: Path) -> None:
    """Modules of these names that cannot be imported stand for packages that are not there."""
    for name in ("cv2", "gi", "pypylon", "harvesters"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not here')\n")
    search = os.pathsep.join([str(tmp_path), *(path for path in sys.path if path)])
    with PrivateNetwork() as network:
        env = {"PYTHONPATH": search}
        answer = json.loads(cameras("--json", "--cti", "x.cti", network=network, env=env))
        text = cameras("--cti", "x.cti", network=network, env=env)
    problems = {kind["kind"]: kind["problem"] for kind in answer}
    assert "pip install 'res2clip[camera]'" in problems["v4l2"]
    assert "apt-get install python3-gi gir1.2-aravis-0.8" in problems["aravis"]
    assert "--system-site-packages" in problems["aravis"]
    assert "pip install 'res2clip[pylon]'" in problems["pylon"]
    assert "pip install 'res2clip[gentl]'" in problems["gentl"]
    assert text.count("cannot look") == 4
