"""The model repository: by Triton's own schema, by the graphs, by the verdicts, by the client."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from drawn_parts import draw_part, save_parts
from google.protobuf import text_format
from PIL import Image
from triton_stand_in import SCHEMA, StandIn, read_config, serving
from typer.testing import CliRunner

from res2clip.cli.app import app
from res2clip_export import onnx_file
from res2clip_export.baked_graph import bake
from res2clip_export.triton_repository import (
    ENCODER,
    MARKER,
    model_name,
    write_triton_repository,
)
from res2clip_runtime import Bundle, Inspector, Recipe
from res2clip_runtime.errors import ArtefactError, EncoderMismatchError, InputError, OutputError
from res2clip_runtime.manifest import FileEntry
from res2clip_runtime.preprocess import to_square
from res2clip_runtime.score import score
from res2clip_runtime.spec import MethodSpec
from res2clip_runtime.verdict import Decision

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "tests" / "runtime" / "data" / "tiny_bundle"
TYPES = {onnx.TensorProto.FLOAT: "TYPE_FP32", onnx.TensorProto.UINT8: "TYPE_UINT8"}
WASHER = ("washer", "washer_match", "washer_heads")
NUT = ("nut_M8", "nut_M8_match", "nut_M8_heads")


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load(BUNDLE)


@pytest.fixture(scope="module")
def recipes(bundle: Bundle) -> list[Recipe]:
    with Inspector(bundle, threads=1) as inspector:
        return [
            inspector.teach([draw_part(seed) for seed in range(4)], product="washer"),
            inspector.teach([draw_part(seed) for seed in range(6, 8)], product='nut "M8"'),
        ]


@pytest.fixture(scope="module")
def repository(bundle: Bundle, recipes: list[Recipe], tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("triton") / "repository"
    names = write_triton_repository(bundle, recipes, target)
    assert set(names) == {ENCODER, *WASHER, *NUT}
    return target


def test_every_model_has_its_folder_and_version(repository: Path) -> None:
    assert {path.name for path in repository.iterdir()} == {ENCODER, *WASHER, *NUT, MARKER}
    for folder in filter(Path.is_dir, repository.iterdir()):
        assert (folder / "1").is_dir()
        assert read_config(folder).name == folder.name


def test_schema_refuses_a_field_it_does_not_have() -> None:
    """So that the tests below can fail."""
    with pytest.raises(text_format.ParseError, match="max_batch"):
        text_format.Parse('name: "x" max_batch: 8', SCHEMA.ModelConfig())


@pytest.mark.parametrize("name", [ENCODER, *WASHER[1:], *NUT[1:]])
def test_config_equals_the_graph(repository: Path, name: str) -> None:
    config = read_config(repository / name)
    graph = onnx.load(str(repository / name / "1" / "model.onnx")).graph
    for told, real in ((config.input, graph.input), (config.output, graph.output)):
        assert [tensor.name for tensor in told] == [entry.name for entry in real]
        for tensor, entry in zip(told, real, strict=True):
            shape = entry.type.tensor_type.shape.dim
            assert SCHEMA.DataType.Name(tensor.data_type) == TYPES[entry.type.tensor_type.elem_type]
            assert list(tensor.dims) == [d.dim_value for d in shape[1:]]
            assert shape[0].dim_param == "B"
    assert config.backend == "onnxruntime"
    assert config.max_batch_size == 8
    assert config.HasField("dynamic_batching") == (name == ENCODER)


@pytest.mark.parametrize("product", ["washer", "nut_M8"])
def test_tensors_of_the_chain_connect(repository: Path, product: str) -> None:
    config = read_config(repository / product)

    def signature(tensors) -> dict[str, tuple[int, ...]]:
        return {t.name: (t.data_type, *t.dims) for t in tensors}

    known = signature(config.input)
    for step in config.ensemble_scheduling.step:
        model = read_config(repository / step.model_name)
        takes, makes = signature(model.input), signature(model.output)
        assert set(step.input_map) == set(takes)
        assert {key: known[value] for key, value in step.input_map.items()} == takes
        assert set(step.output_map) == set(makes)
        assert not set(step.output_map.values()) & set(known), "a tensor is made twice"
        known |= {value: makes[key] for key, value in step.output_map.items()}
        assert model.max_batch_size >= config.max_batch_size
    wanted = signature(config.output)
    assert {name: known[name] for name in wanted} == wanted


@pytest.mark.parametrize("index", [0, 1])
def test_chain_answers_like_the_pipeline(
    repository: Path, bundle: Bundle, recipes: list[Recipe], index: int
) -> None:
    recipe, spec = recipes[index], bundle.manifest.method
    pictures = [draw_part(seed, scratched=seed > 21) for seed in range(20, 24)]
    squares = np.stack([to_square(picture, spec.image_size_px) for picture in pictures])
    made = StandIn(repository).infer(model_name(recipe.product), {"image_u8": squares})
    with Inspector(bundle) as inspector:
        for row, picture in enumerate(pictures):
            verdict = inspector.inspect(picture, recipe)
            scored = score(made["maps"][row], made["scores"][row], spec)
            assert scored.image_score == pytest.approx(verdict.score, abs=1e-5)
            np.testing.assert_allclose(scored.anomaly_map, verdict.anomaly_map, atol=1e-5)


def test_clients_are_told_method_and_threshold(
    repository: Path, bundle: Bundle, recipes: list[Recipe]
) -> None:
    config = read_config(repository / "nut_M8")
    told = json.loads(config.parameters["res2clip"].string_value)
    assert MethodSpec.from_json(told["method"]) == bundle.manifest.method
    assert told["product"] == 'nut "M8"'
    threshold = recipes[1].thresholds[bundle.manifest.method.score_id]
    assert (told["threshold"], told["pixel_threshold"]) == (threshold.score, threshold.pixel)


def test_documented_client_runs_as_it_stands(
    repository: Path, bundle: Bundle, recipes: list[Recipe], tmp_path: Path
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "triton.md").read_text(), re.S)
    (tmp_path / "parts").mkdir()
    picture = draw_part(30, scratched=True)
    Image.fromarray(picture).save(tmp_path / "parts" / "17.png")
    with serving(repository) as address:
        assert code.count("localhost:8000") == 1
        code = code.replace("localhost:8000", address)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    decision, answered = done.stdout.split()
    with Inspector(bundle) as inspector:
        verdict = inspector.inspect(picture, recipes[0])
    assert decision == verdict.decision.value == Decision.NG.value
    assert float(answered) == pytest.approx(verdict.score, abs=1e-5)


def test_repository_is_replaced_whole(
    bundle: Bundle, recipes: list[Recipe], tmp_path: Path
) -> None:
    target = tmp_path / "repository"
    write_triton_repository(bundle, recipes, target)
    write_triton_repository(bundle, recipes[:1], target)
    assert {path.name for path in target.iterdir()} == {ENCODER, *WASHER, MARKER}
    assert [path.name for path in tmp_path.iterdir()] == ["repository"]


@pytest.mark.parametrize(
    ("precision", "instead"), [("bf16", "fp32, fp16 or int8"), ("int8-bf16", "int8")]
)
def test_a_precision_that_onnx_runtimes_cpu_cannot_compute_is_refused(
    bundle: Bundle, tmp_path: Path, precision: str, instead: str
) -> None:
    method = dataclasses.replace(bundle.manifest.method, precision=precision)
    manifest = dataclasses.replace(bundle.manifest, method=method)
    with pytest.raises(InputError, match=rf"runs ONNX Runtime.*--precision {instead}$"):
        write_triton_repository(Bundle(bundle.directory, manifest), [], tmp_path / "r")
    assert list(tmp_path.iterdir()) == []


def test_foreign_folder_is_left_alone(bundle: Bundle, tmp_path: Path) -> None:
    foreign = tmp_path / "resnet" / "config.pbtxt"
    foreign.parent.mkdir()
    foreign.write_text('name: "resnet"')
    with pytest.raises(InputError, match=r"resnet \.\.\.\); choose another folder"):
        write_triton_repository(bundle, [], tmp_path)
    write_triton_repository(bundle, [], tmp_path / "ours")
    (tmp_path / "ours" / "added").mkdir()
    with pytest.raises(InputError, match="added"):
        write_triton_repository(bundle, [], tmp_path / "ours")
    assert foreign.read_text() == 'name: "resnet"'


def test_failed_writing_leaves_the_old_repository(
    bundle: Bundle, recipes: list[Recipe], tmp_path: Path
) -> None:
    write_triton_repository(bundle, recipes, tmp_path / "r")
    before = sorted(path.name for path in (tmp_path / "r").iterdir())
    other = dataclasses.replace(recipes[0], product="ü" * 200)  # in bytes longer than a file's name
    with pytest.raises(OutputError, match="cannot write"):
        write_triton_repository(bundle, [other], tmp_path / "r")
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == before
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_products_of_one_model_name_are_refused(
    bundle: Bundle, recipes: list[Recipe], tmp_path: Path
) -> None:
    twin = dataclasses.replace(recipes[0], product="washer!")
    with pytest.raises(InputError, match=r"'washer!' would be served as 'washer'"):
        write_triton_repository(bundle, [recipes[0], twin], tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_recipe_of_another_encoder_is_refused(
    bundle: Bundle, recipes: list[Recipe], tmp_path: Path
) -> None:
    other = dataclasses.replace(recipes[0], encoder_id="f" * 64)
    with pytest.raises(EncoderMismatchError):
        write_triton_repository(bundle, [other], tmp_path / "r")


def test_large_banks_and_encoders_go_beside_their_graphs(
    bundle: Bundle, recipes: list[Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "EXTERNAL_DATA_BYTES", 5_000)
    large = Path(shutil.copytree(BUNDLE, tmp_path / "bundle"))
    _, data = onnx_file.save_onnx(onnx.load(str(large / "encoder.onnx")), large / "encoder.onnx")
    files = {**bundle.manifest.files, data.name: FileEntry(sha256="", bytes=0)}
    manifest = dataclasses.replace(bundle.manifest, files=files)
    write_triton_repository(Bundle(large, manifest), recipes[:1], tmp_path / "r")
    assert (tmp_path / "r" / ENCODER / "1" / "encoder.onnx.data").is_file()
    assert (tmp_path / "r" / "washer_match" / "1" / "model.onnx.data").is_file()
    square = to_square(draw_part(9), bundle.manifest.method.image_size_px)[None]
    made = StandIn(tmp_path / "r").infer("washer", {"image_u8": square})
    with Inspector(bundle) as inspector:
        expected = inspector.inspect(draw_part(9), recipes[0])
    scored = score(made["maps"][0], made["scores"][0], bundle.manifest.method)
    assert scored.image_score == pytest.approx(expected.score, abs=1e-5)


def test_value_of_another_shape_is_not_baked(bundle: Bundle) -> None:
    model = onnx.load(str(bundle.stage_path("match")))
    with pytest.raises(ArtefactError, match="'bank' is"):
        bake(model, {"bank": np.zeros((2, 36, 31), dtype=np.float32)})
    with pytest.raises(ArtefactError, match="no input 'bonk'"):
        bake(model, {"bonk": np.zeros(1, dtype=np.float32)})


def test_command_line_writes_and_names_the_models(recipes: list[Recipe], tmp_path: Path) -> None:
    path = tmp_path / "washer.recipe.safetensors"
    recipes[0].save(path)
    options = ["--triton", str(tmp_path / "r"), "--bundle", str(BUNDLE), "--recipe", str(path)]
    done = CliRunner().invoke(app, ["export", *options, "--json"])
    assert done.exit_code == 0, done.output
    assert set(json.loads(done.stdout)["models"]) == {ENCODER, *WASHER}
    refused = CliRunner().invoke(app, ["export", "--recipe", str(path)])
    assert refused.exit_code == 2


def test_torch_is_not_needed(tmp_path: Path) -> None:
    good = save_parts(tmp_path / "good", 2)
    code = f"""
import sys
sys.modules["torch"] = None
from pathlib import Path
from res2clip_runtime import Bundle, Inspector
from res2clip.cli import main
with Inspector(Bundle.load({str(BUNDLE)!r})) as inspector:
    pictures = sorted(Path({str(good)!r}).iterdir())
    inspector.teach(pictures, product="w").save("w.recipe.safetensors")
sys.argv = ["res2clip", "export", "--triton", "r", "--bundle", {str(BUNDLE)!r},
            "--recipe", "w.recipe.safetensors"]
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "r" / "w_match" / "1" / "model.onnx").is_file()
