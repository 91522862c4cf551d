"""``res2clip bench``: how long a bundle's stages take on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from res2clip_runtime.cli.bundle_choice import BackendOption, BundleOption, choose_bundle
from res2clip_runtime.errors import InputError
from res2clip_runtime.storage import write_atomically

if TYPE_CHECKING:
    from res2clip_runtime.benchmark.bundle_benchmark import BundleBenchmark
    from res2clip_runtime.preprocess import PictureU8

__all__ = ["bench"]

MOST_FRAMES = 5


def bench(
    bundle: BundleOption = None,
    backend: BackendOption = "onnxruntime",
    stage: Annotated[
        list[str] | None,
        typer.Option(
            help="preprocess, encoder, match, heads, score or frame (all of them in a row); "
            "repeatable. [all]"
        ),
    ] = None,
    shots: Annotated[str, typer.Option("--shots", "-k", help="Numbers of references.")] = "1,4,16",
    batch: Annotated[
        str, typer.Option(help="Pictures at once, for encoder, match and heads.")
    ] = "1",
    source: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|GLOB", help="Two or more pictures to time with; by default made up ones."
        ),
    ] = None,
    frame: Annotated[
        str, typer.Option(metavar="WxH", help="Size of the made up pictures.")
    ] = "1920x1080",
    runs: Annotated[int, typer.Option(min=3, help="Timed runs of each stage.")] = 20,
    seconds: Annotated[float, typer.Option(min=0, help="About how long each may take.")] = 10.0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; default: all cores.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write bench.json, bench.csv, scaling_shots.svg and _batch.svg."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Time the stages of an exported model on this machine, after checking that they are right.

    **Examples**

        res2clip bench

        res2clip bench --bundle bundles/mini --stage match --shots 1,4,16,64

        res2clip bench --backend openvino --out bench/

    Every output must be finite, and match must equal plain NumPy, before anything is timed.
    Times are milliseconds: the first call, then percentiles. Decoding is not part of a frame.
    Memory is the process's, model and references included; cold start is opening the engine and
    encoding one picture. On TensorRT device_ms is the GPU's own clock, copies included.
    """
    from res2clip_runtime.benchmark import STAGES, benchmark_bundle

    chosen = choose_bundle(bundle)
    with Console(stderr=True).status("reading pictures") as status:
        result = benchmark_bundle(
            chosen,
            frames=_frames(source, frame),
            backend=backend,
            threads=threads,
            stages=tuple(stage or STAGES),
            shots=_whole_numbers(shots, "--shots"),
            batches=_whole_numbers(batch, "--batch"),
            runs=runs,
            seconds=seconds,
            progress=status.update,
        )
    if out:
        _write(result, out)
    typer.echo(json.dumps(result.to_json()) if as_json else _text(result))


def _frames(source: str | None, size: str) -> list[PictureU8]:
    if source:
        from res2clip_runtime.preprocess import load_rgb
        from res2clip_runtime.sources.picture_paths import find_pictures

        return [load_rgb(path) for path in find_pictures(source).paths[:MOST_FRAMES]]
    from res2clip_runtime.benchmark.frames import seeded_frames

    width, _, height = size.partition("x")
    if not (width.isdecimal() and height.isdecimal() and min(int(width), int(height)) >= 32):
        raise InputError(f"'{size}' (--frame) is no size of 32 px or more; write 1920x1080")
    return seeded_frames(MOST_FRAMES, width=int(width), height=int(height))


def _whole_numbers(text: str, option: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise InputError(f"'{text}' ({option}) are no whole numbers from 1; write 1,4,16")
    return tuple(sorted({int(part) for part in parts}))


def _text(result: BundleBenchmark) -> str:
    from res2clip_runtime.benchmark import as_text

    where = result.surroundings
    width, height = result.frame_px
    return "\n".join(
        [
            f"{result.bundle} on {result.backend}, frames of {width} x {height} px",
            "; ".join(where[name] for name in ("device", "gpu", "versions") if where[name] != "-"),
            f"cold start {result.cold_ms:.0f} ms; match differs by {result.match_max_abs:.1e} "
            "from plain NumPy",
            as_text(result.rows),
        ]
    )


def _write(result: BundleBenchmark, out: Path) -> None:
    from res2clip_runtime.benchmark import as_csv
    from res2clip_runtime.benchmark.scaling_plot import draw_scaling

    full = [
        {**result.surroundings, "bundle": result.bundle, "backend": result.backend, **row}
        for row in result.rows
    ]
    write_atomically(out / "bench.json", f"{json.dumps(result.to_json(), indent=1)}\n".encode())
    write_atomically(out / "bench.csv", as_csv(full).encode())
    title = f"{result.bundle} on {result.backend}, {result.surroundings['device']}"
    axes = {"shots": "references (shots)", "batch": "pictures at once"}
    for axis, what in axes.items():
        if lines := result.scaling(axis):
            drawn = draw_scaling(lines, title=title, axis=what)
            write_atomically(out / f"scaling_{axis}.svg", drawn.encode())
