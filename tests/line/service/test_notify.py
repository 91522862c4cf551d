"""sd_notify on a real socket, and a watchdog that is fed only while the inspection moves."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from line.components.child import await_true
from line.components.failing_model import FailingModel, Gate
from line.components.line_of import CollectedLine

from res2clip_runtime.bundle import Bundle
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.service.bundle_watch import BundleWatch
from res2clip_runtime.service.config import CameraTable
from res2clip_runtime.service.housekeeping import keep_house
from res2clip_runtime.service.notify import Notifier
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.service.settings import LineSettings


class Systemd:
    """The receiving end, as systemd has it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self._socket.setblocking(False)
        self.messages: list[str] = []

    def heard(self) -> list[str]:
        while True:
            try:
                self.messages.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return self.messages

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["file", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    place = str(tmp_path / "n") if request.param == "file" else f"@res2clip-{os.getpid()}"
    heard = Systemd(place)
    yield heard
    heard.close()


def test_states_arrive_as_systemd_wants_them(systemd: Systemd) -> None:
    with Notifier({"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "2000000"}) as notifier:
        assert notifier.watchdog_s == 2.0
        notifier.status("loading\nthe model")
        notifier.ready()
        notifier.alive()
        notifier.stopping()
    assert systemd.heard() == ["STATUS=loading the model", "READY=1", "WATCHDOG=1", "STOPPING=1"]


def test_without_systemd_nothing_happens() -> None:
    with Notifier({}) as notifier:
        notifier.ready()
        assert notifier.watchdog_s is None


def test_socket_that_is_gone_is_only_a_warning(tmp_path: Path) -> None:
    with Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}) as notifier:
        notifier.ready()


def test_watchdog_of_another_process_is_not_ours() -> None:
    assert Notifier({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog_s is None


def test_hanging_inspection_starves_the_watchdog_and_an_idle_one_does_not(
    inspector: Inspector, book: RecipeBook, parts: Path, bundle: Path, tmp_path: Path
) -> None:
    systemd = Systemd(str(tmp_path / "n"))
    gate = Gate()
    model = FailingModel(inspector.stages, gate)
    settings = LineSettings(mode="trigger", deadline_ms=100, drain_s=5)
    run = CollectedLine(model, book, CameraTable(source=str(parts)), settings=settings)
    ended = threading.Event()
    environment = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "400000"}
    with Notifier(environment) as notifier, run:
        house = threading.Thread(
            target=keep_house,
            args=(run.line,),
            kwargs={
                "notifier": notifier,
                "bundle": BundleWatch(Bundle.load(bundle)),
                "stop": ended.is_set,
                "reload": book.reload,
            },
        )
        house.start()
        try:
            await_true(lambda: systemd.heard().count("WATCHDOG=1") >= 4, "an idle line is alive")
            run.line.trigger("hangs")
            assert gate.reached.wait(20)
            run.await_verdicts(1)  # ERROR by the deadline, so the beat before it is long past
            await_true(lambda: _still(systemd), "the watchdog starves")
            before = systemd.heard().count("WATCHDOG=1")
            gate.open()
            await_true(
                lambda: systemd.heard().count("WATCHDOG=1") > before, "it is alive once more"
            )
        finally:
            gate.open()
            ended.set()
            house.join()
    assert any(message.startswith("STATUS=inspecting washer") for message in systemd.heard())
    systemd.close()


def _still(systemd: Systemd) -> bool:
    """Return whether no sign of life comes for as long as systemd would wait."""
    before = systemd.heard().count("WATCHDOG=1")
    threading.Event().wait(0.5)
    return systemd.heard().count("WATCHDOG=1") == before


def test_bundle_that_is_swapped_underneath_is_said_once(
    bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import shutil

    copy = shutil.copytree(bundle, tmp_path / "bundle")
    watch = BundleWatch(Bundle.load(copy))
    assert watch.check()
    (copy / "encoder.onnx").write_bytes(b"other")
    assert not watch.check()
    assert not watch.check()
    assert caplog.text.count("was changed") == 1
