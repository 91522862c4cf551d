"""The encoder in fp16, bf16 and int8: what is lowered, what is let out, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from golden import checkpoint
from onnx import TensorProto, numpy_helper
from safetensors.torch import load_file, save_file

import res2clip
from res2clip_export import bundle_writer, export_bundle, precision
from res2clip_export.bisection import find_error_entry
from res2clip_export.encoder_layers import find_layers
from res2clip_export.half_arithmetic import compare_half_arithmetic
from res2clip_export.half_graph import HALF_TYPES, half_nodes
from res2clip_export.onnx_file import save_onnx
from res2clip_export.onnx_rules import check_rules
from res2clip_export.parity_pictures import calibration_pictures, judged_pictures, pictures_at
from res2clip_export.precision import lower_encoder
from res2clip_runtime.backends import BACKENDS, open_stages
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.errors import BackendError, InputError, ParityError
from res2clip_runtime.parity.verification import verify_bundle

PRECISIONS = ("fp16", "bf16", "int8")
ALL_PRECISIONS = (*PRECISIONS, "int8-bf16")
ENGINES = [
    ("fp16", "onnxruntime"),
    ("int8", "onnxruntime"),
    ("fp16", "openvino"),
    ("bf16", "openvino"),
    ("int8", "openvino"),
    ("int8-bf16", "openvino"),
]


@pytest.fixture(scope="module")
def pictures() -> tuple[np.ndarray, ...]:
    return calibration_pictures((), (), size_px=40)


@pytest.fixture(scope="module")
def encoder(tiny_bundle) -> onnx.ModelProto:
    return onnx.load(tiny_bundle.stage_path("encoder"))


@pytest.fixture(scope="module")
def lowered(encoder, pictures) -> dict[str, onnx.ModelProto]:
    return {p: lower(encoder, p, pictures)[0] for p in PRECISIONS}


@pytest.fixture
def traced_once(tiny_bundle, monkeypatch):

    paths = [tiny_bundle.stage_path(stage) for stage in ("encoder", "match", "heads")]
    reuse(monkeypatch, paths, tiny_bundle.manifest.stages)


def reuse(monkeypatch: pytest.MonkeyPatch, paths: list[Path], entries) -> None:
    """Tracing takes most of an export's time: let exports take graphs that were traced before."""

    def copy(model, workspace: Path, say):
        for path in paths:
            shutil.copy(path, workspace)
        return entries

    monkeypatch.setattr(bundle_writer, "_write_stages", copy)


def lower(model, to, pictures):
    return lower_encoder(model, to, calibration=pictures, others=(), progress=lambda _: None)


def copied(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


@pytest.mark.parametrize("to", PRECISIONS)
def test_a_lowered_graph_keeps_the_rules(lowered, tmp_path, to: str) -> None:
    save_onnx(copied(lowered[to]), tmp_path / "encoder.onnx")
    check_rules(tmp_path / "encoder.onnx")
    ends = [*lowered[to].graph.input, *lowered[to].graph.output]
    assert [v.type.tensor_type.elem_type for v in ends] == [
        TensorProto.UINT8,
        TensorProto.FLOAT,
        TensorProto.FLOAT,
    ]


@pytest.mark.parametrize("to", ["fp16", "bf16"])
def test_norms_residual_sums_and_projection_stay_fp32_and_products_do_not(lowered, to) -> None:
    model = onnx.shape_inference.infer_shapes(lowered[to], strict_mode=True)
    types = {v.name: v.type.tensor_type.elem_type for v in model.graph.value_info}
    types |= {w.name: w.data_type for w in model.graph.initializer}
    half = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}[to]
    weights = {w.name for w in model.graph.initializer}
    for node in model.graph.node:
        kinds = {types[name] for name in node.input if name in types}
        if node.op_type in ("LayerNormalization", "ReduceL2", "Conv"):
            assert TensorProto.FLOAT in kinds and half not in kinds
        elif node.op_type == "Add" and not weights & set(node.input):
            assert kinds == {TensorProto.FLOAT}
        elif node.op_type == "Softmax":
            assert kinds == {half}
        elif node.op_type == "MatMul":
            projection = "tower.proj" in node.input
            assert kinds == {TensorProto.FLOAT if projection else half}


