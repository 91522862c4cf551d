"""The checked-in bundle on OpenVINO, beside ONNX Runtime."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from drawn_parts import draw_part

from res2clip_runtime import Bundle, Decision, Inspector, Recipe
from res2clip_runtime.backends import BackendStages, EngineOptions, open_stages
from res2clip_runtime.errors import BackendError, MissingExtraError, OutputError
from res2clip_runtime.stages import FloatArray, grid_rho


@pytest.fixture
def bundle(bundle_path: Path) -> Bundle:
    return Bundle.load(bundle_path)


@pytest.fixture
def stages(bundle: Bundle) -> Iterator[BackendStages]:
    opened = open_stages(bundle, "openvino", threads=1)
    yield opened
    opened.close()


def with_precision(bundle: Bundle, precision: str) -> Bundle:
    method = dataclasses.replace(bundle.manifest.method, precision=precision)
    return Bundle(bundle.directory, dataclasses.replace(bundle.manifest, method=method))


def outputs(stages: BackendStages, pictures: int = 3, shots: int = 2) -> list[FloatArray]:
    size = (stages.spec.image_size_px,) * 2
    images = np.stack([draw_part(i, size_px=size) for i in range(max(pictures, shots))])
    features = stages.encode(images)
    bank = np.concatenate(list(features.patches[:shots]), axis=1)
    query = features.patches[:pictures]
    residual = stages.match(query, bank, np.tile(grid_rho(stages.spec.grid), shots))
    found = stages.heads(query[:, -1], residual, features.image[:pictures], features.image[0])
    return [features.patches, features.image, residual, found.maps, found.scores]


@pytest.mark.parametrize(("pictures", "shots"), [(1, 1), (3, 2), (2, 5)])
def test_every_stage_answers_like_onnx_runtime(
    bundle: Bundle, stages: BackendStages, pictures: int, shots: int
) -> None:
    reference = open_stages(bundle, "onnxruntime", threads=1)
    wanted, got = outputs(reference, pictures, shots), outputs(stages, pictures, shots)
    for expected, actual in zip(wanted, got, strict=True):
        assert actual.shape == expected.shape
        assert actual.dtype == np.float32
        assert np.isfinite(actual).all()
        np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_a_recipe_taught_with_onnx_runtime_serves_with_its_threshold(
    bundle: Bundle, tmp_path: Path
) -> None:
    with Inspector(bundle, threads=1) as teacher:
        teacher.teach([draw_part(seed) for seed in range(4)], product="w").save(tmp_path / "a")
    recipe = Recipe.load(tmp_path / "a")
    with Inspector(bundle, backend="openvino", threads=1) as inspector:
        for seed in range(10, 13):
            assert inspector.inspect(draw_part(seed), recipe).decision is Decision.OK
            bad = inspector.inspect(draw_part(seed, scratched=True), recipe)
            assert bad.decision is Decision.NG


def test_an_answer_is_not_overwritten_by_the_next(stages: BackendStages) -> None:
    size = (stages.spec.image_size_px,) * 2
    first = stages.encode(draw_part(0, size_px=size)[None]).patches
    kept = first.copy()
    stages.encode(draw_part(1, size_px=size)[None])
    np.testing.assert_array_equal(first, kept)


def test_single_precision_bundles_are_not_computed_in_bfloat16(bundle: Bundle) -> None:
    """OpenVINO would take bf16 by itself where the CPU has it; its figures are 1e-3 off."""
    exact = outputs(open_stages(bundle, "onnxruntime", threads=1))[0]
    single = outputs(open_stages(bundle, "openvino", threads=1))[0]
    assert np.abs(single - exact).max() < 1e-5


def test_bfloat16_is_computed_or_refused(bundle: Bundle) -> None:
    import openvino

    capable = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    lowered = with_precision(bundle, "bf16")
    if not capable:
        with pytest.raises(BackendError, match="this CPU computes in f32"):
            open_stages(lowered, "openvino")
        return
    exact = outputs(open_stages(bundle, "openvino", threads=1))[0]
    rounded = outputs(open_stages(lowered, "openvino", threads=1))[0]
    assert 1e-5 < np.abs(rounded - exact).max() < 0.1


def test_a_precision_it_cannot_keep_is_refused_by_name(bundle: Bundle) -> None:
    with pytest.raises(BackendError, match=r"'fp8'.*--backend onnxruntime"):
        open_stages(with_precision(bundle, "fp8"), "openvino")


def test_a_wrong_shape_names_the_stage(stages: BackendStages) -> None:
    with pytest.raises(BackendError, match="stage 'encoder'"):
        stages.encode(np.zeros((1, 7, 7, 3), dtype=np.uint8))


def test_closed_stages_say_so(stages: BackendStages) -> None:
    stages.close()
    with pytest.raises(BackendError, match="closed"):
        stages.encode(np.zeros((1, 48, 48, 3), dtype=np.uint8))


def test_a_damaged_graph_names_its_stage(bundle: Bundle, tmp_path: Path) -> None:
    for name in ("encoder", "match", "heads"):
        (tmp_path / f"{name}.onnx").write_bytes(b"no graph")
    with pytest.raises(BackendError, match="stage 'encoder'"):
        open_stages(Bundle(tmp_path, bundle.manifest), "openvino")


def test_without_openvino_the_pip_command_is_said(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'res2clip\[openvino\]'"):
        open_stages(bundle, "openvino")


def test_compiled_graphs_are_kept_when_asked_and_other_weights_lie_elsewhere(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    wanted = outputs_of(bundle, EngineOptions())
    assert not list(tmp_path.rglob("*.blob"))
    for _ in range(2):
        for expected, actual in zip(wanted, outputs_of(bundle, CACHED), strict=True):
            np.testing.assert_array_equal(actual, expected)
    kept = sorted(tmp_path.rglob("*.blob"))
    assert len(kept) == 3
    outputs_of(with_other_weights(bundle), CACHED)
    assert len(set(tmp_path.rglob("*.blob")) - set(kept)) == 1


CACHED = EngineOptions(compile_cache=True)


def outputs_of(bundle: Bundle, options: EngineOptions) -> list[FloatArray]:
    opened = open_stages(bundle, "openvino", threads=1, options=options)
    found = outputs(opened)
    opened.close()
    return found


def with_other_weights(bundle: Bundle) -> Bundle:
    """The manifest of a bundle whose encoder was exported again to the same place."""
    entry = dataclasses.replace(bundle.manifest.files["encoder.onnx"], sha256="0" * 64)
    files = {**bundle.manifest.files, "encoder.onnx": entry}
    return Bundle(bundle.directory, dataclasses.replace(bundle.manifest, files=files))


def test_a_cache_that_cannot_be_written_is_an_error(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "res2clip").write_text("a file is in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(OutputError, match="openvino"):
        open_stages(bundle, "openvino", options=CACHED)
