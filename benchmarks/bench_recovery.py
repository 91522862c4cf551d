"""How soon is a fault noticed, and how soon does the line go on when it is over?

    python benchmarks/bench_recovery.py [--runs 3]

Each fault is done to a real component of a running `res2clip-run --config`: `noticed_s` is from
the fault to the line's event that says so, `back_s` from the component's return to the next verdict
(for an output: until it has everything). Medians; appended to results/recovery.csv. Cameras that
cannot run here are left out and named. GigE cameras run in a network namespace of their own (root).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import append_rows, print_table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the components that the tests use

import pytest  # noqa: E402  (what a component raises where it cannot run)
from drawn_parts import draw_part, save_parts  # noqa: E402
from line.components.child import Child, await_true, free_port  # noqa: E402
from line.components.gige_camera import GigeCamera, need_aravis  # noqa: E402
from line.components.http_call import await_ready, call  # noqa: E402
from line.components.mjpeg_server import MjpegServer  # noqa: E402
from line.components.private_network import PrivateNetwork  # noqa: E402
from line.components.rtsp_server import RtspServer, need_rtsp_server  # noqa: E402
from line.components.running_line import RunningLine, write_config  # noqa: E402

TINY = ROOT / "tests" / "runtime" / "data" / "tiny_bundle"
LOST = "camera top: lost"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    rows = []
    for name, measure in faults().items():
        found = []
        for _ in range(runs):
            with tempfile.TemporaryDirectory() as place:
                try:
                    found.append(measure(Path(place)))
                except pytest.skip.Exception as err:
                    print(f"left out: {name}: {err}")
                    break
        if found:
            noticed, back = zip(*found, strict=True)
            row = {"fault": name, "noticed_s": median(noticed), "back_s": median(back)}
            rows.append({**row, "runs": len(found)})
            print(rows[-1], flush=True)
    print_table(rows)
    print(f"appended to {append_rows('recovery', rows)}")


def median(values: tuple[float, ...]) -> float:
    return round(statistics.median(values), 2)


def faults() -> dict[str, Callable[[Path], tuple[float, float]]]:
    return {
        "MJPEG camera killed": lambda place: killed(place, mjpeg(place)),
        "MJPEG camera frozen": lambda place: frozen(place, mjpeg(place)),
        "RTSP camera killed": lambda place: killed(place, rtsp()),
        "RTSP camera frozen": lambda place: frozen(place, rtsp()),
        "GigE camera killed": lambda place: gige(place, killed),
        "GigE camera frozen": lambda place: gige(place, frozen),
        "broker killed": broker_killed,
        "line killed (SIGKILL)": line_killed,
    }


Maker = tuple[Callable[[int | None], Child], Callable[[Child], str]]
"""Makes the camera, at the same port again; and its address."""


def mjpeg(place: Path) -> Maker:
    film = save_parts(place / "film", 4, first_seed=10)
    return lambda port: MjpegServer(film, port=port), lambda camera: camera.url


def rtsp() -> Maker:
    need_rtsp_server()
    return lambda port: RtspServer(port=port), lambda camera: camera.url


def gige(place: Path, fault: Callable[..., tuple[float, float]]) -> tuple[float, float]:
    need_aravis()
    with PrivateNetwork() as network:
        prefix = network.command([])
        maker = (lambda _: GigeCamera(prefix=prefix), lambda _: "gige://127.0.0.1")
        return fault(place, maker, prefix=prefix)


def killed(place: Path, maker: Maker, *, prefix: list[str] | None = None) -> tuple[float, float]:
    make, address = maker
    with make(None) as camera, running(place, address(camera), prefix=prefix) as line:
        began = time.monotonic()
        camera.kill()
        noticed = await_event(line, LOST, began)
        with make(getattr(camera, "port", None)):
            return noticed, await_verdict(line, time.monotonic())


def frozen(place: Path, maker: Maker, *, prefix: list[str] | None = None) -> tuple[float, float]:
    make, address = maker
    with make(None) as camera, running(place, address(camera), prefix=prefix) as line:
        began = time.monotonic()
        camera.freeze()
        noticed = await_event(line, LOST, began)
        camera.thaw()
        return noticed, await_verdict(line, time.monotonic())


def broker_killed(place: Path) -> tuple[float, float]:
    from mosquitto_broker import USER, Broker
    from tls_files import make_tls_files

    (place / "broker").mkdir()
    broker = Broker(place / "broker", make_tls_files(place / "tls"))
    broker.start()
    http = free_port()
    table = (
        f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\ntls = true\n'
        f'ca_file = "{broker.ca_file}"\nusername = "{USER}"\n'
        f'password_file = "{broker.password_file}"\n[web]\nport = {http}'
    )
    make, address = mjpeg(place)
    try:
        with make(None) as camera, running(place, address(camera), tables=[table]) as line:
            await_ready(http)
            began = time.monotonic()
            broker.kill()
            noticed = await_event(line, "sink mqtt", began)
            broker.start()
            began = time.monotonic()
            await_true(lambda: mqtt(http)["state"] == "ok", "the broker has its verdicts")
            return noticed, time.monotonic() - began
    finally:
        broker.kill()


def mqtt(http: int) -> dict:
    return next(s for s in call(http, "GET", "/api/health")[1]["sinks"] if s["name"] == "mqtt")


def line_killed(place: Path) -> tuple[float, float]:
    make, address = mjpeg(place)
    with make(None) as camera:
        with running(place, address(camera)) as line:
            line.kill()
            seen = len(line.verdicts())
        began = time.monotonic()
        with RunningLine(line.config) as again:
            await_true(lambda: len(again.verdicts()) > seen, "the line goes on")
            return float("nan"), time.monotonic() - began  # nobody is left to notice


@contextmanager
def running(
    place: Path, source: str, *, prefix: list[str] | None = None, tables: list[str] | None = None
) -> Iterator[RunningLine]:
    """Yield a line that has inspected some pictures."""
    from res2clip_runtime import Bundle, Inspector

    recipe = place / "washer.recipe.safetensors"
    with Inspector(Bundle.load(TINY), threads=1) as inspector:
        inspector.teach([draw_part(seed) for seed in range(4)], product="washer").save(recipe)
    camera = f'[[camera]]\nname = "top"\nsource = {json.dumps(source)}'
    config = write_config(place / "line", camera, *(tables or ()), recipe=recipe, bundle=TINY)
    with RunningLine(config, prefix=prefix or ()) as line:
        line.await_verdicts(5)
        yield line


def await_event(line: RunningLine, text: str, began: float) -> float:
    line.await_log(text)
    return time.monotonic() - began


def await_verdict(line: RunningLine, began: float) -> float:
    seen = len(line.verdicts())
    await_true(lambda: len(line.verdicts()) > seen, "the line goes on", deadline_s=60)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
