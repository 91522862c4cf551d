"""A browser, a model, recipes and films for the tests of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from drawn_parts import draw_part
from line.components.mjpeg_server import MjpegServer
from line.components.page_line import SIZE_PX, PageLine, recipe_table, save_film
from line.components.page_view import BROWSER, OPTIONS, PageView, axe_source, need_browser

from res2clip_runtime.inspector import Inspector

Open = Callable[..., PageView]
MakeLine = Callable[..., PageLine]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Of a module, not a session: Playwright's loop would be in the way of others' loops."""
    need_browser()
    for extra in ("starlette", "uvicorn"):
        pytest.importorskip(extra, reason="the extra 'web' is not installed")
    pytest.importorskip("av", reason="the extra 'video' is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def view(browser: Any) -> Iterator[Open]:
    """Return a function that opens the page of a line; errors in it fail the test."""
    opened: list[PageView] = []

    def open_page(line: PageLine | str, **options: Any) -> PageView:
        url = line if isinstance(line, str) else line.url
        page = PageView(browser, url, axe=axe_source(), **options)
        opened.append(page)
        if isinstance(line, PageLine):
            line.before_end.append(page.close)
        return page

    yield open_page
    for one in opened:
        one.close()


@pytest.fixture(scope="session")
def good_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_film(tmp_path_factory.mktemp("good"), *range(10, 34))


@pytest.fixture(scope="session")
def bad_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    seeds = range(50, 58)
    return save_film(tmp_path_factory.mktemp("bad"), *seeds, scratched=seeds)


def _taught(inspector: Inspector, folder: Path, product: str, count: int = 4) -> Path:
    path = folder / f"{product}.recipe.safetensors"
    parts = [draw_part(seed, size_px=SIZE_PX) for seed in range(count)]
    inspector.teach(parts, product=product).save(path)
    return path


@pytest.fixture
def washer(inspector: Inspector, tmp_path: Path) -> Path:
    return _taught(inspector, tmp_path, "washer")


@pytest.fixture
def nut(inspector: Inspector, tmp_path: Path) -> Path:
    return _taught(inspector, tmp_path, "nut")


@pytest.fixture
def unsure(inspector: Inspector, tmp_path: Path) -> Path:
    """One good part only: it has no threshold."""
    return _taught(inspector, tmp_path, "unsure", count=1)


@pytest.fixture
def make_line(tmp_path: Path, bundle: Path) -> MakeLine:
    """Return a function that makes a line of recipes, seen by a camera."""

    def make(source: str, *recipes: Path, tables: tuple[str, ...] = (), **keys: Any) -> PageLine:
        return PageLine(
            tmp_path / "line",
            *tables,
            source=source,
            bundle=bundle,
            recipes=[recipe_table(file) for file in recipes],
            **keys,
        )

    return make


@pytest.fixture
def camera(good_film: Path) -> Iterator[MjpegServer]:
    """A camera that sees good parts, all different, ten a second."""
    with MjpegServer(good_film, fps=10) as camera:
        yield camera
