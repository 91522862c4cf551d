"""What is each stage's share of a frame, with an encoder of full size?

    python benchmarks/bench_pipeline.py [--shots 1 4 16] [--backend onnxruntime] [--runs 20]
    python benchmarks/bench_pipeline.py --bundle DIR      an exported bundle, such as the mini's

Without --bundle a CLIP of ViT-L/14@336's shape with random weights is exported for 518 px, through
the parity gate (minutes, some 10 GB); its times are those of the real one. --keep DIR keeps it, and
takes it from there the next time. --blocks, --width and --size make a smaller one.

The timing is that of `res2clip bench`: parity first, warm-up, percentiles. The picture is already
decoded. Rows are appended to results/pipeline.csv, with frames a second and the share of match,
heads and score in a frame.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from harness import append_rows, print_table
from random_clip import ClipShape, bundle_of, random_model

from res2clip_runtime import Bundle
from res2clip_runtime.benchmark import benchmark_bundle
from res2clip_runtime.benchmark.frames import seeded_frames


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory() as place:
        result = benchmark_bundle(
            opened(options, Path(place)),
            frames=seeded_frames(5),
            backend=options.backend,
            threads=options.threads,
            shots=options.shots,
            runs=options.runs,
            seconds=options.seconds,
            progress=lambda what: print(f"  {what}", flush=True),
        )
    rows = [
        {
            "bundle": options.name or result.bundle,
            "backend": result.backend,
            "threads": options.threads or "all",
            "cold_ms": result.cold_ms,
            "percent_of_frame": "",
            **row,
        }
        for row in [*result.rows, *shares(result.rows)]
    ]
    print_table(rows)
    print(f"appended to {append_rows('pipeline', rows)}")


def opened(options: argparse.Namespace, place: Path) -> Bundle:
    if options.bundle:
        return Bundle.load(options.bundle)
    shape = ClipShape(
        width=options.width, blocks=options.blocks, embed=options.embed, size_px=options.size
    )
    return bundle_of(random_model(shape), options.keep or place / "bundle")


def shares(rows) -> list[dict[str, object]]:
    """Return, for each number of shots, what match, heads and score take of the stages' sum."""
    medians = {(row["stage"], row["shots"]): row["p50_ms"] for row in rows}
    first = min(shots for _, shots in medians)
    found = []
    for shots in sorted({shots for _, shots in medians}):
        late = medians["match", shots] + medians["heads", first] + medians["score", first]
        whole = late + medians["encoder", first] + medians["preprocess", first]
        found.append({"stage": "match+heads+score", "shots": shots, "p50_ms": round(late, 3)})
        found[-1]["percent_of_frame"] = round(100 * late / whole, 1)
    return found


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, default=None)
    parser.add_argument("--keep", type=Path, default=None)
    parser.add_argument("--name", default=None, help="in the results, instead of the bundle's")
    parser.add_argument("--backend", default="onnxruntime")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--blocks", type=int, default=24)
    parser.add_argument("--embed", type=int, default=768)
    parser.add_argument("--size", type=int, default=518)
    return parser.parse_args()


if __name__ == "__main__":
    main()
