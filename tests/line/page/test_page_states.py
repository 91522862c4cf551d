"""What the page shows when all is well, when nothing is there yet, and when something breaks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from line.components.child import free_port
from line.components.failing_model import FailingModel
from line.components.line_of import CollectedLine
from line.components.mjpeg_server import MjpegServer
from line.components.page_line import save_film
from line.components.plc import Plc
from mosquitto_broker import USER, Broker
from tls_files import make_tls_files

from res2clip_runtime.errors import BackendError
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.service.config import CameraTable
from res2clip_runtime.service.recipe_book import RecipeBook
from res2clip_runtime.service.recipe_file import RecipeFile

SCRATCH_IS_SEEN = """(() => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [320, 240];
    const pen = canvas.getContext('2d');
    pen.drawImage(document.getElementById('picture'), 0, 0, 320, 240);
    const [red, green, blue] = pen.getImageData(130, 49, 1, 1).data;
    return red > 200 && green > 200 && blue < 170;
})()"""


def drop_part(folder: Path, name: str, seed: int, **kind: bool) -> None:
    """A picture appears in a watched folder, as a camera's software leaves it there."""
    film = save_film(folder.parent / f"draft-{name}", seed, scratched=[seed] if kind else [])
    shutil.move(film / "000.png", folder / f"{name}.png")


def test_empty_line_says_what_to_do_first_and_shows_the_camera(make_line, view, camera) -> None:
    with make_line(camera.url) as line:
        page = view(line)
        detail = page.await_lamp("empty")
        assert "few good parts" in detail
        page.await_picture()
        page.expect("#tag").to_have_text("LIVE")
        page.expect("#product").to_be_disabled()
        page.expect("#panel-teach").to_be_visible()
        page.judge("empty")
        page.click("#tab-part")
        page.click("#teach-now")
        page.expect("#panel-teach").to_be_visible()
        page.expect("#freeze-teach").to_be_enabled()


def test_line_of_several_products_wants_one_to_be_chosen(
    make_line, view, camera, washer: Path, nut: Path
) -> None:
    with make_line(camera.url, washer, nut) as line:
        page = view(line)
        page.await_lamp("choose")
        page.judge("choose")
        page.find("#product").select_option("nut")
        page.await_lamp("ok")
        page.expect("#product").to_have_value("nut")
        page.find("#product").select_option("washer")
        page.await_true("document.title.includes('washer')")
        page.await_lamp("ok")
        assert "product nut is chosen" in line.running.log


def test_line_that_waits_for_triggers_is_not_green_before_the_first(
    make_line, view, camera, washer: Path
) -> None:
    with make_line(camera.url, washer, line='mode = "trigger"') as line:
        page = view(line)
        page.await_lamp("waiting")
        page.expect("#strip-empty").to_be_visible()
        page.judge("waiting")
        page.click("#trigger")
        page.await_lamp("ok")
        page.tab.keyboard.press("t")
        page.await_true("document.getElementById('part-number').textContent === '2'")


def test_ok_and_ng_are_seen_and_a_stale_ok_does_not_stay_green(
    make_line, view, tmp_path: Path, washer: Path
) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    with make_line(f"watch:{parts}", washer) as line:
        page = view(line)
        page.await_lamp("waiting")
        drop_part(parts, "b", 11)
        detail = page.await_lamp("ok")
        assert "Part 1: score" in detail
        page.judge("ok")
        drop_part(parts, "c", 20, scratched=True)
        detail = page.await_lamp("ng")
        assert "is above" in detail
        page.click("#heat")
        page.await_true(SCRATCH_IS_SEEN)  # of this part, not of the one before
        page.click("#heat")
        page.await_picture()
        page.judge("ng")
        for number in range(8):
            drop_part(parts, f"d{number}", 12 + number)
        page.await_lamp("ok")
        detail = page.await_lamp("waiting")
        assert "Last part: OK" in detail
        page.judge("stale")


def test_ng_part_that_passes_quickly_is_held_on_the_lamp(
    make_line, view, tmp_path: Path, washer: Path
) -> None:
    film = save_film(tmp_path / "film", *range(10, 40), scratched=[20])
    with MjpegServer(film, fps=12) as camera, make_line(camera.url, washer) as line:
        page = view(line)
        page.await_lamp("ok")
        page.await_lamp("ng")
        held = "document.getElementById('lamp').dataset.kind === 'ng' && "
        page.await_true(held + "document.getElementById('part-decision').textContent === 'OK'")
        page.await_lamp("ok")


def test_error_has_a_look_of_its_own_and_says_why(make_line, view, camera, unsure: Path) -> None:
    with make_line(camera.url, unsure) as line:
        page = view(line)
        detail = page.await_lamp("error")
        assert "no threshold" in detail
        page.judge("error")


def test_lost_camera_is_a_fault_and_comes_back_by_itself(
    make_line, view, camera: MjpegServer, bad_film: Path, washer: Path
) -> None:
    with make_line(camera.url, washer) as line:
        page = view(line)
        page.await_lamp("ok")
        page.await_picture()
        camera.kill()
        detail = page.await_lamp("fault")
        assert "top" in detail
        page.expect("#banners .bad").to_contain_text("Camera top is lost")
        page.expect("#tag").to_have_text("NOT LIVE")
        page.expect("#veil-word").to_contain_text("Camera top is lost")
        page.expect("#chip-cameras").to_have_attribute("data-mood", "bad")
        page.judge("camera-lost")
        with MjpegServer(bad_film, port=camera.port):
            page.await_lamp("ng")
            page.expect("#tag").to_have_text("LIVE")
            page.expect("#banners .bad").to_have_count(0)


