"""Bundles: the rules their graphs keep, and the gate that lets nothing wrong out."""

from __future__ import annotations

import json
import shutil

import numpy as np
import onnx
import pytest
import torch
from golden.checkpoint import save_heads

import res2clip
from res2clip_export import bundle_writer, export_bundle
from res2clip_export.onnx_rules import FORBIDDEN, MAX_IR_VERSION, OPSET, check_rules
from res2clip_runtime import Bundle, Inspector
from res2clip_runtime.errors import InputError, OutputError, ParityError
from res2clip_runtime.stages import grid_rho

STAGES = ("encoder", "match", "heads")


@pytest.mark.parametrize("stage", STAGES)
def test_every_graph_keeps_the_rules(tiny_bundle: Bundle, stage: str) -> None:
    path = tiny_bundle.stage_path(stage)
    check_rules(path)
    model = onnx.load(path)
    assert model.ir_version <= MAX_IR_VERSION
    assert [(o.domain, o.version) for o in model.opset_import] == [("", OPSET)]
    assert not FORBIDDEN & {node.op_type for node in model.graph.node}


def test_a_graph_with_a_forbidden_operator_is_refused(tmp_path) -> None:
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [4])
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [4])
    zero = onnx.helper.make_tensor("zero", onnx.TensorProto.INT64, [], [0])
    node = onnx.helper.make_node("CumSum", ["x", "zero"], ["y"])
    graph = onnx.helper.make_graph([node], "g", [x], [y], [zero])
    opset = [onnx.helper.make_opsetid("", OPSET)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=MAX_IR_VERSION)
    onnx.save(model, tmp_path / "cumsum.onnx")
    with pytest.raises(ParityError, match="operator CumSum"):
        check_rules(tmp_path / "cumsum.onnx")


def test_graph_and_manifest_agree_on_names_and_shapes(tiny_bundle: Bundle) -> None:
    for stage in STAGES:
        entry = tiny_bundle.manifest.stages[stage]
        graph = onnx.load(tiny_bundle.stage_path(stage)).graph
        for values, entries in ((graph.input, entry.inputs), (graph.output, entry.outputs)):
            assert [v.name for v in values] == [e.name for e in entries]
            for value, expected in zip(values, entries, strict=True):
                shape = value.type.tensor_type.shape.dim
                assert tuple(d.dim_param or d.dim_value for d in shape) == expected.shape


def test_batch_and_references_are_free(tiny_bundle: Bundle, tiny_model) -> None:
    rng = np.random.default_rng(0)
    spec = tiny_model.spec
    with Inspector(tiny_bundle) as inspector:
        for batch, rows in ((1, 1), (3, 7), (2, 4 * spec.patches + 3)):
            pictures = rng.integers(0, 256, (batch, 40, 40, 3), dtype=np.uint8)
            features = inspector.stages.encode(pictures)
            bank = rng.normal(size=(3, rows, spec.embed_dim)).astype(np.float32)
            bank /= np.linalg.norm(bank, axis=-1, keepdims=True)
            rho = rng.uniform(0, 3, rows).astype(np.float32)
            got = inspector.stages.match(features.patches, bank, rho)
            want = tiny_model.match(features.patches, bank, rho)
            assert got.shape == (batch, 3, spec.patches, spec.embed_dim)
            assert np.isfinite(got).all()
            assert np.abs(got - want).max() < 1e-5


def test_the_parity_report_covers_every_stage_on_noise_and_on_pictures(tiny_bundle: Bundle) -> None:
    report = json.loads((tiny_bundle.directory / "parity.json").read_text())
    seen = {(c["stage"], c["pictures"]) for c in report["comparisons"]}
    assert seen == {(s, p) for s in STAGES for p in ("seeded", "drawn")} | {("verdict", "drawn")}
    assert all(c["max_abs"] <= report["tolerance"] for c in report["comparisons"])
    assert all(c["cosine"] > 0.9999 for c in report["comparisons"])
    assert report["failures"] == [] and report["felt"]["verdicts"] == 8
    assert report["felt"]["verdicts_changed"] == 0 and report["arithmetic"] == "fp32"
    assert tiny_bundle.manifest.parity["max_abs"] <= 1e-4


