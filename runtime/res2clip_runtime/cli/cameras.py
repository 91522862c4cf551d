"""``res2clip-run cameras``: which cameras there are, and what to give with ``--camera``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from res2clip_runtime.sources.discovery import CamerasOfKind, find_cameras

__all__ = ["cameras"]

_LIBRARIES = {
    "v4l2": "USB and other local cameras (V4L2)",
    "aravis": "GigE Vision and USB3 Vision (Aravis)",
    "pylon": "Basler (pylon)",
    "gentl": "GenTL producers (harvesters)",
}


def cameras(
    cti: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="A maker's GenTL producer (.cti), besides those in GENICAM_GENTL64_PATH; "
            "can be given several times.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the cameras that this machine reaches, and what is not installed to reach others.

    GigE Vision cameras are asked by broadcast on every network of this machine. Streams, and the
    cameras of a Jetson's CSI connectors (csi://0), cannot be listed.

    **Exit code** 0, also if there is no camera.
    """
    found = find_cameras(cti or ())
    if as_json:
        typer.echo(json.dumps([kind.to_json() for kind in found], ensure_ascii=False))
    else:
        typer.echo(_text(found))


def _text(found: Sequence[CamerasOfKind]) -> str:
    lines = []
    for kind in found:
        lines.append(f"{_LIBRARIES[kind.kind]}:")
        if kind.problem:
            lines.append(f"  cannot look: {' '.join(kind.problem.split())}")
        elif not kind.cameras:
            lines.append("  none")
        for camera in kind.cameras:
            note = f"  ({camera.note})" if camera.note else ""
            lines.append(f"  --camera {camera.place}  {camera.name}{note}")
    return "\n".join(lines)
