"""``res2clip export --triton``: a model repository for Triton Inference Server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from res2clip_runtime.errors import MissingExtraError

__all__ = ["export_triton"]


def export_triton(
    directory: Path, bundle: Path | None, recipes: Sequence[Path], *, as_json: bool
) -> str:
    """Write the repository and return what to tell.

    Raises:
        Res2ClipError: no bundle fits, a recipe is another encoder's, or the place is not writable.
    """
    from res2clip_runtime.cli.bundle_choice import choose_bundle
    from res2clip_runtime.recipe import Recipe

    try:
        from res2clip_export.triton_repository import write_triton_repository
    except ModuleNotFoundError as err:
        if err.name != "onnx":
            raise
        purpose = "writing a Triton repository"
        raise MissingExtraError("onnx", extra="triton", purpose=purpose) from err
    products = [Recipe.load(path) for path in recipes]
    chosen = choose_bundle(bundle, encoder_id=products[0].encoder_id if products else None)
    with Console(stderr=True).status("writing the repository") as status:
        models = write_triton_repository(
            chosen, products, directory, progress=lambda what: status.update(what)
        )
    if as_json:
        return json.dumps({"path": str(directory.resolve()), "models": models}, ensure_ascii=False)
    return "\n".join(
        [
            f"repository  {directory.resolve()}, from bundle {chosen.manifest.name}",
            *(f"model       {name}" for name in models),
            f"next        tritonserver --model-repository={directory.resolve()}",
        ]
    )