def test_camera_can_be_chosen_and_the_lamp_shows_the_worst_of_all(
    make_line, view, camera: MjpegServer, bad_film: Path, washer: Path
) -> None:
    with MjpegServer(bad_film, fps=5) as other:
        side = f'[[camera]]\nname = "side"\nsource = "{other.url}"'
        with make_line(camera.url, washer, tables=(side,)) as line:
            page = view(line)
            detail = page.await_lamp("ng")
            assert detail.startswith("side: Part ")
            page.expect("#chip-cameras").to_contain_text("2 cameras")
            page.find("#camera").select_option("side")
            page.expect("#picture").to_have_attribute("src", "/api/live.mjpg?heat=1&camera=side")
            page.click("#heat")
            page.await_true(SCRATCH_IS_SEEN)
            page.find("#camera").select_option("top")
            page.await_picture()
            page.judge("two-cameras")
            other.kill()
            detail = page.await_lamp("fault")
            assert "side" in detail
            page.expect("#tag").to_have_text("LIVE")


def test_failing_model_is_a_fault_and_never_green(
    view, inspector: Inspector, good_film: Path, tmp_path: Path, washer: Path
) -> None:
    web = pytest.importorskip("res2clip_runtime.web", reason="the extra 'web' is not installed")
    broken: list[int] = []

    def fail(number: int) -> None:
        if broken:
            raise BackendError("the accelerator does not answer; start the line anew")

    model = FailingModel(inspector.stages, fail)
    book = RecipeBook([RecipeFile(file=washer)], inspector.stages)
    with MjpegServer(good_film, fps=10) as camera:
        table = CameraTable(name="top", source=camera.url)
        with CollectedLine(model, book, table) as collected:
            config = web.WebConfig(port=free_port(), folder=tmp_path / "page")
            line = collected.line
            with web.WebServer(config, line, add_sink=line.add_sink) as server:
                page = view(server.url)
                page.await_lamp("ok")
                broken.append(1)
                detail = page.await_lamp("fault")
                assert "the accelerator does not answer" in detail
                page.judge("model-failing")
                broken.clear()
                page.await_lamp("ok")
                page.expected_refusals = True


def test_lamp_is_grey_as_soon_as_the_line_is_gone_and_the_page_comes_back(
    make_line, view, camera, washer: Path
) -> None:
    with make_line(camera.url, washer) as line:
        page = view(line)
        page.await_lamp("ok")
        page.await_picture()
        page.expected_refusals = True
        line.kill()
        detail = page.await_lamp("disconnected")
        assert "Last part before that: OK" in detail
        page.expect("#banners .bad").to_contain_text("No link to the line since")
        page.expect("#tag").to_have_text("NOT LIVE")
        page.expect("#was-good, #freeze >> nth=0").to_be_disabled()
        page.judge("disconnected")
        line.start()
        page.await_lamp("ok")
        page.expect("#tag").to_have_text("LIVE")
        page.expect("#banners .bad").to_have_count(0)


def test_line_that_hangs_is_gone_too(make_line, view, camera, washer: Path) -> None:
    with make_line(camera.url, washer) as line:
        page = view(line)
        page.await_lamp("ok")
        page.expected_refusals = True
        line.running.freeze()
        page.await_lamp("disconnected")
        line.running.thaw()
        page.await_lamp("ok")


def test_broker_that_is_gone_is_said_and_inspection_goes_on(
    make_line, view, camera, washer: Path, tmp_path: Path
) -> None:
    pytest.importorskip("paho.mqtt", reason="the extra 'mqtt' is not installed")
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = Broker(folder, make_tls_files(tmp_path / "tls"))
    broker.start()
    table = "\n".join(
        ["[mqtt]", 'host = "127.0.0.1"', f"port = {broker.port}", f'username = "{USER}"',
         f'password_file = "{broker.password_file}"', "tls = true", f'ca_file = "{broker.ca_file}"']
    )  # fmt: skip
    try:
        with make_line(camera.url, washer, tables=(table,)) as line:
            page = view(line)
            page.await_lamp("ok")
            page.expect("#banners .banner").to_have_count(0)
            broker.kill()
            page.expect("#banners .warn").to_contain_text("Output mqtt is failing")
            page.expect("#banners .warn").to_contain_text("Inspection goes on")
            page.await_lamp("ok")
            page.click("#chip-outputs")
            page.expect("#outputs-list").to_contain_text("failing")
            page.judge("broker-gone")
            broker.start()
            page.expect("#banners .banner").to_have_count(0)
    finally:
        broker.kill()


def test_plc_that_is_gone_is_said_and_inspection_goes_on(
    make_line, view, camera, washer: Path
) -> None:
    pytest.importorskip("pymodbus", reason="the extra 'plc' is not installed")
    port = free_port()
    with make_line(camera.url, washer, tables=(f"[modbus]\nport = {port}",)) as line:
        page = view(line)
        page.await_lamp("ok")
        page.expect("#banners .warn").to_contain_text("no PLC is connected")
        plc = Plc(port)
        try:
            page.expect("#banners .warn").not_to_contain_text("no PLC is connected")
        finally:
            plc.close()
        page.expect("#banners .warn").to_contain_text("no PLC is connected")
        page.expect("#chip-controls").to_have_attribute("data-mood", "bad")
        page.await_lamp("ok")
        page.judge("plc-gone")
