"""Reads a report as a browser would: tags, their attributes, and the text."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser

from PIL import Image

VOID = {"br", "img", "meta"}


class ReportPage(HTMLParser):
    """A parsed report."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open and self._open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def of_class(self, css: str) -> list[dict[str, str]]:
        return [values for _, values in self.tags if css in values.get("class", "").split()]

    def pictures(self) -> dict[str, tuple[int, int]]:
        """Sizes of the embedded pictures by their alternative text; each is decoded."""
        found = {}
        for tag, values in self.tags:
            if tag == "img":
                head, data = values["src"].split(",", 1)
                assert head == "data:image/jpeg;base64"
                with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
                    picture.load()
                    found[values["alt"]] = picture.size
        return found
