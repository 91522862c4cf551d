"""How each kind of file comes into the product: what the room does with a hostile one."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

TINY_BUNDLE = Path(__file__).parents[1] / "runtime" / "data" / "tiny_bundle"

_NEEDED = {
    "runtime": [
        "PIL.Image", "PIL.ImageFont", "onnxruntime", "res2clip_runtime.contact_sheet",
        "res2clip_runtime.inspector", "res2clip_runtime.cli.recipe_text",
        "res2clip_runtime.cli.group", "res2clip_runtime.parity.samples", "drawn_parts",
        "res2clip_runtime.service.config", "res2clip_runtime.tensorrt.engine_record",
        "res2clip_runtime.backends.onnx_stages",
    ],
    "torch": ["res2clip.weights", "res2clip.heads"],
}  # fmt: skip


def prepare(groups: Sequence[str]) -> None:
    """Import what the ways need, so that each child begins at once."""
    for group in groups:
        for name in _NEEDED[group]:
            importlib.import_module(name)


def recipe(path: str) -> str:
    """All that is done with a recipe without a model: load, print, draw."""
    from res2clip_runtime.cli.recipe_text import recipe_text
    from res2clip_runtime.contact_sheet import draw_contact_sheet
    from res2clip_runtime.recipe import Recipe

    loaded = Recipe.load(path)
    draw_contact_sheet(loaded)
    return recipe_text(loaded)


def inspection(path: str) -> str:
    """Inspect a good part with the recipe."""
    from drawn_parts import draw_part

    from res2clip_runtime.bundle import Bundle
    from res2clip_runtime.inspector import Inspector
    from res2clip_runtime.recipe import Recipe

    loaded = Recipe.load(path)
    with Inspector(Bundle.load(TINY_BUNDLE), threads=1) as inspector:
        return inspector.inspect(draw_part(0), loaded).decision.value


def bundle(path: str) -> str:
    from res2clip_runtime.bundle import Bundle

    loaded = Bundle.load(path)
    loaded.stage_sha256("encoder")
    return loaded.manifest.to_json()


def model(path: str) -> str:
    """Open the model and inspect a part with it."""
    import numpy as np

    from res2clip_runtime.backends import open_stages
    from res2clip_runtime.bundle import Bundle

    stages = open_stages(Bundle.load(path), "onnxruntime", threads=1)
    side = stages.spec.image_size_px
    features = stages.encode(np.zeros((1, side, side, 3), np.uint8))
    return str(features.patches.shape)


def openvino(path: str) -> str:
    from res2clip_runtime.backends import open_stages
    from res2clip_runtime.bundle import Bundle

    return str(open_stages(Bundle.load(path), "openvino", threads=1).spec)


def samples(path: str) -> str:
    from res2clip_runtime.parity.samples import load_samples

    return str(len(load_samples(Path(path)).pictures.squares))


def sidecar(path: str) -> str:
    from res2clip_runtime.tensorrt.engine_record import read_record

    return str(read_record(Path(path)))


def config(path: str) -> str:
    """Read a configuration and the recipes it names."""
    from res2clip_runtime.recipe import Recipe
    from res2clip_runtime.service.config import load_config

    loaded = load_config(Path(path))
    for entry in loaded.recipe:
        Recipe.load(entry.file)
    return str(loaded)


def picture(path: str) -> str:
    from res2clip_runtime.preprocess import load_rgb

    return str(load_rgb(path).shape)


def weights(path: str) -> str:
    from res2clip.weights import read_tensors

    return str(sorted(read_tensors(Path(path))))


def heads(path: str) -> str:
    from res2clip.heads import read_heads

    return str(read_heads(Path(path)))


WAYS: dict[str, Callable[[str], str]] = {
    way.__name__: way
    for way in (
        recipe, inspection, bundle, model, openvino, samples, sidecar, config, picture, weights,
        heads,
    )
}  # fmt: skip
