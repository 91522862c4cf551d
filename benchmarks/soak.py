"""Does a line stay as it is: memory, threads, descriptors, queues, and what does it cost a frame?

    python benchmarks/soak.py --minutes 60 --cameras 2 [--bundle DIR] [--fps 10] [--threads N]

Starts `res2clip-run --config` with live MJPEG cameras (processes of their own, drawn parts), JSONL,
pictures, metrics and HTTP, and looks at the process every few seconds from outside (/proc and
GET /api/health). The first tenth of the time is warming up and does not count.

    rss_change_percent   resident memory: median of the last tenth against that of the first
    service_ms           median of what a part took besides the stages, as the line says itself
    overhead_ms          that, and what the stages' sum grew by against the pipeline alone, measured
                         before in this process with the same pictures and threads: the price of
                         cameras, sinks and their threads on the same cores

One row is appended to results/soak.csv; the samples to results/soak_samples.csv with --samples.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from harness import append_rows, print_table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # the cameras and drawn parts that the tests use

from drawn_parts import draw_part  # noqa: E402
from line.components.child import free_port  # noqa: E402
from line.components.mjpeg_server import MjpegServer  # noqa: E402

TINY = ROOT / "tests" / "runtime" / "data" / "tiny_bundle"
PICTURE_PX = (640, 480)
WARMING = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The process at one moment."""

    seconds: float
    rss_mb: float
    threads: int
    descriptors: int
    queued: int
    inspected: int
    dropped: int
    total_ms: float
    service_ms: float


def main() -> None:
    options = parse()
    samples, alone_ms = soak(
        minutes=options.minutes,
        cameras=options.cameras,
        bundle=options.bundle,
        fps=options.fps,
        threads=options.threads,
        every_s=options.every,
    )
    row = summary(samples, alone_ms)
    row = {
        "bundle": options.bundle.name,
        "minutes": options.minutes,
        "cameras": options.cameras,
        "fps": options.fps,
        "threads": options.threads,
        **row,
    }
    print_table([row])
    print(f"appended to {append_rows('soak', [row])}")
    if options.samples:
        append_rows("soak_samples", [asdict(sample) for sample in samples])


def soak(
    *,
    minutes: float,
    cameras: int,
    bundle: Path = TINY,
    fps: float = 10.0,
    threads: int = 1,
    every_s: float = 5.0,
) -> tuple[list[Sample], float]:
    """Return samples of a line that ran so long, and the pipeline's median alone in ms."""
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        folder = Path(place)
        recipe, alone_ms = teach(folder, bundle, threads)
        films = film(folder / "film")
        servers = [stack.enter_context(MjpegServer(films, fps=fps)) for _ in range(cameras)]
        http = free_port()
        config = write_config(folder, bundle, recipe, threads, [s.url for s in servers], http)
        process = stack.enter_context(running(config))
        await_ready(http, process)
        return watch(process, http, minutes * 60, every_s), alone_ms


def teach(folder: Path, bundle: Path, threads: int) -> tuple[Path, float]:
    """Write a recipe; return it and the median of an inspection alone, in ms."""
    from res2clip_runtime import Bundle, Inspector

    pictures = [draw_part(seed, size_px=PICTURE_PX) for seed in range(4)]
    with Inspector(Bundle.load(bundle), threads=threads) as inspector:
        recipe = inspector.teach(pictures, product="washer")
        path = folder / "washer.recipe.safetensors"
        recipe.save(path)
        times_ms = []
        for number in range(60):
            verdict = inspector.inspect(pictures[number % 4], recipe)
            times_ms.append(sum(verdict.latency_ms.values()))
    return path, statistics.median(times_ms[10:])


def film(folder: Path) -> Path:
    from PIL import Image

    folder.mkdir()
    for seed in range(10, 18):
        picture = draw_part(seed, size_px=PICTURE_PX, scratched=seed == 17)
        Image.fromarray(picture).save(folder / f"{seed}.png")
    return folder


