from __future__ import annotations

import subprocess
import sys

import res2clip_runtime

_FORBIDDEN = ("torch", "torchvision", "open_clip", "onnx", "scipy", "sklearn", "cv2", "av")


def test_public_names_are_pinned() -> None:
    assert sorted(res2clip_runtime.__all__) == [
        "Bundle",
        "Decision",
        "Inspector",
        "Recipe",
        "Res2ClipError",
        "Verdict",
    ]
    for name in res2clip_runtime.__all__:
        assert getattr(res2clip_runtime, name).__doc__


def imported_by(statement: str) -> set[str]:
    program = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in done.stdout.split()}


def test_importing_the_runtime_imports_nothing_heavy() -> None:
    loaded = imported_by("import res2clip_runtime")
    assert not loaded & {*_FORBIDDEN, "onnxruntime", "res2clip", "res2clip_export"}


def test_importing_the_command_line_imports_nothing_heavy() -> None:
    loaded = imported_by("import res2clip_runtime.cli.app")
    assert not loaded & {*_FORBIDDEN, "onnxruntime", "res2clip", "res2clip_export"}
