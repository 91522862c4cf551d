"""Libraries without content that TensorRT's real bindings can be imported over."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from gpu.toolkit import compile_library

__all__ = ["build_trt_stubs"]

_LIBRARIES = ("libnvinfer", "libnvinfer_plugin", "libnvonnxparser")


def build_trt_stubs(folder: Path, bindings: Path, major: str) -> None:
    """Write the three libraries that ``bindings`` ask for; each function returns a null pointer."""
    (extension,) = bindings.glob("tensorrt_bindings/tensorrt*.so")
    command = ["nm", "-D", "--undefined-only", str(extension)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    wanted = re.findall(r"\bU ((?:create|get|init)\w+)$", listed, re.MULTILINE)
    source = folder / "factories.c"
    lines = [f"void *{name}(void) {{ return 0; }}" for name in wanted]
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    empty = folder / "empty.c"
    empty.write_text("", encoding="utf-8")
    for name in _LIBRARIES:
        compile_library(folder / f"{name}.so.{major}", [source if name == "libnvinfer" else empty])