def test_int8_is_symmetric_with_a_scale_per_channel_of_weights_and_one_of_activations(
    lowered,
) -> None:
    graph = lowered["int8"].graph
    values = {w.name: numpy_helper.to_array(w) for w in graph.initializer}
    layers = find_layers_of_int8(graph)
    assert len(layers) == 15
    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            zero = values[node.input[2]]
            assert zero.dtype == np.int8 and not zero.any()
        if node.op_type == "QuantizeLinear":
            assert values[node.input[1]].shape == ()
    for weight in layers:
        assert values[weight.input[1]].shape == values[weight.input[0]].shape[1:]
    assert not {"MatMulInteger", "QLinearMatMul"} & {node.op_type for node in graph.node}


def find_layers_of_int8(graph) -> list[onnx.NodeProto]:
    weights = {w.name for w in graph.initializer}
    return [n for n in graph.node if n.op_type == "DequantizeLinear" and n.input[0] in weights]


def test_layers_are_named_as_pytorch_calls_them(encoder) -> None:
    names = [layer.name for layer in find_layers(encoder.graph)]
    assert names[:5] == [
        "resblocks.0.attn.in_proj",
        "resblocks.0.attn.out_proj",
        "resblocks.0.attn.out_proj (V-V)",
        "resblocks.0.mlp.c_fc",
        "resblocks.0.mlp.c_proj",
    ]
    assert len(names) == len(set(names)) == 15
    lowered = {n.op_type for n in encoder.graph.node if n.name in half_nodes(encoder.graph)}
    assert {"MatMul", "Softmax", "Sigmoid"} <= lowered
    assert not lowered & {"LayerNormalization", "ReduceL2", "Conv", "Div", "Cast"}


@pytest.mark.parametrize(("to", "backend"), ENGINES)
def test_the_gate_lets_out_what_answers_like_pytorch(
    tiny_model, traced_once, tmp_path, to: str, backend: str
) -> None:
    bundle = export_bundle(tiny_model, tmp_path / "bundle", to, backend=backend)
    assert bundle.manifest.method.precision == to
    assert bundle.manifest.method.encoder_id == tiny_model.spec.encoder_id
    assert bundle.manifest.method.score_id != tiny_model.spec.score_id
    assert bundle.manifest.name.endswith(f"-{to}")
    report = json.loads((bundle.directory / "parity.json").read_text())
    assert report["failures"] == [] and report["precision"] == to
    assert report["backend"] == backend and report["arithmetic"]
    lowering = report["lowering"]
    assert lowering["layers"] == len(lowering["activation_ranges"]) == 15
    assert all(0 < r["input"] < 100 for r in lowering["activation_ranges"].values())
    true_half = [c for c in report["comparisons"] if "PyTorch" in c["output"]]
    assert len(true_half) == (2 if to in HALF_TYPES else 0)
    as_calibrated = [c for c in report["comparisons"] if c["least_cosine"] is not None]
    assert len(as_calibrated) == (0 if to in HALF_TYPES else 2)
    assert verify_bundle(bundle, backend=backend).failures == ()
    fp32 = 4 * sum(weight.numel() for weight in tiny_model.encoder.parameters())
    assert bundle.manifest.files["encoder.onnx"].bytes < 0.7 * fp32


@pytest.mark.parametrize("place", [3, 11])
def test_an_int8_graph_with_one_wrong_scale_is_refused_and_the_layer_named(
    tiny_model, traced_once, tmp_path, monkeypatch, place: int
) -> None:
    names: list[str] = []

    def damaged(model, *args, **options):
        lowered, facts = lower_encoder(model, *args, **options)
        layer = find_layers(model.graph)[place]
        names.append(layer.name)
        scale_of(lowered.graph, f"{layer.weight}_scale", 8.0)
        return lowered, facts

    monkeypatch.setattr(bundle_writer, "lower_encoder", damaged)
    with pytest.raises(ParityError, match="the error enters in layer") as caught:
        export_bundle(tiny_model, tmp_path / "bundle", "int8")
    assert f"layer '{names[0]}'" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", [0, 2, 12, 14])
@pytest.mark.parametrize(("to", "backend"), [("int8", "onnxruntime"), ("int8-bf16", "openvino")])
def test_an_activation_scale_four_times_too_large_is_refused(
    tiny_model, traced_once, tmp_path, monkeypatch, place: int, to: str, backend: str
) -> None:
    """The cosine is still far better than int8's limit, but not what the calibrated scales gave."""

    def damaged(model, *args, **options):
        lowered, facts = lower_encoder(model, *args, **options)
        scale_of(lowered.graph, f"{find_layers(model.graph)[place].input}_scale", 4.0)
        return lowered, facts

    monkeypatch.setattr(bundle_writer, "lower_encoder", damaged)
    feature = "image_feature" if place == 14 else "patches"  # the last layer's only output
    with pytest.raises(ParityError, match=rf"'{feature} \(as calibrated\)' has a cosine") as caught:
        export_bundle(tiny_model, tmp_path / "bundle", to, backend=backend)
    assert "at least 0.998 is needed" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("to", ["fp16", "bf16"])
