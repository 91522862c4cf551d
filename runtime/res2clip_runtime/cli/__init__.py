"""``res2clip-run``: teach and inspect on the edge box, without torch.

The parts that ``res2clip`` shares (errors, ``teach``, ``recipe show``, ``doctor``) take whatever
model they are given.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    from res2clip_runtime.cli.app import app

    app(prog_name="res2clip-run")