def write_config(
    folder: Path, bundle: Path, recipe: Path, threads: int, urls: list[str], http: int
) -> Path:
    cameras = "".join(
        f'[[camera]]\nname = "c{number}"\nsource = "{url}"\n' for number, url in enumerate(urls)
    )
    config = folder / "line.toml"
    config.write_text(
        f"[model]\nbundle = {json.dumps(str(bundle))}\nthreads = {threads}\n"
        f"[[recipe]]\nfile = {json.dumps(str(recipe))}\n{cameras}"
        '[jsonl]\nfolder = "results"\nmax_file_mb = 4\nkeep_files = 4\n'
        '[pictures]\nfolder = "pictures"\nmax_disk_share = 0.01\n'
        f"[web]\nport = {http}\n[metrics]\nport = {free_port()}\n"
    )
    return config


@contextmanager
def running(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    search = os.pathsep.join(path for path in sys.path if path)
    with config.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "res2clip_runtime.cli", "--config", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=log,
            env={**os.environ, "PYTHONPATH": search},
        )
        try:
            yield process
        finally:
            process.terminate()
            code = process.wait(30)
    if code:
        sys.exit(f"the line ended with {code}:\n{config.with_suffix('.log').read_text()[-2000:]}")


def await_ready(http: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while not health_of(http).get("ready"):
        if process.poll() is not None or time.monotonic() > end:
            sys.exit("the line did not become ready")
        time.sleep(0.1)


def health_of(http: int) -> dict:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{http}/api/health", timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as err:
        with err:
            return json.load(err)
    except OSError:
        return {}


def watch(
    process: subprocess.Popen[bytes], http: int, seconds: float, every_s: float
) -> list[Sample]:
    began, samples = time.monotonic(), []
    while (passed := time.monotonic() - began) < seconds:
        time.sleep(min(every_s, max(0.0, seconds - passed)))
        samples.append(look(process.pid, health_of(http), time.monotonic() - began))
    return samples


def look(pid: int, health: dict, seconds: float) -> Sample:
    status = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return Sample(
        seconds=round(seconds, 1),
        rss_mb=int(fields["VmRSS"].split()[0]) / 1024,
        threads=int(fields["Threads"]),
        descriptors=len(list(Path(f"/proc/{pid}/fd").iterdir())),
        queued=sum(sink["queued"] for sink in health["sinks"]),
        inspected=health["inspected"],
        dropped=sum(camera["dropped"] for camera in health["cameras"]),
        total_ms=health["latency_ms"].get("total", float("nan")),
        service_ms=health["latency_ms"].get("service", float("nan")),
    )


def summary(samples: list[Sample], alone_ms: float) -> dict[str, object]:
    """Return what the samples amount to, without the time of warming up."""
    kept = samples[int(len(samples) * WARMING) :]
    tenth = max(1, len(kept) // 10)
    first = statistics.median(sample.rss_mb for sample in kept[:tenth])
    last = statistics.median(sample.rss_mb for sample in kept[-tenth:])
    total_ms = statistics.median(sample.total_ms for sample in kept)
    service_ms = statistics.median(sample.service_ms for sample in kept)
    passed_s = kept[-1].seconds - kept[0].seconds
    return {
        "rss_mb": round(last, 1),
        "rss_change_percent": round(100 * (last - first) / first, 2),
        # The least in each tenth: a request for the health has its own thread and descriptor.
        "threads_growth": least("threads", kept[-tenth:]) - least("threads", kept[:tenth]),
        "threads_most": max(sample.threads for sample in kept),
        "descriptors_growth": least("descriptors", kept[-tenth:])
        - least("descriptors", kept[:tenth]),
        "descriptors_most": max(sample.descriptors for sample in kept),
        "queued_most": max(sample.queued for sample in kept),
        "inspected": samples[-1].inspected,
        "dropped": samples[-1].dropped,
        "frames_per_s": round((kept[-1].inspected - kept[0].inspected) / max(passed_s, 1e-9), 1),
        "alone_ms": round(alone_ms, 2),
        "total_ms": round(total_ms, 2),
        "service_ms": round(service_ms, 3),
        "overhead_ms": round(service_ms + total_ms - alone_ms, 2),
    }


def least(name: str, samples: list[Sample]) -> int:
    return min(getattr(sample, name) for sample in samples)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--cameras", type=int, default=2)
    parser.add_argument("--bundle", type=Path, default=TINY)
    parser.add_argument("--fps", type=float, default=10.0, help="pictures a second of each camera")
    parser.add_argument("--threads", type=int, default=1, help="of the engine")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two looks")
    parser.add_argument("--samples", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