def test_a_half_graph_with_one_wrong_weight_is_refused_and_the_layer_named(
    tiny_model, traced_once, tmp_path, monkeypatch, to: str
) -> None:
    def damaged(model, *args, **options):
        lowered, facts = lower_encoder(model, *args, **options)
        scale_of(lowered.graph, f"{find_layers(model.graph)[8].weight}_{to}", 3.0)
        return lowered, facts

    monkeypatch.setattr(bundle_writer, "lower_encoder", damaged)
    with pytest.raises(ParityError, match=r"enters in layer 'resblocks.1.mlp.c_fc'"):
        export_bundle(tiny_model, tmp_path / "bundle", to)
    assert list(tmp_path.iterdir()) == []


def scale_of(graph: onnx.GraphProto, name: str, factor: float) -> None:
    (weight,) = (w for w in graph.initializer if w.name == name)
    values = numpy_helper.to_array(weight)
    weight.CopyFrom(numpy_helper.from_array((values * factor).astype(values.dtype), name))


@pytest.mark.parametrize("place", range(15))
def test_the_layer_of_an_error_is_found_wherever_it_is(encoder, lowered, pictures, place) -> None:
    broken = copied(lowered["fp16"])
    layer = find_layers(encoder.graph)[place]
    # out_proj has two uses of one weight, and the error enters at the first of them that counts.
    scale_of(broken.graph, f"{layer.weight}_fp16", 1.5)
    found = find_error_entry(encoder, broken, pictures[0])
    assert found.layer.removesuffix(" (V-V)") == layer.name.removesuffix(" (V-V)")
    assert found.after > 10 * found.before


INSIDE_MLP = (("c_fc.weight", 1), ("c_fc.bias", 1), ("c_proj.weight", -1))


def overflowing(checkpoint_file: Path, path: Path, factors: dict[int, float]) -> res2clip.Res2CLIP:
    """A CLIP with MLPs so much larger inside, by block, and right in fp32."""
    tensors = load_file(checkpoint_file)
    for block, factor in factors.items():
        for name, power in INSIDE_MLP:
            tensors[f"visual.transformer.resblocks.{block}.mlp.{name}"] *= factor**power
    save_file(tensors, path)
    return res2clip.Res2CLIP(res2clip.load_backbone(path, image_size=40))


@pytest.fixture(scope="module")
def overflowing_model(tiny_checkpoint, tmp_path_factory):
    """More than fp16 bears in the second MLP."""
    place = tmp_path_factory.mktemp("overflow")
    return overflowing(tiny_checkpoint, place / "overflow.safetensors", {1: 2e4})


@pytest.mark.slow
def test_what_overflows_fp16_stays_float_and_is_listed(overflowing_model, tmp_path) -> None:
    bundle = export_bundle(overflowing_model, tmp_path / "bundle", "fp16")
    report = json.loads((bundle.directory / "parity.json").read_text())
    assert set(report["lowering"]["layers_float"]) == {
        "resblocks.1.mlp.c_fc",
        "resblocks.1.mlp.c_proj",
    }
    assert "reaches" in report["lowering"]["layers_float"]["resblocks.1.mlp.c_fc"]
    assert report["lowering"]["activation_ranges"]["resblocks.1.mlp.c_fc"]["output"] > 65504
    true_half = [c for c in report["comparisons"] if "PyTorch" in c["output"]]
    assert len(true_half) == 2 and all(c["cosine"] > 0.9999 for c in true_half)
    # Rounded, not fp32 altogether.
    assert all(c["max_abs"] > 1e-5 for c in true_half)


