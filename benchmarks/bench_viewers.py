"""What do ten viewers of the page cost the inspection?

    python benchmarks/bench_viewers.py [--bundle mini=DIR] [--turns 6] [--seconds 8] [--viewers 10]

A line with [web] inspects a folder of drawn parts as fast as it can. In turn, in one run, nobody
looks and ten viewers look, each with the live picture with heat map (MJPEG) and the events (SSE);
the viewers are another process on the same machine. The rate is `inspected` of /api/health over
time; the answer is the ratio of the medians of all turns.

Without --bundle: the tests' tiny model, and res2clip-mini where torch is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import append_rows, print_table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the drawn parts that the tests use

from drawn_parts import draw_part  # noqa: E402
from line.components.child import free_port  # noqa: E402
from line.components.http_call import await_ready, call  # noqa: E402
from line.components.running_line import RunningLine, write_config  # noqa: E402
from PIL import Image  # noqa: E402

TINY = ROOT / "tests" / "runtime" / "data" / "tiny_bundle"
SIZE_PX = (640, 480)
PICTURES = 40


def main() -> None:
    options = parse()
    if options.look is not None:
        look(options.look, options.viewers)
        return
    rows = []
    for name, bundle in bundles(options.bundle):
        rows.append(measure(name, bundle, options))
        print(rows[-1], flush=True)
    print_table(rows)
    print(f"appended to {append_rows('viewers', rows)}")


def measure(name: str, bundle: Path, options: argparse.Namespace) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as place:
        port = free_port()
        config = prepare(Path(place), bundle, port, options)
        rates: dict[int, list[float]] = {0: [], options.viewers: []}
        with RunningLine(config) as line:
            await_ready(port, 60)
            rate(port, 2.0)  # warming up
            for _ in range(options.turns):
                for viewers, found in rates.items():
                    with looking(port, viewers):
                        found.append(rate(port, options.seconds))
            line.stop()
    alone, watched = (statistics.median(found) for found in rates.values())
    return {
        "bundle": name,
        "viewers": options.viewers,
        "turns": options.turns,
        "alone_per_s": round(alone, 2),
        "watched_per_s": round(watched, 2),
        "change_percent": round(100 * (watched / alone - 1), 2),
        "spread_percent": round(100 * (max(rates[0]) - min(rates[0])) / alone, 1),
    }


def prepare(place: Path, bundle: Path, port: int, options: argparse.Namespace) -> Path:
    """Write parts, recipe and configuration; the parts are enough for the whole time."""
    from res2clip_runtime import Bundle, Inspector

    drawn = [draw_part(seed, size_px=SIZE_PX) for seed in range(PICTURES)]
    with Inspector(Bundle.load(bundle)) as inspector:
        recipe = place / "washer.recipe.safetensors"
        inspector.teach(drawn[:4], product="washer").save(recipe)
        began = time.monotonic()
        for picture in drawn[:10]:
            inspector.inspect(picture, inspector.teach(drawn[:1], product="x"))
        per_s = 10 / (time.monotonic() - began)
    (place / "parts").mkdir()
    (place / "drawn").mkdir()
    for number, picture in enumerate(drawn):
        Image.fromarray(picture).save(place / "drawn" / f"{number}.png", compress_level=0)
    needed = int(6 * per_s * options.seconds * (2 * options.turns + 4)) + 500
    for number in range(min(needed, 60_000)):
        source = place / "drawn" / f"{number % PICTURES}.png"
        os.link(source, place / "parts" / f"{number:06}.png")
    camera = f'[[camera]]\nname = "top"\nsource = {json.dumps(str(place / "parts"))}'
    web = f"[web]\nport = {port}"
    return write_config(place / "line", camera, web, recipe=recipe, bundle=bundle)


def rate(port: int, seconds: float) -> float:
    """Return inspected pictures a second."""
    first, began = call(port, "GET", "/api/health")[1]["inspected"], time.monotonic()
    time.sleep(seconds)
    last = call(port, "GET", "/api/health")[1]["inspected"]
    return (last - first) / (time.monotonic() - began)


@contextmanager
def looking(port: int, viewers: int) -> Iterator[None]:
    """Let so many viewers look, in a process of their own."""
    if not viewers:
        yield
        return
    command = [sys.executable, __file__, "--look", str(port), "--viewers", str(viewers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "looking\n"
            yield
            assert process.poll() is None, "the viewers have gone"
        finally:
            process.terminate()


def look(port: int, viewers: int) -> None:
    """Read what is sent and throw it away, until ended."""
    selector = selectors.DefaultSelector()
    for _ in range(viewers):
        for path in ("/api/live.mjpg?heat=1", "/api/events"):
            raw = socket.create_connection(("127.0.0.1", port))
            raw.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head = b""
            while b"\r\n\r\n" not in head:
                head += raw.recv(1)
            assert head.startswith(b"HTTP/1.1 200"), head
            raw.setblocking(False)
            selector.register(raw, selectors.EVENT_READ)
    print("looking", flush=True)
    while True:
        for key, _ in selector.select():
            if not key.fileobj.recv(262_144):  # type: ignore[union-attr]
                sys.exit("a stream ended")


def bundles(given: list[str] | None) -> Iterator[tuple[str, Path]]:
    if given:
        for text in given:
            name, _, place = text.partition("=")
            yield name, Path(place).resolve()
        return
    yield "tiny_bundle", TINY
    try:
        import res2clip
        import res2clip_export
    except ImportError:
        print("left out: mini (torch is not installed)")
        return
    place = Path(tempfile.mkdtemp())
    try:
        model = res2clip.Res2CLIP(res2clip.load_backbone("mini"))
        res2clip_export.export_bundle(model, place / "mini")
        yield "mini-192px-fp32", place / "mini"
    finally:
        shutil.rmtree(place)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--bundle", action="append", metavar="NAME=DIR")
    parser.add_argument("--viewers", type=int, default=10)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--look", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
