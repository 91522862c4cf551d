"""What an operator does with the page: look, teach, set the threshold, go through NG parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from line.components.mjpeg_server import MjpegServer
from line.components.page_line import recipe_table, save_film
from line.components.page_view import PHONE

from res2clip_runtime.recipe import Recipe


@pytest.fixture
def mixed(tmp_path: Path):
    """A camera that sees eleven good parts and a scratched one, again and again."""
    film = save_film(tmp_path / "mixed", *range(10, 22), scratched=[20])
    with MjpegServer(film, fps=8) as camera:
        yield camera


def pixels(page) -> str:
    """What the browser shows as the picture, as a text to compare."""
    return page.tab.evaluate(
        """() => {
        const image = document.getElementById('picture');
        const canvas = document.createElement('canvas');
        canvas.width = canvas.height = 32;
        canvas.getContext('2d').drawImage(image, 0, 0, 32, 32);
        return canvas.toDataURL();
    }"""
    )


def test_product_is_taught_from_the_live_view_and_inspected_at_once(
    make_line, view, camera
) -> None:
    with make_line(camera.url) as line:
        page = view(line)
        page.await_lamp("empty")
        page.expect("#panel-teach").to_be_visible()
        page.await_picture()
        page.expect("#teach").to_be_disabled()
        for _ in range(4):
            page.click("#freeze-teach")
            page.expect("#tag").to_have_text("FROZEN")
            page.click("#accept")
            page.expect("#tag").to_have_text("LIVE")
        page.expect("#tray-count").to_have_text("4 good parts")
        page.expect("#tray li").to_have_count(4)
        page.click("#tray li:nth-child(2) .take-out")
        page.expect("#tray li").to_have_count(3)
        page.tab.keyboard.press("f")
        page.expect("#tag").to_have_text("FROZEN")
        page.await_picture()
        page.judge("frozen")
        frozen = pixels(page)
        page.tab.wait_for_timeout(400)
        assert pixels(page) == frozen
        page.click("#discard")
        page.expect("#tray li").to_have_count(3)
        page.await_true("document.querySelector('#tray img').naturalWidth > 0")
        page.find("#product-name").fill("disc 40")
        page.judge("teach")
        page.click("#teach")
        page.expect("#toasts").to_contain_text("Taught disc 40 from 3 parts")
        page.await_true("['ok', 'ng'].includes(document.getElementById('lamp').dataset.kind)")
        page.expect("#product").to_have_value("disc 40")
        (file,) = (line.folder / "page" / "recipes").iterdir()
        assert Recipe.load(file).product == "disc 40"
        page.click("#tab-teach")
        page.expect("#references-word").to_have_text("disc 40 was taught with 3 good parts")
        page.await_true("document.querySelector('#references img').naturalWidth > 0")


def test_tray_outlives_a_page_that_is_loaded_again_and_a_product_is_replaced_only_on_demand(
    make_line, view, camera, washer: Path
) -> None:
    with make_line(camera.url, washer) as line:
        page = view(line)
        page.await_lamp("ok")
        page.click("#tab-teach")
        for _ in range(2):
            page.click("#freeze-teach")
            page.click("#accept")
        page.expect("#tray li").to_have_count(2)
        page.tab.reload(wait_until="domcontentloaded")
        page.await_lamp("ok")
        page.click("#tab-teach")
        page.expect("#tray li").to_have_count(2)
        page.find("#product-name").fill("washer")
        page.click("#teach")
        page.expect("#replace").to_be_visible()
        page.judge("replace")
        page.click("#replace button[value=no]")
        page.expect("#tray li").to_have_count(2)
        assert len(Recipe.load(washer).references) == 4
        page.click("#teach")
        page.click("#replace button[value=yes]")
        page.expect("#toasts").to_contain_text("Taught washer from 2 parts")
        assert len(Recipe.load(washer).references) == 2


def test_picture_is_live_and_the_heat_map_can_be_put_away(make_line, view, mixed, washer) -> None:
    with make_line(mixed.url, washer) as line:
        page = view(line)
        page.await_lamp("ok")
        page.await_picture()
        before = pixels(page)
        page.await_true("document.getElementById('picture').naturalWidth === 320")
        page.tab.wait_for_timeout(600)
        assert pixels(page) != before
        page.click("#heat")
        page.expect("#heat").to_have_attribute("aria-pressed", "false")
        page.expect("#picture").to_have_attribute("src", "/api/live.mjpg?heat=0")
        page.tab.keyboard.press("h")
        page.expect("#picture").to_have_attribute("src", "/api/live.mjpg?heat=1")


def test_threshold_is_tried_on_the_last_parts_then_applied(make_line, view, mixed, washer) -> None:
    with make_line(mixed.url, washer) as line:
        page = view(line)
        page.await_lamp("ng")
        page.click("#adjust")
        page.expect("#preview").to_contain_text("NG, as now")
        page.expect("#apply").to_be_disabled()
        before = float(page.tab.input_value("#threshold-number"))
        page.tab.evaluate(
            """() => { const slider = document.getElementById('slider');
            slider.value = slider.min;
            slider.dispatchEvent(new Event('input', {bubbles: true})); }"""
        )
        page.expect("#preview").to_contain_text("NG instead of")
        page.expect("#preview-changed").to_contain_text("OK would be NG, 0 NG would be OK")
        page.judge("threshold")
        page.click("#reset")
        page.expect("#preview").to_contain_text("NG, as now")
        page.find("#threshold-number").fill("0.9")
        page.expect("#preview").to_contain_text("0 NG instead of")
        assert Recipe.load(washer).thresholds != {}
        page.click("#apply")
        page.expect("#toasts").to_contain_text("→ 0.900, from the next part on")
        page.expect("#threshold-now").to_have_text("0.900")
        (threshold,) = Recipe.load(washer).thresholds.values()
        assert (threshold.score, before < 0.9) == (0.9, True)
        page.click("#adjust")
        page.expect("#threshold-panel").to_be_hidden()


def test_threshold_of_the_configuration_cannot_be_set_here(
    make_line, view, mixed, washer: Path
) -> None:
    table = recipe_table(washer, threshold=0.4)
    with make_line(mixed.url, tables=(table,)) as line:
        page = view(line)
        page.await_lamp("ok")
        page.click("#adjust")
        page.find("#threshold-number").fill("0.5")
        page.expect("#threshold-why").to_contain_text("The configuration gives")
        page.expect("#apply").to_be_disabled()


def test_ng_parts_are_kept_with_pictures_and_labelled(make_line, view, mixed, washer) -> None:
    with make_line(mixed.url, washer) as line:
        page = view(line)
        page.expect("#ng-none").to_be_hidden
        page.click("#tab-ng")
        page.await_true("document.querySelectorAll('#ng-list .thumb').length > 1")
        page.click("#ng-list li:last-child .thumb")
        page.expect("#tag").to_contain_text("NG ")
        page.await_picture()
        hot = pixels(page)
        page.click("#heat")
        page.await_true("document.getElementById('picture').src.endsWith('heat=0')")
        page.await_true("document.getElementById('picture').complete")
        assert pixels(page) != hot
        page.click("#heat")
        page.judge("ng-history")
        page.click("#tab-part")
        page.find("#comment").fill("only dust")
        page.expect("#missed").to_be_disabled()
        page.click("#was-good")
        page.expect("#toasts").to_contain_text("was good")
        page.click("#tab-ng")
        page.expect("#ng-list .label").to_have_text("was good")
        page.tab.keyboard.press("Escape")
        page.expect("#tag").to_have_text("LIVE")
        audit = (line.folder / "page" / "audit.jsonl").read_text(encoding="utf-8")
        (entry,) = [json.loads(text) for text in audit.splitlines()]
        assert (entry["what"], entry["label"], entry["comment"]) == (
            "feedback",
            "good",
            "only dust",
        )
        assert len(list((line.folder / "page" / "feedback").rglob("*.png"))) == 1


def test_missed_part_is_chosen_on_the_score_strip(make_line, view, camera, washer) -> None:
    with make_line(camera.url, washer) as line:
        page = view(line)
        page.await_true("document.getElementById('strip').ariaLabel.includes('Last 8 parts')")
        page.find("#strip").focus()
        page.tab.keyboard.press("ArrowRight")
        page.expect("#part-heading").to_contain_text("is selected")
        first = page.tab.inner_text("#part-number")
        page.tab.keyboard.press("ArrowLeft")
        page.expect("#part-number").to_contain_text(str(int(first.split()[0]) - 1))
        page.expect("#missed-of").to_contain_text(f"part {int(first.split()[0]) - 1} is bad")
        page.expect("#was-good").to_be_disabled()
        page.tab.keyboard.press("m")
        page.expect("#toasts").to_contain_text("was missed")
        assert len(list((line.folder / "page" / "feedback").rglob("*.png"))) == 1
        page.click("#unselect")
        page.expect("#part-heading").to_have_text("Latest part")
        page.find("#strip").click(position={"x": 500, "y": 60})
        page.expect("#part-heading").to_contain_text("is selected")


def test_line_tab_tells_of_cameras_outputs_and_times(make_line, view, camera, washer) -> None:
    tables = ('[jsonl]\nfolder = "results"',)
    with make_line(camera.url, washer, tables=tables) as line:
        page = view(line)
        page.await_lamp("ok")
        page.tab.keyboard.press("4")
        page.expect("#ready-word").to_have_text("Ready")
        page.expect("#cameras-list").to_contain_text("top")
        page.expect("#outputs-list").to_contain_text("jsonl")
        page.expect("#line-latency").to_contain_text("encoder")
        page.expect("#counts").to_contain_text("OK")
        page.judge("line")


def test_keys_are_listed_and_can_be_turned_off(make_line, view, camera, washer) -> None:
    with make_line(camera.url, washer) as line:
        page = view(line)
        page.await_lamp("ok")
        page.tab.keyboard.press("?")
        page.expect("#help-dialog").to_be_visible()
        page.judge("help")
        page.click("#help-dialog .primary")
        page.tab.keyboard.press("l")
        page.await_true("document.body.classList.contains('big-lamp')")
        page.judge("big-lamp")
        page.tab.keyboard.press("Escape")
        page.await_true("!document.body.classList.contains('big-lamp')")
        page.click("#help")
        page.find("#keys-on").uncheck()
        page.tab.keyboard.press("Escape")
        page.tab.keyboard.press("4")
        page.expect("#panel-part").to_be_visible()
        page.find("#tab-part").focus()
        page.tab.keyboard.press("ArrowRight")
        page.expect("#panel-ng").to_be_visible()


def test_everything_to_touch_is_large_enough_on_a_phone(make_line, view, mixed, washer) -> None:
    with make_line(mixed.url, washer) as line:
        page = view(line)
        page.await_lamp("ng")
        page.tab.set_viewport_size(PHONE)
        page.click("#adjust")
        small = page.tab.evaluate(
            """() => [...document.querySelectorAll('button, select, input')]
            .filter((one) => one.offsetParent && one.type !== 'checkbox')
            .filter((one) => one.getBoundingClientRect().height < 48)
            .map((one) => one.id || one.outerHTML)"""
        )
        assert small == []


def test_page_that_nobody_sees_asks_for_nothing(make_line, view, camera, washer) -> None:
    with make_line(camera.url, washer) as line:
        page = view(line)
        page.await_lamp("ok")
        hide = """(hidden) => {
            Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
            document.dispatchEvent(new Event('visibilitychange')); }"""
        page.tab.evaluate(hide, True)
        page.await_true("!document.getElementById('picture').hasAttribute('src')")
        page.await_lamp("connecting")
        page.tab.evaluate(hide, False)
        page.await_lamp("ok")
        page.await_picture()
