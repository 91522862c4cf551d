"""The command tree of ``res2clip-run``."""

from __future__ import annotations

import typer

from res2clip_runtime.cli.cameras import cameras
from res2clip_runtime.cli.doctor import doctor
from res2clip_runtime.cli.group import CommandGroup
from res2clip_runtime.cli.init import init
from res2clip_runtime.cli.inspect import inspect
from res2clip_runtime.cli.recipe import recipe_app
from res2clip_runtime.cli.teach import teach
from res2clip_runtime.cli.users import users_app
from res2clip_runtime.cli.verify import verify

__all__ = ["app"]

app = typer.Typer(
    cls=CommandGroup,
    rich_markup_mode="markdown",
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.callback(invoke_without_command=True)(inspect)
app.command()(teach)
app.command()(init)
app.add_typer(recipe_app, name="recipe")
app.command()(cameras)
app.add_typer(users_app, name="users")
app.command()(verify)
app.command()(doctor)
