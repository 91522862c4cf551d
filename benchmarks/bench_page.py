"""How soon does an operator have verdicts on a product that nobody has taught before?

    python benchmarks/bench_page.py [--bundle DIR] [--runs 3] [--shots 2,4,8]

A browser works through the real page of a real `res2clip-run --config`, whose camera (MJPEG, 10
pictures a second, 640 x 480 px) sees drawn flanges. `teach_s` is from the press on Teach to the
first verdict on the lamp; `all_s` from the first press on Freeze, k pictures frozen and accepted
without a pause, to that verdict. Without --bundle the packaged mini is exported first. Medians and
the slowest run; appended to results/page.csv. Needs chromium, playwright and scipy.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from harness import append_rows, print_table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the components that the tests use

from line.components.mjpeg_server import MjpegServer  # noqa: E402
from line.components.page_line import PageLine  # noqa: E402
from line.components.page_view import BROWSER, OPTIONS, PageView  # noqa: E402
from PIL import Image  # noqa: E402

LAMP = "['ok', 'ng'].includes(document.getElementById('lamp').dataset.kind)"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--shots", default="2,4,8")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        bundle = given.bundle or exported(Path(place))
        film = flanges(Path(place) / "film")
        rows = [
            row(bundle, film, Path(place), shots=int(k), runs=given.runs)
            for k in given.shots.split(",")
        ]
    print_table(rows)
    print(f"appended to {append_rows('page', rows)}")


def exported(folder: Path) -> Path:
    import res2clip
    import res2clip_export

    model = res2clip.Res2CLIP(res2clip.load_backbone("mini"))
    res2clip_export.export_bundle(model, folder / "mini")
    return folder / "mini"


def flanges(folder: Path, count: int = 24) -> Path:
    """Draw parts that are alike but never equal, as a camera of 4:3 sees them."""
    from res2clip.drawing.picture import draw
    from res2clip.drawing.products import Product

    folder.mkdir()
    for seed in range(count):
        square = Image.fromarray(draw(Product("flange"), seed=seed, size_px=480).image_rgb_u8)
        picture = Image.new("RGB", (640, 480), square.getpixel((2, 2)))
        picture.paste(square, (80, 0))
        picture.save(folder / f"{seed:03}.png")
    return folder


def row(
    bundle: Path, film: Path, place: Path, *, shots: int, runs: int
) -> dict[str, int | float | str]:
    taught, everything = [], []
    for run in range(runs):
        teach_s, all_s = one_run(bundle, film, place / f"{shots}-{run}", shots)
        taught.append(teach_s)
        everything.append(all_s)
    return {
        "bundle": bundle.name,
        "shots": shots,
        "runs": runs,
        "teach_s": round(statistics.median(taught), 2),
        "teach_slowest_s": round(max(taught), 2),
        "all_s": round(statistics.median(everything), 2),
        "all_slowest_s": round(max(everything), 2),
    }


def one_run(bundle: Path, film: Path, place: Path, shots: int) -> tuple[float, float]:
    from playwright.sync_api import sync_playwright

    with (
        MjpegServer(film, fps=10) as camera,
        PageLine(place, source=camera.noisy_url, bundle=bundle) as line,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=BROWSER, args=OPTIONS)
        page = PageView(browser, line.url)
        page.await_lamp("empty")
        page.await_picture()
        began_s = time.monotonic()
        for number in range(shots):
            page.click("#freeze-teach")
            page.click("#accept")
            page.expect("#tray li").to_have_count(number + 1)
        page.find("#product-name").fill("flange")
        pressed_s = time.monotonic()
        page.click("#teach")
        page.await_true(LAMP)
        end_s = time.monotonic()
        page.close()
        browser.close()
    return end_s - pressed_s, end_s - began_s


if __name__ == "__main__":
    main()
