"""Makes docs/images/page-*.png: the page at work on drawn flanges.

    PYTHONPATH=tests python tests/line/page/docs_pictures.py --bundle DIR

DIR is the exported mini (`res2clip export --out DIR`). Needs chromium and playwright; takes a
minute. Look at what it has made before it is committed.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

from line.components.mjpeg_server import MjpegServer
from line.components.page_line import PageLine
from line.components.page_view import BROWSER, OPTIONS, PANEL_PC, PHONE, PageView
from PIL import Image

IMAGES = Path(__file__).parents[3] / "docs" / "images"
GOOD = [(seed, None) for seed in range(8, 17)]
BAD = [(301, "stain"), (307, "contamination"), (302, "stain"), (307, "stain")]


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, required=True)
    bundle = parser.parse_args().bundle
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        folder = Path(place)
        taught = flanges(folder / "taught", [(seed, None) for seed in range(8)])
        mixed = flanges(folder / "mixed", [*GOOD, *GOOD, BAD[0], *GOOD[:2], *BAD[1:3]])
        bad = flanges(folder / "bad", [BAD[3], BAD[0]])
        browser = playwright.chromium.launch(executable_path=BROWSER, args=OPTIONS)
        camera = MjpegServer(taught, fps=6)
        with PageLine(folder / "line", source=camera.noisy_url, bundle=bundle) as line:
            page = PageView(browser, line.url)
            teach(page)
            camera.kill()
            with MjpegServer(mixed, port=camera.port, fps=8):
                try_threshold(page)
            with MjpegServer(bad, port=camera.port, fps=0.7) as slow:
                see_ng(page)
                phone = [shot(page, PHONE, "dark")]
                see_history(page)
                page.tab.evaluate("document.getElementById('stage').scrollIntoView()")
                phone.append(shot(page, PHONE, "light"))
                page.tab.keyboard.press("Escape")
                slow.kill()
                page.await_lamp("fault")
                page.click("#chip-cameras")
                keep("fault", shot(page, PANEL_PC, "dark"))
                page.tab.keyboard.press("1")
                page.tab.evaluate("window.scrollTo(0, 0)")
                phone.append(shot(page, PHONE, "dark"))
            page.expected_refusals = True
            keep("phone", side_by_side(phone))
        browser.close()


def teach(page: PageView) -> None:
    page.await_lamp("empty")
    page.await_picture()
    for number in range(6):
        page.click("#freeze-teach")
        page.expect("#tag").to_have_text("FROZEN")
        if number == 1:
            page.await_picture()
            keep("teach", shot(page, PANEL_PC, "dark"))
        page.click("#accept")
        page.expect("#tray li").to_have_count(number + 1)
    page.find("#product-name").fill("flange")
    page.click("#teach")
    page.await_lamp("ok")
    page.click("#tab-part")


def try_threshold(page: PageView) -> None:
    for _ in range(9):  # until the strip is well filled
        page.tab.wait_for_timeout(2500)
    page.click("#adjust")
    page.find("#threshold-number").fill("0.66")
    page.click("#apply")
    page.await_true("document.getElementById('threshold-now').textContent === '0.660'")
    page.find("#threshold-number").fill("0.625")
    page.expect("#preview").to_contain_text("instead of")
    clear_toasts(page)
    page.await_lamp("ok")
    keep("threshold", shot(page, PANEL_PC, "light"))
    page.click("#adjust")


def see_ng(page: PageView) -> None:
    page.await_lamp("ng")
    page.await_true("document.getElementById('part-regions').textContent !== '0'")
    page.tab.wait_for_timeout(2500)
    keep("ng", shot(page, PANEL_PC, "dark"))


def see_history(page: PageView) -> None:
    page.click("#tab-ng")
    page.click("#ng-list li:nth-child(2) .thumb")
    page.await_true("document.getElementById('picture').complete")
    keep("history", shot(page, PANEL_PC, "light"))


def clear_toasts(page: PageView) -> None:
    page.tab.evaluate("document.getElementById('toasts').replaceChildren()")


def shot(page: PageView, size: dict[str, int], scheme: str) -> Image.Image:
    clear_toasts(page)
    page.tab.set_viewport_size(size)
    page.tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.tab.wait_for_timeout(500)
    picture = Image.open(io.BytesIO(page.tab.screenshot())).convert("RGB")
    page.tab.set_viewport_size(PANEL_PC)
    page.tab.emulate_media(color_scheme="dark", reduced_motion="reduce")
    return picture


def side_by_side(pictures: Sequence[Image.Image], gap: int = 24) -> Image.Image:
    width = sum(picture.width for picture in pictures) + gap * (len(pictures) - 1)
    sheet = Image.new("RGB", (width, pictures[0].height), (255, 255, 255))
    left = 0
    for picture in pictures:
        sheet.paste(picture, (left, 0))
        left += picture.width + gap
    return sheet


def keep(name: str, picture: Image.Image) -> None:
    """Few colours, so that the file is small; those of lamp and heat map count more than greys."""
    colours = picture.convert("HSV").getchannel("S").point(lambda level: 255 * (level > 90))
    samples = Image.new("RGB", (picture.width, 3 * picture.height))
    samples.paste(picture, (0, 0))
    for copy in (1, 2):
        samples.paste(picture, (0, copy * picture.height), colours)
    palette = samples.quantize(256, method=Image.Quantize.MEDIANCUT)
    path = IMAGES / f"page-{name}.png"
    picture.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)


def flanges(folder: Path, parts: Sequence[tuple[int, str | None]]) -> Path:
    """Draw parts as a camera of 4:3 sees them."""
    from res2clip.drawing.picture import draw
    from res2clip.drawing.products import Product

    folder.mkdir()
    for number, (seed, defect) in enumerate(parts):
        drawing = draw(Product("flange"), seed=seed, size_px=480, defect=defect)
        square = Image.fromarray(drawing.image_rgb_u8)
        picture = Image.new("RGB", (640, 480), square.getpixel((2, 2)))
        picture.paste(square, (80, 0))
        picture.save(folder / f"{number:03}.png")
    return folder


if __name__ == "__main__":
    main()
