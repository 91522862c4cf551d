"""ONNX Runtime's providers, options and wheels; no GPU is needed, and none is believed in."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from drawn_parts import draw_part
from typer.testing import CliRunner

from res2clip_runtime.backends import EngineOptions, open_stages
from res2clip_runtime.backends.onnx_libraries import library_problem
from res2clip_runtime.backends.onnx_providers import CPU, CUDA, TENSORRT, Providers, stage_providers
from res2clip_runtime.backends.onnx_session import open_session
from res2clip_runtime.backends.onnx_wheels import (
    installed_wheels,
    reinstall_command,
    wheels_problem,
)
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.cli.app import app
from res2clip_runtime.errors import BackendError, InputError, OutputError
from res2clip_runtime.inspector import Inspector
from res2clip_runtime.manifest import FileEntry
from res2clip_runtime.preprocess import to_square


@pytest.fixture
def bundle(bundle_path: Path) -> Bundle:
    return Bundle.load(bundle_path)


@pytest.fixture
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)


def install(folder: Path, name: str, *, files: tuple[str, ...]) -> None:
    """Write the metadata of a wheel whose record names ``files``."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in files))


def write(folder: Path, *files: str) -> None:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def providers_of(
    backend: str,
    bundle: Bundle,
    stage: str,
    *,
    options: EngineOptions | None = None,
    version: str = "1.0",
) -> Providers:
    return stage_providers(
        backend,
        bundle,
        stage,
        options=options or EngineOptions(),
        onnxruntime_version=version,
    )


INIT, LIBRARY = "onnxruntime/__init__.py", "onnxruntime/capi/state.so"


def test_one_whole_wheel_is_well(tmp_path: Path) -> None:
    install(tmp_path, "onnxruntime", files=(INIT, LIBRARY))
    write(tmp_path, INIT, LIBRARY)
    wheels = installed_wheels([str(tmp_path)])
    assert list(wheels) == ["onnxruntime"]
    assert wheels_problem(wheels) == ""


def test_two_wheels_over_each_other_are_explained(tmp_path: Path) -> None:
    for name in ("onnxruntime-gpu", "onnxruntime"):
        install(tmp_path, name, files=(INIT, LIBRARY))
    write(tmp_path, INIT, LIBRARY)
    wheels = installed_wheels([str(tmp_path)])
    assert wheels_problem(wheels) == (
        "onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files"
    )
    assert reinstall_command(wheels) == (
        "pip uninstall -y onnxruntime onnxruntime-gpu && pip install 'res2clip[gpu]'"
    )


def test_wheel_whose_files_went_with_another_is_explained(tmp_path: Path) -> None:
    """pip would say that its requirement is already satisfied."""
    install(tmp_path, "onnxruntime", files=(INIT, LIBRARY))
    write(tmp_path, INIT)
    wheels = installed_wheels([str(tmp_path)])
    assert "1 of the files of onnxruntime are gone" in wheels_problem(wheels)
    assert (
        reinstall_command(wheels) == "pip uninstall -y onnxruntime && pip install 'res2clip[cpu]'"
    )


def test_wheel_installed_here_is_whole() -> None:
    assert wheels_problem(installed_wheels()) == ""


def test_doctor_explains_an_emptied_package(tmp_path: Path) -> None:
    install(tmp_path, "onnxruntime-gpu", files=(INIT, LIBRARY))
    write(tmp_path, INIT)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", "res2clip_runtime.cli", "doctor", "--json"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    (check,) = [c for c in json.loads(done.stdout) if c["name"] == "onnxruntime"]
    assert check["status"] == "missing"
    assert check["remedy"].startswith("pip uninstall -y onnxruntime")


def test_options_change_no_score(bundle: Bundle) -> None:
    picture = to_square(draw_part(0), bundle.manifest.method.image_size_px)[None]
    odd = EngineOptions(spinning=True, arena=False)
    features = []
    for options in (None, odd):
        stages = open_stages(bundle, "onnxruntime", threads=1, options=options)
        features.append(stages.encode(picture).patches)
        stages.close()
    np.testing.assert_array_equal(*features)


