"""``res2clip-run users``: who may use the page and OPC UA."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from res2clip_runtime.errors import InputError

__all__ = ["users_app"]

users_app = typer.Typer(help="Who may use the page and OPC UA.", no_args_is_help=True)

_File = Annotated[
    Path, typer.Option("--file", help="The file of users (users_file in the configuration).")
]
_DEFAULT = Path("users.toml")


class Role(str, Enum):
    """Values of ``--role``; each may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ENGINEER = "engineer"


@users_app.callback()
def _group() -> None:
    """Who may use the page and OPC UA."""


@users_app.command()
def add(
    name: Annotated[str, typer.Argument(help="Up to 64 letters, digits, and . _ - @.")],
    role: Annotated[Role, typer.Option(help="What they may do.")],
    file: _File = _DEFAULT,
    token: Annotated[
        bool, typer.Option("--token", help="A token for a program instead of a password.")
    ] = False,
) -> None:
    """Add a user; asks for the password (or reads it from a pipe), or prints a token once.

    A viewer looks, an operator also triggers, chooses products and judges parts, an engineer also
    teaches and sets thresholds. A running line notices the change by itself.

    **Examples**

        res2clip-run users add anna --role operator --file users.toml

        res2clip-run users add mes --role operator --token --file users.toml
    """
    from res2clip_runtime.service.users import add_password, add_token

    if token:
        typer.echo(add_token(file, name, role.value))
        typer.echo(f"{name}: added to {file}; the token above is shown only now", err=True)
        return
    add_password(file, name, role.value, _password())
    typer.echo(f"{name}: added to {file}")


@users_app.command("list")
def list_users(file: _File = _DEFAULT) -> None:
    """Print names and roles.

    **Examples**

        res2clip-run users list --file users.toml
    """
    from res2clip_runtime.service.users import load_users

    for user in load_users(file).all:
        typer.echo(f"{user.name}  {user.role}")


@users_app.command()
def remove(
    name: Annotated[str, typer.Argument(help="Of the user.")], file: _File = _DEFAULT
) -> None:
    """Take a user out; their sessions end at once.

    **Examples**

        res2clip-run users remove anna --file users.toml
    """
    from res2clip_runtime.service.users import remove_user

    remove_user(file, name)
    typer.echo(f"{name}: removed from {file}")


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password: str = typer.prompt("Password", hide_input=True)
    if typer.prompt("Again", hide_input=True) != password:
        raise InputError("the two passwords differ; try again")
    return password
