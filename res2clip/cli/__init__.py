"""``res2clip``: teach, export, draw, datasets, demo, doctor; the commands that need torch."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    from res2clip.cli.app import app

    app(prog_name="res2clip")