def test_command_line_takes_the_options(bundle_path: Path, good: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "w.recipe.safetensors"
    with Inspector(Bundle.load(bundle_path)) as inspector:
        inspector.teach(sorted(good.iterdir())[:2], product="w").save(recipe)
    options = ["--source", str(good), "--recipe", str(recipe), "--bundle", str(bundle_path)]
    done = CliRunner().invoke(app, [*options, "--spin", "--no-arena", "--gpu-memory", "512"])
    assert done.exit_code == 0, done.output
    refused = CliRunner().invoke(app, [*options, "--gpu-memory", "0"])
    assert refused.exit_code == 2


def test_impossible_memory_is_refused() -> None:
    with pytest.raises(InputError, match="--gpu-memory"):
        EngineOptions(gpu_memory_mb=0)


def test_cuda_computes_in_fp32_and_within_its_limit(bundle: Bundle) -> None:
    limit = EngineOptions(gpu_memory_mb=512)
    ((name, settings),) = providers_of("onnxruntime-cuda", bundle, "match", options=limit)
    assert name == CUDA
    assert settings == {"use_tf32": "0", "gpu_mem_limit": str(512 * 2**20)}


@pytest.mark.usefixtures("_own_cache")
def test_tensorrt_builds_for_one_bank_size_after_another_and_caches(bundle: Bundle) -> None:
    providers = providers_of("onnxruntime-tensorrt", bundle, "match")
    assert [name for name, _ in providers] == [TENSORRT, CUDA]
    settings = providers[0][1]
    taps, patches, dim = 2, 36, 32
    assert settings["trt_profile_min_shapes"] == (
        f"patches:1x{taps}x{patches}x{dim},bank:{taps}x1x{dim},bank_rho:1"
    )
    assert settings["trt_profile_max_shapes"] == (
        f"patches:1x{taps}x{patches}x{dim},bank:{taps}x{16 * patches}x{dim},bank_rho:{16 * patches}"
    )
    encoder = providers_of("onnxruntime-tensorrt", bundle, "encoder")[0][1]
    assert encoder["trt_profile_max_shapes"] == "image_u8:8x48x48x3"
    assert os.environ["NVIDIA_TF32_OVERRIDE"] == "0"
    assert Path(settings["trt_engine_cache_path"]).is_dir()


def in_precision(bundle: Bundle, precision: str) -> Bundle:
    method = dataclasses.replace(bundle.manifest.method, precision=precision)
    return Bundle(bundle.directory, dataclasses.replace(bundle.manifest, method=method))


@pytest.mark.usefixtures("_own_cache")
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16", "int8"])
@pytest.mark.parametrize("stage", ["encoder", "match", "heads"])
def test_tensorrt_computes_in_the_graphs_own_types(bundle: Bundle, stage, precision) -> None:
    """One of these options, and TensorRT lowers what it likes, fp32 match and heads too."""
    lowered = in_precision(bundle, precision)
    settings = providers_of("onnxruntime-tensorrt", lowered, stage)[0][1]
    assert not [name for name in settings if re.fullmatch(r"trt_(fp16|bf16|int8)_enable", name)]


@pytest.mark.usefixtures("_own_cache")
def test_engines_of_another_graph_or_onnxruntime_lie_elsewhere(bundle: Bundle) -> None:
    def folder(stage: str, version: str) -> str:
        providers = providers_of("onnxruntime-tensorrt", bundle, stage, version=version)
        return providers[0][1]["trt_engine_cache_path"]

    assert len({folder("match", "1.0"), folder("heads", "1.0"), folder("match", "1.1")}) == 3


@pytest.mark.usefixtures("_own_cache")
def test_engines_of_other_weights_beside_the_same_graph_lie_elsewhere(bundle: Bundle) -> None:
    def folder(weights: str) -> str:
        data = FileEntry(sha256=weights * 64, bytes=1)
        files = {**bundle.manifest.files, "encoder.onnx.data": data}
        large = Bundle(bundle.directory, dataclasses.replace(bundle.manifest, files=files))
        return providers_of("onnxruntime-tensorrt", large, "encoder")[0][1]["trt_engine_cache_path"]

    assert folder("a") != folder("b")


@pytest.mark.usefixtures("_own_cache")
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_no_bundle_is_run_in_tf32(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    """Match and heads are fp32 in each of them."""
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    with pytest.raises(BackendError, match="NVIDIA_TF32_OVERRIDE"):
        providers_of("onnxruntime-tensorrt", in_precision(bundle, precision), "match")


def test_cache_that_cannot_be_written_is_an_error_of_ours(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "res2clip").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    with pytest.raises(OutputError, match="onnxruntime-tensorrt"):
        providers_of("onnxruntime-tensorrt", bundle, "match")


@pytest.mark.usefixtures("_own_cache")
@pytest.mark.parametrize("backend", ["onnxruntime-cuda", "onnxruntime-tensorrt"])
def test_provider_that_is_not_offered_is_refused(bundle: Bundle, backend: str) -> None:
    if CUDA in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(BackendError, match=r"pip install 'res2clip\[gpu\]'"):
        open_stages(bundle, backend)


def test_provider_that_is_offered_and_does_not_come_is_refused(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime's own answer to a provider that it cannot load is the CPU, and a warning."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    with (
        pytest.warns(UserWarning, match="not in available provider names"),
        pytest.raises(BackendError, match=r"asked ONNX Runtime for CUDA.*, got CPU"),
    ):
        open_session(str(bundle.stage_path("heads")), providers=((CUDA, {}),))


def test_library_that_does_not_load_is_named(tmp_path: Path) -> None:
    """As ``libcublas.so.13`` is by the wheel of onnxruntime-gpu on a machine without CUDA."""
    import types

    write(tmp_path, "capi/libonnxruntime_providers_shared.so")
    write(tmp_path, "capi/libonnxruntime_providers_cuda.so")
    module = types.ModuleType("onnxruntime")
    module.__file__ = str(tmp_path / "__init__.py")
    assert "does not load" in library_problem(module, CUDA)
    assert library_problem(module, TENSORRT) == ""
