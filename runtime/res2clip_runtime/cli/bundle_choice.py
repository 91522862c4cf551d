"""Which bundle and engine a command uses: its options, and what happens without them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from res2clip_runtime.bundle import Bundle, bundles_directory, find_bundle, installed_bundles
from res2clip_runtime.errors import ArtefactNotFoundError

__all__ = ["BackendOption", "BundleOption", "choose_bundle"]

BundleOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Exported model; by default the installed one the recipe fits."
    ),
]
BackendOption = Annotated[
    str,
    typer.Option(
        help="Engine of the bundle: onnxruntime (CPU), openvino (CPU), tensorrt, tensorrt-rtx, "
        "onnxruntime-cuda (each of these three also with +kernels), onnxruntime-tensorrt."
    ),
]


def choose_bundle(directory: Path | None, *, encoder_id: str | None = None) -> Bundle:
    """Return the bundle in ``directory``, else the installed one with this encoder, else the only.

    Raises:
        ArtefactNotFoundError: there is none, or there are several to choose from.
        ArtefactError: it is damaged.
    """
    if directory is not None:
        return Bundle.load(directory)
    if encoder_id is not None:
        return find_bundle(encoder_id)
    installed = installed_bundles()
    if len(installed) == 1:
        return Bundle.load(installed[0][0])
    if not installed:
        raise ArtefactNotFoundError(
            f"no bundle is installed in {bundles_directory()}; make one with: res2clip export, "
            "or give its folder with --bundle DIR"
        )
    listed = ", ".join(str(path) for path, _ in installed)
    raise ArtefactNotFoundError(
        f"several bundles are installed; choose one with --bundle: {listed}"
    )
