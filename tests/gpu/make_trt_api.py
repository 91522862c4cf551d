"""Writes ``data/trt_api.json``: TensorRT's names and signatures, as four releases really have them.

    python tests/gpu/make_trt_api.py

Imports the real bindings (over libraries without content, so this runs without a GPU) and notes the
classes that ``CLASSES`` names.  Run it again after adding a release or a class.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from gpu.install_bindings import RELEASES, bindings_folder
from gpu.trt_stub_libraries import build_trt_stubs

TARGET = Path(__file__).parent / "data" / "trt_api.json"
CLASSES = (
    "Builder",
    "BuilderFlag",
    "ComputeCapability",
    "DataType",
    "IBuilderConfig",
    "ICudaEngine",
    "IExecutionContext",
    "IHostMemory",
    "ILogger",
    "INetworkDefinition",
    "IOptimizationProfile",
    "IProgressMonitor",
    "ITensor",
    "ITimingCache",
    "MemoryPoolType",
    "NetworkDefinitionCreationFlag",
    "OnnxParser",
    "ParserError",
    "Runtime",
    "TensorIOMode",
)
FUNCTIONS = ("nptype",)


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(_described(sys.argv[1])))
        return
    api = {release: _in_process("tensorrt_bindings", release) for release in RELEASES}
    api["rtx"] = _in_process("tensorrt_rtx_bindings", None)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(api, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _in_process(module: str, release: str | None) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        environment = {"PATH": "/usr/bin:/bin"}
        if release is not None:
            build_trt_stubs(Path(folder), bindings_folder(release), release.split(".")[0])
            environment["PYTHONPATH"] = str(bindings_folder(release))
            environment["LD_LIBRARY_PATH"] = folder
        command = [sys.executable, __file__, module]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)


def _described(name: str) -> dict[str, object]:
    module = importlib.import_module(name)
    found = {entry: _members(getattr(module, entry)) for entry in CLASSES if hasattr(module, entry)}
    return {**found, "": {entry: "" for entry in FUNCTIONS if hasattr(module, entry)}}


def _members(kind: type) -> dict[str, str]:
    """Return the members of a class with their signatures, where they tell one."""
    names = [n for n in dir(kind) if not n.startswith("_") and hasattr(kind, n)]
    return {name: _signature(name, inspect.getattr_static(kind, name), kind) for name in names}


def _signature(name: str, member: object, kind: type) -> str:
    text = (getattr(getattr(kind, name), "__doc__", "") or "").split("\n")[0]
    if isinstance(member, property) or not text.startswith(f"{name}(self"):
        return ""
    return re.sub(r"\btensorrt(_rtx)?_bindings\.tensorrt(_rtx)?\.", "", text)


if __name__ == "__main__":
    main()
