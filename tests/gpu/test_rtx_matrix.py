"""Every graph of a bundle is built by TensorRT-RTX's real parser and builder, for real cards.

What is expected is the table of docs/tensorrt.md, so that the page cannot say anything else.
"""

from __future__ import annotations

import importlib.util
import re
from functools import lru_cache
from pathlib import Path

import onnx
import pytest
from golden import checkpoint

import res2clip
from res2clip_export import bundle_writer
from res2clip_export.onnx_check import check_onnx
from res2clip_export.onnx_file import save_onnx
from res2clip_export.parity_pictures import calibration_pictures
from res2clip_export.precision import lower_encoder

PAGE = Path(__file__).parents[2] / "docs" / "tensorrt.md"
MODELS = ("mini", "vit-l")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("tensorrt_rtx_bindings") is None,
        reason="TensorRT for RTX is not installed; `make` installs it on x86_64",
    ),
]


@lru_cache
def table() -> dict[tuple[str, str], str]:
    """Return what the page says, by graph (such as ``encoder fp16``) and architecture."""
    inside = PAGE.read_text(encoding="utf-8").split("<!-- rtx matrix -->")[1]
    head, _, *lines = (
        [cell.strip() for cell in line.strip("| ").split("|")]
        for line in inside.strip().splitlines()
    )
    return {
        (line[0], architecture): said
        for line in lines
        for architecture, said in zip(head[1:], line[1:], strict=True)
    }


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    """The files, by model and graph; a ViT-L of two blocks, at its 518 px."""
    found: dict[tuple[str, str], Path] = {}
    for name in MODELS:
        place = tmp_path_factory.mktemp(name)
        model = res2clip.Res2CLIP(backbone(name, place))
        bundle_writer._write_stages(model, place, lambda _: None)
        found |= {(name, stage): place / f"{stage}.onnx" for stage in ("match", "heads")}
        found[name, "encoder fp32"] = place / "encoder.onnx"
        pictures = calibration_pictures((), (), size_px=model.spec.image_size_px)[:1]
        for precision in ("fp16", "bf16", "int8"):
            path = place / precision / "encoder.onnx"
            path.parent.mkdir()
            save_onnx(lowered(place / "encoder.onnx", precision, pictures), path)
            found[name, f"encoder {precision}"] = path
    return found


def backbone(name: str, place: Path):
    if name == "mini":
        return res2clip.load_backbone("mini")
    sizes = checkpoint.Sizes(
        image_size=336, vision_layers=2, vision_width=1024, text_layers=1, text_width=64
    )
    weights = checkpoint.save_clip(place / "wide.safetensors", 3, sizes)
    return res2clip.load_backbone(weights, image_size=518)


def lowered(fp32: Path, precision: str, pictures) -> onnx.ModelProto:
    model, _ = lower_encoder(
        onnx.load(fp32), precision, calibration=pictures, others=(), progress=lambda _: None
    )
    return model


@pytest.mark.parametrize(("graph", "architecture"), table())
@pytest.mark.parametrize("model", MODELS)
def test_the_real_builder_says_what_the_page_says(graphs, model, graph, architecture) -> None:
    verdict = check_onnx(graphs[model, graph], architecture=architecture)
    assert verdict.judge.startswith("TensorRT for RTX 1.")
    said = table()[graph, architecture]
    if said == "builds":
        assert verdict.accepted, verdict.reasons
    else:
        assert said.removeprefix("refused: ") in " ".join(verdict.reasons)


def test_the_page_tells_of_every_graph_and_of_the_cards_that_matter() -> None:
    graphs = {graph for graph, _ in table()}
    encoders = {f"encoder {precision}" for precision in ("fp32", "fp16", "bf16", "int8")}
    assert graphs == {*encoders, "match", "heads"}
    assert {architecture for _, architecture in table()} >= {"sm75", "sm86", "sm89", "sm120"}
    assert all(re.fullmatch(r"builds|refused: .{8,}", said) for said in table().values())
