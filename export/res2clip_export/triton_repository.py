"""A bundle and recipes -> a model repository for Triton Inference Server.

    <repository>/
        res2clip_encoder/  config.pbtxt  1/model.onnx      one for all products
        washer_match/      config.pbtxt  1/model.onnx      its bank baked in
        washer_heads/      config.pbtxt  1/model.onnx      its g_ref baked in
        washer/            config.pbtxt  1/                the chain of the three

Nothing but the bundle and onnx is needed, no torch.  ``docs/triton.md`` shows the client.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx

from res2clip_export.baked_graph import bake, take_last_tap
from res2clip_export.folder_swap import swap_folder
from res2clip_export.onnx_file import save_onnx
from res2clip_export.onnx_rules import check_rules
from res2clip_export.triton_config import Step, ensemble_config, model_config
from res2clip_runtime.backends import OPENVINO_ONLY
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.errors import InputError
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.spec import MethodSpec, canonical_json
from res2clip_runtime.storage import output_error
from res2clip_runtime.teaching import check_recipe

__all__ = ["ENCODER", "MARKER", "model_name", "write_triton_repository"]

ENCODER = "res2clip_encoder"
MARKER = "res2clip.json"
"""File at the top that says which folders are ours; Triton looks at folders only."""
MAX_BATCH_SIZE = 8

Progress = Callable[[str], None]
"""Called with what is being done."""


def write_triton_repository(
    bundle: Bundle,
    recipes: Sequence[Recipe],
    directory: str | os.PathLike[str],
    *,
    max_batch_size: int = MAX_BATCH_SIZE,
    progress: Progress | None = None,
) -> tuple[str, ...]:
    """Return the names of the models written to ``directory``, an older repository replaced.

    Args:
        bundle: the exported model.
        recipes: the products to serve; none: the encoder alone.
        directory: the repository's folder.
        max_batch_size: pictures in a batch of any model.
        progress: told what is being done.

    Raises:
        EncoderMismatchError: a recipe was taught with another encoder.
        InputError: two products share a model's name, the folder holds something else, or
            ONNX Runtime's CPU cannot compute in the bundle's precision.
        OutputError: the place cannot be written.
    """
    say = progress or (lambda _: None)
    _check_precision(bundle.manifest.method.precision)
    for recipe in recipes:
        check_recipe(bundle.manifest.method, recipe)
    names = _model_names(recipes)
    target = Path(directory).resolve()
    _check_target(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        workspace = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except OSError as err:
        raise output_error(target, err) from err
    try:
        say("encoder")
        encoder = _write_encoder(bundle, workspace, max_batch_size)
        for recipe in recipes:
            say(recipe.product)
            _write_product(bundle, recipe, encoder, workspace, max_batch_size)
        (workspace / MARKER).write_text(_marker(bundle, names), encoding="utf-8")
        swap_folder(workspace, target)
    except OSError as err:
        raise output_error(target, err) from err
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
    return names


def model_name(product: str) -> str:
    """Return the name of a product's ensemble: its letters, digits and dashes."""
    return re.sub(r"[^\w-]+", "_", product).strip("_") or "product"


def _write_encoder(bundle: Bundle, workspace: Path, max_batch_size: int) -> Step:
    source = bundle.stage_path("encoder")
    folder = _version_folder(workspace / ENCODER)
    for name in bundle.manifest.files:  # the graph, and its weights under the name it knows
        if name.startswith(f"{source.name}.") or name == source.name:
            shutil.copyfile(bundle.directory / name, folder / name)
    (folder / source.name).replace(folder / "model.onnx")
    graph = onnx.load(str(source), load_external_data=False).graph
    text = model_config(ENCODER, graph, max_batch_size=max_batch_size, gather=True)
    (folder.parent / "config.pbtxt").write_text(text, encoding="utf-8")
    return Step(model=ENCODER, graph=graph)


def _write_product(
    bundle: Bundle, recipe: Recipe, encoder: Step, workspace: Path, max_batch_size: int
) -> None:
    product = model_name(recipe.product)
    match = onnx.load(str(bundle.stage_path("match")))
    patches = match.graph.input[0]
    bake(match, {"bank": recipe.bank, "bank_rho": recipe.bank_rho})
    heads = onnx.load(str(bundle.stage_path("heads")))
    bake(heads, {"bank_global_mean": recipe.bank_global_mean})
    take_last_tap(heads, patches)
    steps = [encoder]
    for name, model in ((f"{product}_match", match), (f"{product}_heads", heads)):
        folder = _version_folder(workspace / name)
        save_onnx(model, folder / "model.onnx")
        check_rules(folder / "model.onnx")
        text = model_config(name, model.graph, max_batch_size=max_batch_size)
        (folder.parent / "config.pbtxt").write_text(text, encoding="utf-8")
        steps.append(Step(model=name, graph=model.graph))
    _version_folder(workspace / product)
    text = ensemble_config(
        product,
        steps,
        max_batch_size=max_batch_size,
        parameters={"res2clip": _for_clients(bundle.manifest.method, recipe)},
    )
    (workspace / product / "config.pbtxt").write_text(text, encoding="utf-8")


def _for_clients(spec: MethodSpec, recipe: Recipe) -> str:
    """Return as JSON what a client needs to turn maps and scores into a verdict."""
    threshold = recipe.thresholds.get(spec.score_id)
    return canonical_json(
        {
            "product": recipe.product,
            "method": spec.to_json(),
            "threshold": threshold.score if threshold else None,
            "pixel_threshold": threshold.pixel if threshold else None,
        }
    )


def _version_folder(model: Path) -> Path:
    folder = model / "1"
    folder.mkdir(parents=True)
    return folder


def _model_names(recipes: Sequence[Recipe]) -> tuple[str, ...]:
    names = [ENCODER]
    for recipe in recipes:
        product = model_name(recipe.product)
        own = [product, f"{product}_match", f"{product}_heads"]
        if taken := sorted(set(own) & set(names)):
            raise InputError(
                f"the product '{recipe.product}' would be served as '{taken[0]}', which another "
                "model of the repository is called; rename the product (res2clip teach --product)"
            )
        names += own
    return tuple(names)


def _marker(bundle: Bundle, names: Sequence[str]) -> str:
    values = {
        "bundle": bundle.manifest.name,
        "encoder_id": bundle.manifest.method.encoder_id,
        "models": list(names),
    }
    return json.dumps(values, indent=2, ensure_ascii=False)


def _check_precision(precision: str) -> None:
    """Refuse what ONNX Runtime, which Triton runs on the CPU, has no arithmetic for."""
    if precision == OPENVINO_ONLY:
        raise InputError(
            f"Triton runs ONNX Runtime, the bundle was proved in {OPENVINO_ONLY}, which OpenVINO "
            "alone computes; export it with --precision int8"
        )
    if precision == "bf16":
        raise InputError(
            "Triton runs ONNX Runtime, whose CPU cannot multiply in bf16; export the bundle with "
            "--precision fp32, fp16 or int8"
        )


def _check_target(target: Path) -> None:
    """Refuse a folder whose content would be lost when the repository takes its place."""
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"{target} is a file; choose another folder (--triton)")
    names = {path.name for path in target.iterdir()}
    if foreign := names - _known_names(target):
        raise InputError(
            f"{target} holds something else than a repository of ours ({sorted(foreign)[0]} ...); "
            "choose another folder (--triton)"
        )


def _known_names(target: Path) -> set[str]:
    try:
        marker = json.loads((target / MARKER).read_text(encoding="utf-8"))
        return {MARKER, *map(str, marker["models"])}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
