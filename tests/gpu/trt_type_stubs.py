"""Type stubs of a TensorRT release, made from its real bindings, for mypy."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

from gpu.install_bindings import bindings_folder
from gpu.trt_stub_libraries import build_trt_stubs

__all__ = ["write_type_stubs"]


def write_type_stubs(folder: Path, release: str) -> None:
    """Write ``folder/tensorrt/__init__.pyi``."""
    libraries = folder / "libraries"
    libraries.mkdir()
    build_trt_stubs(libraries, bindings_folder(release), release.split(".")[0])
    environment = {
        **os.environ,
        "PYTHONPATH": str(bindings_folder(release)),
        "LD_LIBRARY_PATH": str(libraries),
    }
    module = "tensorrt_bindings.tensorrt"
    command = [sys.executable, "-m", "pybind11_stubgen", module, "-o", str(libraries)]
    command += ["--ignore-all-errors"]
    subprocess.run(command, env=environment, capture_output=True, check=True)
    text = (libraries / "tensorrt_bindings" / "tensorrt.pyi").read_text(encoding="utf-8")
    package = folder / "tensorrt"
    package.mkdir()
    text = re.sub(r"\btensorrt_bindings\.tensorrt\.", "", text)
    text = _with_what_pybind_knows(_repaired(text))
    (package / "__init__.pyi").write_text(text, encoding="utf-8")


def _repaired(text: str) -> str:
    """Return the stubs without the lines that are no Python, of which the generator writes some."""
    lines = text.split("\n")
    for _ in range(200):
        try:
            ast.parse("\n".join(lines))
        except SyntaxError as err:
            assert err.lineno is not None
            lines[err.lineno - 1] = _without_meaning(lines[err.lineno - 1])
        else:
            return "\n".join(lines)
    raise AssertionError("the stubs cannot be repaired")


def _without_meaning(line: str) -> str:
    """Return a line that fits where ``line`` was: a function keeps its body and loses its name."""
    indent = line[: len(line) - len(line.lstrip())]
    if not line.lstrip().startswith("def "):
        return ""
    return f"{indent}def _unusable(self):" + ("" if line.rstrip().endswith(":") else " ...")


def _with_what_pybind_knows(text: str) -> str:
    """Return the stubs with conversions and protocols that the bindings have and do not tell."""
    text = re.sub(r"^bool: .*$", "", text, flags=re.MULTILINE)  # hides Python's own type
    text = re.sub(r"(\w+: )Dims\b", r"\1Dims | collections.abc.Sequence[int]", text)
    extra = {
        "Dims": "def __iter__(self) -> collections.abc.Iterator[int]: ...",
        "IHostMemory": "def __buffer__(self, flags: int, /) -> memoryview: ...",
    }
    for kind, method in extra.items():
        text = re.sub(rf"^class {kind}(\(.*\))?:$", rf"\g<0>\n    {method}", text, flags=re.M)
    # Written in Python beside the bindings; of it we use these two.
    return f"{text}\n__version__: str\ndef nptype(trt_type: DataType) -> typing.Any: ...\n"
