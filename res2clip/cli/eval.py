"""``res2clip eval``: the seven metrics of a data set, few-shot, in the tables papers print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from res2clip.cli.model_options import BackboneOption, HeadsOption, ImageSizeOption, MatchOption
from res2clip.cli.step_progress import step_progress
from res2clip_runtime.cli.bundle_choice import BackendOption
from res2clip_runtime.storage import write_atomically

if TYPE_CHECKING:
    from res2clip.cli.few_shot_run import FewShotResult

__all__ = ["eval_command"]


def eval_command(
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="A data set (see res2clip datasets DIR).")
    ],
    shots: Annotated[
        str | None,
        typer.Option(
            "--shots", "-k", help="Good pictures to teach from, such as 1,2,4,8 (default)."
        ),
    ] = None,
    draws: Annotated[
        int,
        typer.Option("--draws", "--seeds", min=1, help="Draws of these pictures, for the spread."),
    ] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first draw.")] = 0,
    backbone: BackboneOption = "mini",
    image_size: ImageSizeOption = None,
    heads: HeadsOption = None,
    match: MatchOption = "sparse_radial_knn",
    mode: Annotated[
        str | None,
        typer.Option(
            help="training-free, trained (needs --heads), or both: the default with --heads."
        ),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="An exported bundle instead of a PyTorch model."),
    ] = None,
    backend: BackendOption = "onnxruntime",
    records: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Exact references: few-shot records (JSON), no draws."),
    ] = None,
    records_prefix: Annotated[
        str | None,
        typer.Option(metavar="OLD=NEW", help="What the records' paths start with, and should."),
    ] = None,
    category: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this one; may be repeated.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Test pictures per class; default: all.")
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Keep the features here, in fp16, for this and later commands."
        ),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write one line per draw here.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also write an HTML report: curves, histograms, pictures, maps."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write figures.md, .json and .csv, report.html and its pictures here.",
        ),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="The tables as Markdown.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Tables and draws as JSON.")] = False,
) -> None:
    """Measure a data set few-shot: seven metrics per category, and their mean, for each k.

    **Examples**

        res2clip eval --data mvtec/

        res2clip eval --data visa/ -k 4 --draws 5 --backbone ViT-L-14-336-quickgelu:openai

        res2clip eval --data mvtec/ --heads heads.safetensors --out results

        res2clip eval --data mvtec/ --bundle mini-192px-fp32 --markdown

    Figures are percent, mean ± standard deviation over the draws; a dash: undefined, because there
    are no defects or no masks. Each picture is encoded once. The report shows the first draw with
    the most shots.
    """
    from res2clip.cli.eval_draws import DrawRequest
    from res2clip.cli.eval_models import ModelRequest, open_models
    from res2clip.cli.few_shot_run import FewShotRequest, run_few_shot

    request = FewShotRequest(
        data=data,
        draws=DrawRequest(
            shots=shots,
            draws=draws,
            seed=seed,
            records=records,
            records_prefix=records_prefix,
        ),
        only=tuple(category or ()),
        limit=limit,
        cache=cache,
        report=report or (out / "report.html" if out else None),
    )
    chosen = ModelRequest(
        backbone=backbone,
        image_size=image_size,
        heads=heads,
        match=match,
        mode=mode,
        bundle=bundle,
        backend=backend,
    )
    with open_models(chosen) as models, step_progress() as progress:
        result = run_few_shot(models, request, progress=progress)
    _write(result, csv=csv, out=out)
    _print(result, markdown=markdown, as_json=as_json)


def _write(result: FewShotResult, *, csv: Path | None, out: Path | None) -> None:
    from res2clip.cli.eval_text import result_csv, result_json
    from res2clip.few_shot.text import markdown_text

    if csv:
        write_atomically(csv, result_csv(result).encode())
    if out:
        write_atomically(out / "figures.csv", result_csv(result).encode())
        write_atomically(out / "figures.md", markdown_text(result.blocks).encode())
        text = json.dumps(result_json(result), ensure_ascii=False, indent=1)
        write_atomically(out / "figures.json", f"{text}\n".encode())


def _print(result: FewShotResult, *, markdown: bool, as_json: bool) -> None:
    from res2clip.cli.eval_text import block_table, result_json
    from res2clip.few_shot.text import markdown_text

    if as_json:
        typer.echo(json.dumps(result_json(result), ensure_ascii=False))
    elif markdown:
        typer.echo(markdown_text(result.blocks), nl=False)
    else:
        for block in result.blocks:
            Console().print(block_table(block))
    if result.report:
        typer.echo(f"report: {result.report}", err=True)
