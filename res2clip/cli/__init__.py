"""The command line of ``res2clip``; each command imports what it needs when it is called."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    from res2clip.cli.app import app

    app(prog_name="res2clip")
