"""``res2clip score``: a whole archive into one Parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from res2clip.cli.model_options import HeadsOption, ImageSizeOption, MatchOption
from res2clip.cli.scoring_model import ModelRequest
from res2clip.cli.scoring_session import ScoreRequest, run_scoring
from res2clip_runtime.cli.bundle_choice import BackendOption, BundleOption

__all__ = ["score"]


def score(
    pictures: Annotated[
        list[str],
        typer.Argument(
            metavar="FOLDER|GLOB|LIST...",
            help="Folders (with their subfolders), patterns in quotes, or lists: .csv or .parquet "
            "with the column path and, if wanted, product.",
        ),
    ],
    recipe: Annotated[
        list[Path],
        typer.Option(
            metavar="FILE",
            help="Recipe (repeatable): the list's column product chooses, else the only one.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE.parquet|DIR", help="The result: one file, or a folder of one a shard."
        ),
    ],
    bundle: BundleOption = None,
    backend: BackendOption = "onnxruntime",
    backbone: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[:TAG]|FILE", help="Score with PyTorch and this backbone, not a bundle."
        ),
    ] = None,
    image_size: ImageSizeOption = None,
    heads: HeadsOption = None,
    match: MatchOption = "sparse_radial_knn",
    shard_size: Annotated[
        int,
        typer.Option(metavar="N", min=1, help="Pictures between two savings of the work."),
    ] = 256,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Processes; with --ray, workers in the cluster."),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="CPU threads of a worker; by default the cores are shared out."),
    ] = None,
    ray: Annotated[bool, typer.Option("--ray", help="Score on a Ray cluster (extra ray).")] = False,
    ray_address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="The running cluster; default RAY_ADDRESS, else this machine."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Begin anew and replace the result of an earlier run.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
) -> None:
    """Score a whole archive of pictures into Parquet, with as many workers as you like.

    **Examples**

        res2clip score archive/ --recipe washer.recipe.safetensors --out scores.parquet

        res2clip score parts.csv --recipe washer.recipe.safetensors --recipe nut.recipe.safetensors
        --out scores.parquet --workers 4

        res2clip score parts.parquet --recipe washer.recipe.safetensors --out scores --ray
        --ray-address auto --bundle /mnt/models/mini-192px-fp32

    Columns: path, product, score, threshold, decision, regions, reason. Every picture is in it
    once; one that cannot be read has the decision ERROR and the reason.

    Whatever ends a run (Ctrl-C, a crash, a full disk): **the same command goes on** where it was.

    **Exit code** 0: every picture got OK or NG. 1: at least one ERROR, or the run itself failed.
    2: wrong usage. 130: stopped by Ctrl-C.
    """
    model = ModelRequest(
        bundle=bundle,
        backend=backend,
        backbone=backbone,
        image_size=image_size,
        heads=heads,
        match=match,
        threads=threads,
    )
    request = ScoreRequest(
        pictures=tuple(pictures),
        recipes=tuple(recipe),
        out=out,
        model=model,
        shard_size=shard_size,
        workers=workers,
        ray=ray,
        ray_address=ray_address,
        force=force,
        as_json=as_json,
    )
    raise typer.Exit(run_scoring(request))
