"""A browser's view of the page: what is wrong in it is collected and fails the test.

With the variable RES2CLIP_PAGE_PICTURES=FOLDER every state that is looked at is written there as a
picture, on a panel PC and on a phone.
"""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

BROWSER = "/usr/bin/chromium"
OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
).split()
PANEL_PC = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
SCHEMES = ("dark", "light")
DEADLINE_MS = 20_000

_REFUSED = re.compile(r"Failed to load resource|ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED")
_AXE = """async () => {
    const found = await axe.run(document, {resultTypes: ['violations']});
    return found.violations.map((one) => `${one.id}: ${one.help}: `
        + one.nodes.map((node) => node.html.slice(0, 160)).join(' | '));
}"""


def need_browser() -> None:
    """Skip where there is no browser, or nothing that drives it."""
    pytest.importorskip("playwright", reason="playwright is not installed")
    if not Path(BROWSER).exists():
        pytest.skip(f"{BROWSER} is not installed (apt: chromium)")


def axe_source() -> str:
    """Return the script of axe-core."""
    package = pytest.importorskip("axe_playwright_python", reason="axe-core is not installed")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


class PageView:
    """One tab of a browser on the page."""

    def __init__(self, browser: Any, url: str, *, axe: str = "", scheme: str = "dark") -> None:
        """Open ``url``; ``axe`` is the script that judges the page's accessibility."""
        self._axe = axe
        self._closed = False
        self._context = browser.new_context(
            viewport=PANEL_PC, color_scheme=scheme, reduced_motion="reduce"
        )
        self.tab = self._context.new_page()
        self.tab.set_default_timeout(DEADLINE_MS)
        self.errors: list[str] = []
        self.expected_refusals = False
        self.seen: list[str] = []
        self.tab.on("pageerror", lambda error: self.errors.append(f"page error: {error}"))
        self.tab.on("console", self._hear)
        self.tab.on("request", lambda request: self.seen.append(request.url))
        self.url = url
        # Never "load": the live picture does not end.
        self.tab.goto(url, wait_until="domcontentloaded")

    def _hear(self, message: Any) -> None:
        if message.type not in ("error", "warning"):
            return
        if self.expected_refusals and _REFUSED.search(message.text):
            return
        self.errors.append(f"console {message.type}: {message.text} {message.location}")

    def find(self, selector: str) -> Any:
        return self.tab.locator(selector)

    def click(self, selector: str) -> None:
        self.tab.locator(selector).click()

    def expect(self, selector: str) -> Any:
        """Return what can be said of an element, waiting until it is so."""
        from playwright.sync_api import expect

        expect.set_options(timeout=DEADLINE_MS)
        return expect(self.tab.locator(selector))

    def await_lamp(self, kind: str) -> str:
        """Wait until the lamp is of ``kind``; return what stands below it."""
        self.expect("#lamp").to_have_attribute("data-kind", kind)
        return self.tab.inner_text("#lamp-detail")

    def await_true(self, script: str) -> None:
        """Wait until a script is true in the page."""
        end = time.monotonic() + DEADLINE_MS / 1000
        # Not wait_for_function: what it runs in the page is forbidden there, as it should be.
        while not self.tab.evaluate(script):
            assert time.monotonic() < end, f"it did not come true: {script}"
            self.tab.wait_for_timeout(30)

    def await_picture(self) -> None:
        self.await_true("document.getElementById('picture').naturalWidth > 0")

    def judge(self, name: str) -> None:
        """Look at a state: nothing sticks out, axe-core has nothing to say, pictures are kept."""
        for scheme in SCHEMES:
            self.tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            if self._axe:
                self._judge_access(f"{name}, {scheme}")
        self.tab.emulate_media(color_scheme="dark", reduced_motion="reduce")
        for label, size in (("phone", PHONE), ("panel", PANEL_PC)):
            self.tab.set_viewport_size(size)
            too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert self.tab.evaluate(too_wide) <= 0, f"{name}: wider than the {label}"
            self._keep(name, label)
        tall = "document.documentElement.scrollHeight - document.documentElement.clientHeight"
        assert self.tab.evaluate(tall) <= 0, f"{name}: higher than the panel"

    def _judge_access(self, name: str) -> None:
        if not self.tab.evaluate("typeof axe === 'object'"):
            self.tab.evaluate(self._axe)
        found = self.tab.evaluate(_AXE)
        assert not found, f"{name}: {json.dumps(found, indent=1)}"

    def _keep(self, name: str, label: str) -> None:
        folder = os.environ.get("RES2CLIP_PAGE_PICTURES")
        if not folder:
            return
        Path(folder).mkdir(parents=True, exist_ok=True)
        settled = "new Promise((done) => setTimeout(() => requestAnimationFrame(done), 400))"
        self.tab.evaluate(settled)
        for scheme in SCHEMES:
            self.tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            self.tab.evaluate(settled)
            self.tab.screenshot(path=Path(folder, f"{name}-{label}-{scheme}.png"))
        self.tab.emulate_media(color_scheme="dark", reduced_motion="reduce")

    def close(self) -> None:
        """End the tab; what went wrong in it fails the test."""
        if self._closed:
            return
        self._closed = True
        strangers = [url for url in self.seen if not url.startswith((self.url, "data:", "blob:"))]
        self._context.close()
        assert not self.errors, self.errors
        assert not strangers, strangers
