"""How long does one verdict take, stage by stage, and beside PyTorch?

    python benchmarks/bench_runtime.py [--backbone mini] [--image-size PX] [--shots 1 4 16]

Parity is checked first: the bundle is exported through its gate, and both sides must agree on the
picture that is timed. Both are timed in turn, picture by picture, so that a noisy machine slows
both; quote the ratio.
"""

from __future__ import annotations

import argparse
import tempfile

import numpy as np
from harness import append_rows, print_table, summarise

import res2clip
from res2clip.drawing import Product, draw
from res2clip_export import export_bundle
from res2clip_runtime import Inspector

STAGES = ("preprocess", "encoder", "match", "heads", "score")


def main() -> None:
    options = parse()
    model = res2clip.Res2CLIP(
        res2clip.load_backbone(options.backbone, image_size=options.image_size)
    )
    pictures = [
        draw(Product("flange"), seed=seed, size_px=512).image_rgb_u8
        for seed in range(max(options.shots) + 1)
    ]
    rows = []
    with (
        tempfile.TemporaryDirectory() as place,
        Inspector(export_bundle(model, f"{place}/bundle")) as inspector,
    ):
        for shots in options.shots:
            recipe = model.teach(pictures[1 : 1 + shots], product="flange")
            rows += compare(model, inspector, pictures[0], recipe, shots, options.runs)
    for row in rows:
        row["backbone"], row["size_px"] = options.backbone, model.spec.image_size_px
    print_table(rows)
    print(f"appended to {append_rows('runtime', rows)}")


def compare(model, inspector, picture, recipe, shots: int, runs: int) -> list[dict[str, object]]:
    expected, actual = model.inspect(picture, recipe), inspector.inspect(picture, recipe)
    assert abs(expected.score - actual.score) < 1e-4, (expected.score, actual.score)
    assert np.abs(expected.anomaly_map - actual.anomaly_map).max() < 1e-4
    latencies: dict[str, list[dict[str, float]]] = {"pytorch": [], "onnxruntime": []}
    for _ in range(runs + 5):
        latencies["pytorch"].append(dict(model.inspect(picture, recipe).latency_ms))
        latencies["onnxruntime"].append(dict(inspector.inspect(picture, recipe).latency_ms))
    rows: list[dict[str, object]] = []
    for engine, samples in latencies.items():
        timed = [{**s, "total": sum(s.values())} for s in samples[5:]]
        for stage in (*STAGES, "total"):
            timing = summarise([s[stage] for s in timed])
            rows.append(
                {
                    "engine": engine,
                    "shots": shots,
                    "stage": stage,
                    "runs": timing.runs,
                    "p50_ms": round(timing.p50_ms, 3),
                    "p90_ms": round(timing.p90_ms, 3),
                    "p99_ms": round(timing.p99_ms, 3),
                }
            )
    return rows


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="mini")
    parser.add_argument("--image-size", type=int, default=None)
    parser.add_argument("--shots", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--runs", type=int, default=30)
    return parser.parse_args()


if __name__ == "__main__":
    main()