@pytest.mark.slow
def test_an_overflow_that_a_cpu_engine_hides_is_found_by_true_half_arithmetic(
    overflowing_model, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(precision, "overflowing_nodes", lambda *_: {})
    with pytest.raises(ParityError, match=r"PyTorch, fp16 arithmetic.*cosine of nan"):
        export_bundle(overflowing_model, tmp_path / "bundle", "fp16")


def test_a_hidden_overflow_is_found_beside_layers_that_stayed_float(
    tiny_checkpoint, tiny_bundle, encoder, tmp_path, monkeypatch
) -> None:
    factors = {0: 1e5, 1: 1e5}
    model = overflowing(tiny_checkpoint, tmp_path / "two.safetensors", factors)
    graph = copied(encoder)
    layers = {layer.name: layer for layer in find_layers(graph.graph)}
    for block, factor in factors.items():
        place = f"resblocks.{block}.mlp"
        scale_of(graph.graph, layers[f"{place}.c_fc"].weight, factor)
        scale_of(graph.graph, f"tower.transformer.{place}.c_fc.bias", factor)
        scale_of(graph.graph, layers[f"{place}.c_proj"].weight, 1 / factor)
    save_onnx(graph, tmp_path / "encoder.onnx")
    others = [tiny_bundle.stage_path(stage) for stage in ("match", "heads")]
    reuse(monkeypatch, [tmp_path / "encoder.onnx", *others], tiny_bundle.manifest.stages)
    measured = precision.overflowing_nodes

    def of_block_1(graph, nodes, ranges):
        order = [node.name for node in graph.node]
        later = order[order.index(layers["resblocks.1.mlp.c_fc"].node) :]
        return {n: peak for n, peak in measured(graph, nodes, ranges).items() if n in later}

    out = tmp_path / "out"
    assert "resblocks.0.mlp.c_fc" in floats(export_bundle(model, out, "fp16"))
    monkeypatch.setattr(precision, "overflowing_nodes", of_block_1)
    with pytest.raises(ParityError, match=r"PyTorch, fp16 arithmetic.*cosine of nan"):
        export_bundle(model, tmp_path / "refused", "fp16")


def floats(bundle: Bundle) -> dict[str, str]:
    report = json.loads((bundle.directory / "parity.json").read_text())
    return report["lowering"]["layers_float"]


@pytest.mark.parametrize(
    "kept",
    [
        ("resblocks.1.mlp.c_proj",),
        ("resblocks.1.attn.in_proj",),
        ("resblocks.2.attn.out_proj (V-V)",),
        ("resblocks.0.node_linear_3",),
    ],
)
def test_half_arithmetic_leaves_each_kind_of_layer_float(tiny_model, pictures, kept) -> None:
    def differences(kept_float):
        found = compare_half_arithmetic(
            tiny_model, pictures, precision="bf16", kind="drawn", kept_float=kept_float
        )
        assert all(c.cosine > 0.999 for c in found)
        return [c.max_abs for c in found]

    with_some, with_none = differences(kept), differences(())
    assert with_some != with_none and min(with_some) > 1e-5
    assert differences(()) == with_none, "the model is as it was"


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "openvino"])
def test_int8_with_bf16_is_openvinos_alone(tiny_bundle, backend) -> None:
    method = dataclasses.replace(tiny_bundle.manifest.method, precision="int8-bf16")
    manifest = dataclasses.replace(tiny_bundle.manifest, method=method)
    with pytest.raises(BackendError, match=r"proved on OpenVINO.*use --backend openvino"):
        open_stages(Bundle(tiny_bundle.directory, manifest), backend)


def test_bf16_is_refused_by_onnx_runtimes_cpu_which_cannot_do_it(
    tiny_model, traced_once, tmp_path
) -> None:
    with pytest.raises(BackendError, match="cannot multiply in bf16; use --backend openvino"):
        export_bundle(tiny_model, tmp_path / "bundle", "bf16", backend="onnxruntime")


def test_the_scales_of_int8_come_from_the_calibration_pictures_alone(encoder, pictures) -> None:
    def activation_scales(others):
        model, facts = lower_encoder(
            encoder, "int8", calibration=pictures[:2], others=others, progress=lambda _: None
        )
        weights = {w.name: numpy_helper.to_array(w) for w in model.graph.initializer}
        nodes = [n for n in model.graph.node if n.op_type == "QuantizeLinear"]
        return {n.input[0]: float(weights[n.input[1]]) for n in nodes}, facts

    alone, facts = activation_scales(())
    beside, _ = activation_scales(pictures[2:])
    assert alone == beside and facts.range_pictures == 2
    for layer in find_layers(encoder.graph):
        peak = facts.ranges[layer.name]["input"]
        assert alone[layer.input] == pytest.approx(peak / 127.5, rel=0.01)


def test_no_picture_both_judges_and_calibrates() -> None:
    judging = {square.tobytes() for square in judged_pictures((), size_px=64).inspected}
    assert not judging & {s.tobytes() for s in calibration_pictures((), (), size_px=64)}
    plain = [np.full((64, 64, 3), value, dtype=np.uint8) for value in range(6)]
    judging = {square.tobytes() for square in judged_pictures(plain, size_px=64).inspected}
    assert not judging & {s.tobytes() for s in calibration_pictures((), plain, size_px=64)}


