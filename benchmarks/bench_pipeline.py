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

from res2clip_runtime import Bundle
from res2clip_runtime.benchmark import benchmark_bundle
from res2clip_runtime.benchmark.frames import seeded_frames

PATCH, CONTEXT, VOCABULARY, NARROW = 14, 77, 49408, 64


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory() as place:
        folder = options.bundle or options.keep or Path(place) / "bundle"
        if not (folder / "manifest.json").exists():
            export(folder, options)
        result = benchmark_bundle(
            Bundle.load(folder),
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


def export(folder: Path, options: argparse.Namespace) -> None:
    """Write a bundle of a random CLIP of the wanted shape."""
    from safetensors.torch import save_file

    import res2clip
    from res2clip_export import export_bundle

    print(f"exporting {options.blocks} blocks of width {options.width} for {options.size} px")
    with tempfile.TemporaryDirectory() as place:
        weights = Path(place) / "random.safetensors"
        save_file(random_clip(options.width, options.blocks, options.embed), weights)
        backbone = res2clip.load_backbone(weights, image_size=options.size)
    export_bundle(
        res2clip.Res2CLIP(backbone),
        folder,
        pictures=seeded_frames(4, width=640, height=480),
        progress=lambda what: print(f"  {what}", flush=True),
    )


def random_clip(width: int, blocks: int, embed: int):
    """Return random weights of a CLIP in OpenAI's layout; its text tower is one narrow block."""
    import torch

    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * shape[-1] ** -0.5

    def norm(name: str, size: int) -> dict[str, torch.Tensor]:
        return {f"{name}.weight": torch.ones(size), f"{name}.bias": torch.zeros(size)}

    def tower(prefix: str, size: int, depth: int) -> dict[str, torch.Tensor]:
        tensors: dict[str, torch.Tensor] = {}
        for block in range(depth):
            name = f"{prefix}resblocks.{block}."
            tensors[f"{name}attn.in_proj_weight"] = random(3 * size, size)
            tensors[f"{name}attn.in_proj_bias"] = torch.zeros(3 * size)
            for part, (out, into) in {
                "attn.out_proj": (size, size),
                "mlp.c_fc": (4 * size, size),
                "mlp.c_proj": (size, 4 * size),
            }.items():
                tensors[f"{name}{part}.weight"] = random(out, into)
                tensors[f"{name}{part}.bias"] = torch.zeros(out)
            tensors |= {**norm(f"{name}ln_1", size), **norm(f"{name}ln_2", size)}
        return tensors

    return {
        "visual.conv1.weight": random(width, 3, PATCH, PATCH),
        "visual.class_embedding": random(width),
        "visual.positional_embedding": random(24**2 + 1, width),
        "visual.proj": random(width, embed),
        **norm("visual.ln_pre", width),
        **norm("visual.ln_post", width),
        **tower("visual.transformer.", width, blocks),
        "token_embedding.weight": random(VOCABULARY, NARROW),
        "positional_embedding": random(CONTEXT, NARROW),
        "text_projection": random(NARROW, embed),
        "logit_scale": torch.tensor(4.6),
        **norm("ln_final", NARROW),
        **tower("transformer.", NARROW, 1),
    }


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
