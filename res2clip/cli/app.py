"""The command tree of ``res2clip``."""

from __future__ import annotations

import typer

from res2clip.cli.bench import bench
from res2clip.cli.check_onnx import check_onnx
from res2clip.cli.datasets import datasets
from res2clip.cli.demo import demo
from res2clip.cli.doctor import doctor
from res2clip.cli.draw import draw
from res2clip.cli.eval import eval_command
from res2clip.cli.export import export
from res2clip.cli.heads import heads_app
from res2clip.cli.score import score
from res2clip.cli.teach import teach
from res2clip.cli.train import train
from res2clip_runtime.cli.group import CommandGroup
from res2clip_runtime.cli.recipe import recipe_app
from res2clip_runtime.cli.verify import verify

__all__ = ["app"]

app = typer.Typer(
    cls=CommandGroup,
    rich_markup_mode="markdown",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="""Find defects from a handful of good photos; no defect pictures needed.

    **The three commands that matter**

        res2clip teach --product washer good/*.png

        res2clip export

        res2clip-run --source parts/ --recipe washer.recipe.safetensors

    `res2clip demo` shows all of it on pictures it draws itself.
    """,
)
app.command()(teach)
app.command()(export)
app.command()(check_onnx)
app.command()(score)
app.add_typer(recipe_app, name="recipe")
app.command()(train)
app.add_typer(heads_app, name="heads")
app.command()(demo)
app.command()(draw)
app.command()(datasets)
app.command("eval")(eval_command)
app.command()(verify)
app.command()(bench)
app.command()(doctor)
