"""``res2clip-run --source ... --recipe ...``: inspect pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from res2clip_runtime.backends import EngineOptions
from res2clip_runtime.cli.bundle_choice import BackendOption, BundleOption
from res2clip_runtime.cli.config_run import LogFormat, refuse_other_flags, run_config
from res2clip_runtime.cli.live_run import run_live
from res2clip_runtime.cli.session import PicturesWanted, RunRequest, run_session
from res2clip_runtime.service.config.camera_table import is_place_of_files

__all__ = ["inspect"]


def inspect(
    ctx: typer.Context,
    recipe: Annotated[
        Path | None, typer.Option(help="Recipe of the product (*.recipe.safetensors).")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|FILE|GLOB|URL",
            help="Pictures: a folder (with its subfolders), a picture, a video file, a pattern "
            "in quotes, or a stream.",
        ),
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option(metavar="N|URL", help="Camera /dev/videoN, or any other camera or stream."),
    ] = None,
    trigger: Annotated[
        str, typer.Option(metavar="off|lineN", help="The camera's input that triggers it.")
    ] = "off",
    deadline_ms: Annotated[
        float, typer.Option(metavar="MS", help="A trigger is answered so soon, or with ERROR.")
    ] = 1000.0,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Run as a service with everything from this file."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Try everything the configuration names, then end.")
    ] = False,
    log_format: Annotated[
        LogFormat | None, typer.Option(help="Events of the service: text (key=value) or json.")
    ] = None,
    bundle: BundleOption = None,
    backend: BackendOption = "onnxruntime",
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads of the engine; by default all cores.")
    ] = None,
    spin: Annotated[
        bool,
        typer.Option(
            "--spin", help="Idle engine threads wait busily; for cores that nobody else needs."
        ),
    ] = False,
    arena: Annotated[
        bool,
        typer.Option(
            "--arena/--no-arena", help="Keep the engine's memory between pictures, or give it back."
        ),
    ] = True,
    gpu_memory: Annotated[
        int | None,
        typer.Option(metavar="MB", min=1, help="Most memory taken of a GPU by ONNX Runtime."),
    ] = None,
    compile_cache: Annotated[
        bool,
        typer.Option(
            "--compile-cache", help="OpenVINO: keep compiled graphs on the disk for later starts."
        ),
    ] = False,
    threshold: Annotated[
        float | None, typer.Option(help="Highest score that is OK, instead of the recipe's.")
    ] = None,
    pixel_threshold: Annotated[
        float | None,
        typer.Option(help="Highest normal value of the heat map, instead of the recipe's."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write results.jsonl (appended) and pictures/ here."),
    ] = None,
    pictures: Annotated[
        PicturesWanted, typer.Option(help="Which pictures to write; ng means NG and ERROR.")
    ] = PicturesWanted.NG,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON line a verdict, then one with the summary.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Stop after N pictures.")
    ] = None,
) -> None:
    """Inspect pictures with a recipe: OK, NG or ERROR for each, and where the defect is.

    **Examples**

        res2clip-run --source parts/ --recipe washer.recipe.safetensors --out results

        res2clip-run --source 'parts/*.png' --recipe washer.recipe.safetensors --json

        res2clip-run --camera 0 --recipe washer.recipe.safetensors --threshold 0.62

        res2clip-run init line3.toml

        res2clip-run --config line3.toml

        res2clip-run teach --product washer good/*.png

    Ctrl-C ends a run after the picture in hand and prints the summary.

    **Exit code** 0: every picture got OK or NG (also when stopped by Ctrl-C). 1: at least one
    ERROR, for example a picture that cannot be decoded, or the run itself failed. 2: wrong usage.
    """
    if ctx.invoked_subcommand is not None:
        return
    if config is not None:
        refuse_other_flags(ctx)
        raise typer.Exit(run_config(config, dry=dry_run, log_format=log_format))
    if trigger == "software":
        raise typer.BadParameter(
            "nobody could trigger it; a configuration with [modbus] or [web] can: res2clip-run init"
        )
    if dry_run or log_format is not None:
        raise typer.BadParameter("--dry-run and --log-format need --config FILE")
    if recipe is None and source is None and camera is None:
        typer.echo(ctx.get_help())
        raise typer.Exit(2)
    if recipe is None:
        raise typer.BadParameter("give the product's recipe with --recipe FILE")
    if (source is None) == (camera is None):
        raise typer.BadParameter("give either --source or --camera")
    if camera is not None and camera.startswith("-"):
        raise typer.BadParameter(f"--camera {camera} is no camera; give its number or address")
    request = RunRequest(
        recipe=recipe,
        source=str(source if camera is None else camera),
        live=camera is not None or not is_place_of_files(str(source)),
        trigger=trigger,
        deadline_ms=deadline_ms,
        bundle=bundle,
        backend=backend,
        threads=threads,
        options=EngineOptions(
            spinning=spin, arena=arena, gpu_memory_mb=gpu_memory, compile_cache=compile_cache
        ),
        threshold=threshold,
        pixel_threshold=pixel_threshold,
        out=out,
        pictures=pictures,
        as_json=as_json,
        limit=limit,
    )
    raise typer.Exit(run_live(request) if request.live else run_session(request))
