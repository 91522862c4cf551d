"""Every name of TensorRT that our code uses exists in every release it is to run on.

``data/trt_api.json`` holds the real names and signatures (``make_trt_api.py``).
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from gpu.trt_uses import Use, trt_uses

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "runtime" / "res2clip_runtime" / "tensorrt"
DOUBLE = Path(__file__).parent / "double" / "tensorrt" / "__init__.py"
API: dict[str, dict[str, dict[str, str]]] = json.loads(
    (Path(__file__).parent / "data" / "trt_api.json").read_text(encoding="utf-8")
)
RELEASES = tuple(API)
MERGED: dict[str, dict[str, str]] = {}
for _described in API.values():
    for _kind, _members in _described.items():
        for _name, _signature in _members.items():
            merged = MERGED.setdefault(_kind, {})
            merged[_name] = merged.get(_name) or _signature

ONLY_SOME = {
    "ComputeCapability": ("rtx",),
    "num_compute_capabilities": ("rtx",),
    "set_compute_capability": ("rtx",),
}
"""Asked for in library.py only, after looking which library it is."""


@pytest.fixture(scope="module")
def uses() -> list[Use]:
    return trt_uses(sorted(PACKAGE.glob("*.py")), MERGED)


def missing(use: Use, release: str) -> bool:
    """Whether a release lacks what is used."""
    api = API[release]
    if not use.kind:
        return use.name not in api and use.name not in api[""] and use.name != "__version__"
    return use.name not in api.get(use.kind, {})


@pytest.mark.parametrize("release", RELEASES)
def test_every_name_we_use_exists(uses, release):
    absent = {
        f"{use.place} {use.kind}.{use.name}"
        for use in uses
        if missing(use, release) and release in ONLY_SOME.get(use.name, RELEASES)
    }
    assert not absent


def test_what_only_some_releases_have_is_used_in_one_file(uses):
    places = {use.place.split(":")[0] for use in uses if use.name in ONLY_SOME}
    assert places == {"library.py"}


@pytest.mark.parametrize("release", RELEASES)
def test_every_call_fits_the_signature(uses, release):
    wrong = []
    for use in uses:
        signature = API[release].get(use.kind, {}).get(use.name, "")
        if use.arguments is None or not signature:
            continue
        parameters = signature_parameters(signature)
        required = [name for name, optional in parameters.items() if not optional]
        given = [*list(parameters)[: use.arguments], *use.keywords]
        if (
            use.arguments > len(parameters)
            or set(use.keywords) - set(parameters)
            or set(required) - set(given)
        ):
            wrong.append(f"{use.place}: {use} against {signature}")
    assert not wrong


def signature_parameters(signature: str) -> dict[str, bool]:
    """Return a pybind signature's parameters without self, and whether each has a default."""
    inside = re.fullmatch(r"\w+\((.*)\) -> .*", signature)
    assert inside, signature
    text = re.sub(r"<[^<>]*>", "0", inside[1])  # enums as defaults
    tree = ast.parse(f"def f({text}): ...").body[0]
    assert isinstance(tree, ast.FunctionDef)
    names = [argument.arg for argument in tree.args.args]
    first_optional = len(names) - len(tree.args.defaults)
    return {name: index >= first_optional for index, name in enumerate(names) if name != "self"}


def test_the_reader_sees_the_whole_of_our_use(uses):
    seen = {(use.kind, use.name) for use in uses}
    assert {
        ("Builder", "build_serialized_network"),
        ("IBuilderConfig", "set_memory_pool_limit"),
        ("IBuilderConfig", "progress_monitor"),
        ("OnnxParser", "parse_from_file"),
        ("ParserError", "desc"),
        ("IOptimizationProfile", "set_shape"),
        ("ITimingCache", "serialize"),
        ("Runtime", "deserialize_cuda_engine"),
        ("ICudaEngine", "create_execution_context"),
        ("ICudaEngine", "get_tensor_profile_shape"),
        ("IExecutionContext", "execute_async_v3"),
        ("IExecutionContext", "set_tensor_address"),
        ("ILogger", "log"),
        ("IProgressMonitor", "step_complete"),
        ("", "nptype"),
    } <= seen


@pytest.mark.parametrize(
    ("line", "release", "problem"),
    [
        ("config.set_flag(trt.BuilderFlag.FP16)", "11.4.0.106", "FP16"),
        ("config.max_workspace_size", "10.3.0", "max_workspace_size"),
        ("config.get_timing_cache().combine_all()", "rtx", "combine_all"),
    ],
)
def test_a_name_that_a_release_lacks_is_found(tmp_path, line, release, problem):
    path = tmp_path / "ours.py"
    path.write_text(f"def f(trt, config: trt.IBuilderConfig) -> None:\n    {line}\n")
    assert problem in {use.name for use in trt_uses([path], MERGED) if missing(use, release)}


def test_the_stand_in_has_no_name_that_tensorrt_lacks():
    tree = ast.parse(DOUBLE.read_text(encoding="utf-8"))
    kinds = {n.name: n for n in tree.body if isinstance(n, ast.ClassDef) and n.name in MERGED}
    assert len(kinds) > 12
    foreign = {
        f"{kind}.{part.name}"
        for kind, node in kinds.items()
        for part in node.body
        if isinstance(part, ast.FunctionDef) and not part.name.startswith("_")
        if part.name not in MERGED[kind]
    }
    assert not foreign
