"""A line with a page, its camera, and pictures to play: processes that can be killed."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from drawn_parts import draw_part
from line.components.child import await_true, free_port
from line.components.running_line import RunningLine
from PIL import Image

SIZE_PX = (320, 240)


def save_film(folder: Path, *seeds: int, scratched: Sequence[int] = ()) -> Path:
    """Write a part for each seed; those in ``scratched`` are bad."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        part = draw_part(seed, size_px=SIZE_PX, scratched=seed in scratched)
        Image.fromarray(part).save(folder / f"{number:03}.png")
    return folder


class PageLine:
    """``res2clip-run --config`` with a page on a port of its own; may be killed and started again.

    ``with`` starts and ends it.
    """

    def __init__(
        self,
        folder: Path,
        *tables: str,
        source: str,
        bundle: Path,
        recipes: Sequence[str] = (),
        line: str = "",
        web: str = "",
    ) -> None:
        """Write the configuration.

        Args:
            folder: where it and everything that the line writes goes.
            tables: more of the configuration.
            source: of the camera ``top``.
            bundle: the model.
            recipes: tables ``[[recipe]]``.
            line: keys of ``[line]``.
            web: keys of ``[web]``.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"
        self._config = folder / "line.toml"
        text = [
            f"[line]\n{line}",
            f"[model]\nbundle = {json.dumps(str(bundle))}\nthreads = 1",
            f'[[camera]]\nname = "top"\nsource = {json.dumps(source)}',
            *recipes,
            f"[web]\nport = {self.port}\n{web}",
            *tables,
        ]
        self._config.write_text("\n".join(text), encoding="utf-8")
        self._running: RunningLine | None = None
        self.before_end: list[Callable[[], None]] = []
        """Called before the line ends by rights, for who would miss it."""

    def start(self) -> None:
        """Return when the page can be asked for."""
        self._running = RunningLine(self._config)
        await_true(lambda: self._serves() or self.running.process.poll(), "the page is served")
        assert self._serves(), self.running.log

    def _serves(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    @property
    def running(self) -> RunningLine:
        assert self._running is not None
        return self._running

    def kill(self) -> None:
        self.running.kill()

    def __enter__(self) -> PageLine:
        try:
            self.start()
        except BaseException:
            self.running.end()
            raise
        return self

    def __exit__(self, *unused: object) -> None:
        try:
            for action in self.before_end:
                action()
        finally:
            self.running.end()


def recipe_table(file: Path, **keys: float | str) -> str:
    """Return a ``[[recipe]]`` of the configuration."""
    lines = [f"file = {json.dumps(str(file))}"]
    return "\n".join(["[[recipe]]", *lines, *(f"{k} = {json.dumps(v)}" for k, v in keys.items())])