def test_a_category_brings_its_labels_and_masks() -> None:
    images = Path(checkpoint.__file__).parent / "images"
    judged = judged_pictures(pictures_at(str(images / "bottle")), size_px=64)
    assert judged.kind == "given" and len(judged.squares) == 2 + 6
    assert judged.defective is not None and judged.defective.tolist() == [False] * 3 + [True] * 3
    assert judged.masks is not None and judged.masks.any(axis=(1, 2)).tolist() == [0, 0, 0, 1, 1, 1]
    with pytest.raises(InputError, match=r"several categories .*give one \(--pictures\)"):
        pictures_at(str(images))
    assert len(pictures_at(str(images / "bottle" / "train" / "good"))) == 4


def test_an_unknown_engine_is_refused_before_anything_is_traced(tiny_model, tmp_path) -> None:
    with pytest.raises(InputError, match=r"unknown backend 'tpu' \(--backend\)"):
        export_bundle(tiny_model, tmp_path / "bundle", "fp16", backend="tpu")


def test_too_few_pictures_are_refused() -> None:
    with pytest.raises(InputError, match="needs 4 or more pictures"):
        judged_pictures([np.zeros((64, 64, 3), dtype=np.uint8)] * 3, size_px=64)


def test_sensitive_layers_stay_float_until_the_features_are_near(
    encoder, pictures, monkeypatch
) -> None:
    from res2clip_export import layer_sensitivity

    strict, facts = {}, {}
    for target in (0.99, 0.99999):
        monkeypatch.setattr(layer_sensitivity, "TARGET_COSINE", target)
        strict[target], facts[target] = lower(encoder, "int8", pictures)
    assert facts[0.99].kept_float == {}
    assert 1 <= len(facts[0.99999].kept_float) <= 8
    assert all("own int8 error" in reason for reason in facts[0.99999].kept_float.values())
    quantised = [find_layers_of_int8(strict[t].graph) for t in (0.99, 0.99999)]
    assert len(quantised[1]) < len(quantised[0])


@pytest.mark.slow
@pytest.mark.parametrize("to", ALL_PRECISIONS)
def test_the_mini_passes_in_every_precision_on_every_cpu_engine(mini_stages, tmp_path, to) -> None:
    bundle = export_bundle(mini_stages, tmp_path / "bundle", to)
    size = sum(entry.bytes for entry in bundle.manifest.files.values())
    assert size < 10e6 and bundle.manifest.files["parity_samples.safetensors"].bytes < 2e6
    for backend in (engine for kind, engine in ENGINES if kind == to):
        report = verify_bundle(bundle, backend=backend)
        felt = report.felt
        assert report.failures == () and felt.judged and felt.verdicts_changed == 0
        assert abs(felt.p_ap_points) < {"fp16": 0.1, "bf16": 0.5}.get(to, 1.5)
        assert felt.score_change < 0.05 and felt.rank_correlation > 0.9


@pytest.fixture
def mini_stages(traced_mini, monkeypatch):
    model, stages, entries = traced_mini
    reuse(monkeypatch, list(stages.iterdir()), entries)
    return model


@pytest.fixture(scope="module")
def traced_mini(tmp_path_factory):
    model = res2clip.Res2CLIP(res2clip.load_backbone("mini"))
    stages = tmp_path_factory.mktemp("mini")
    return model, stages, bundle_writer._write_stages(model, stages, lambda _: None)


@pytest.mark.slow
@pytest.mark.parametrize(("to", "backend"), [("fp32", "onnxruntime"), *ENGINES])
def test_the_shape_of_a_vit_l_passes_in_every_precision(
    traced_vit_l, tmp_path, monkeypatch, to: str, backend: str
) -> None:
    model, stages, entries = traced_vit_l
    reuse(monkeypatch, list(stages.iterdir()), entries)
    bundle = export_bundle(model, tmp_path / "bundle", to, backend=backend)
    report = json.loads((bundle.directory / "parity.json").read_text())
    assert report["failures"] == []
    assert report["lowering"].get("layers", 0) == (0 if to == "fp32" else 10)


@pytest.fixture(scope="module")
def traced_vit_l(tmp_path_factory):
    """Two blocks as wide as ViT-L's, random, at 56 px."""
    place = tmp_path_factory.mktemp("vit_l")
    sizes = checkpoint.Sizes(
        image_size=56, vision_layers=2, vision_width=1024, text_layers=1, text_width=64
    )
    path = checkpoint.save_clip(place / "wide.safetensors", 3, sizes)
    model = res2clip.Res2CLIP(res2clip.load_backbone(path))
    stages = place / "stages"
    stages.mkdir()
    return model, stages, bundle_writer._write_stages(model, stages, lambda _: None)