def test_a_wrong_stage_is_named_and_no_bundle_is_written(tiny_model, tmp_path, monkeypatch) -> None:
    """The real exporter, on a model whose matching is made wrong behind its back."""
    from res2clip_export import stages

    class WrongMatcher(stages.UnrolledMatcher):
        def _sparsemax(self, scores: torch.Tensor) -> torch.Tensor:
            return super()._sparsemax(scores * 1.05)

    monkeypatch.setattr(stages, "UnrolledMatcher", WrongMatcher)
    with pytest.raises(ParityError, match=r"stage 'match' output 'residual .*differs by"):
        export_bundle(tiny_model, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_of_heads_answers_like_pytorch(tiny_checkpoint, tmp_path) -> None:
    heads = save_heads(tmp_path / "five.pth", 4, taps=(1, 2, 3), dim=48)
    model = res2clip.Res2CLIP(res2clip.load_backbone(tiny_checkpoint, image_size=40), heads)
    bundle = export_bundle(model, tmp_path / "bundle")
    assert bundle.manifest.heads == "five.pth"
    assert bundle.manifest.method.residual_weight == 0.1


def test_exporting_again_replaces_the_bundle_and_leaves_no_rest(tiny_bundle, tiny_model) -> None:
    place = tiny_bundle.directory.parent
    first = tiny_bundle.manifest.created
    again = export_bundle(tiny_model, tiny_bundle.directory)
    assert again.manifest.created >= first
    assert [path.name for path in place.iterdir()] == [tiny_bundle.directory.name]


@pytest.mark.parametrize(
    ("strategy", "precision", "message"),
    [("radial_3nn", "fp32", "runs in PyTorch only"), ("sparse_radial_knn", "fp12", "--precision")],
)
def test_what_cannot_be_exported_is_said(tiny_checkpoint, tmp_path, strategy, precision, message):
    model = res2clip.Res2CLIP(res2clip.load_backbone(tiny_checkpoint), match=strategy)
    with pytest.raises(InputError, match=message):
        export_bundle(model, tmp_path / "bundle", precision)
    assert not (tmp_path / "bundle").exists()


def test_a_place_that_cannot_be_written_is_named(tiny_model, tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        export_bundle(tiny_model, tmp_path / "file" / "bundle")


def test_large_weights_go_beside_the_graph(tiny_model, tmp_path, monkeypatch) -> None:
    from res2clip_export import onnx_file

    monkeypatch.setattr(onnx_file, "EXTERNAL_DATA_BYTES", 10_000)
    bundle = export_bundle(tiny_model, tmp_path / "bundle")
    assert "encoder.onnx.data" in bundle.manifest.files
    assert (tmp_path / "bundle" / "encoder.onnx").stat().st_size < 200_000
    rho = grid_rho(tiny_model.spec.grid)
    with Inspector(bundle) as inspector:
        features = inspector.stages.encode(np.zeros((1, 40, 40, 3), dtype=np.uint8))
        inspector.stages.match(features.patches, features.patches[0], rho)


def test_bundles_are_named_by_backbone_size_heads_and_precision(tiny_model) -> None:
    assert bundle_writer.bundle_name(tiny_model) == "tiny-40px-fp32"


def test_a_folder_with_something_else_in_it_is_not_replaced(tiny_model, tmp_path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="something else than a bundle"):
        export_bundle(tiny_model, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_an_export_that_was_killed_is_no_installed_bundle(tiny_bundle, tmp_path, monkeypatch):
    from res2clip_runtime.bundle import bundles_directory, installed_bundles

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    shutil.copytree(tiny_bundle.directory, bundles_directory() / ".tiny.a1b2c3")
    assert installed_bundles() == []
    shutil.copytree(tiny_bundle.directory, bundles_directory() / "tiny")
    assert [path.name for path, _ in installed_bundles()] == ["tiny"]
