"""Fixtures shared by every test that needs torch; the runtime's tests do without."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

# Read by the hub's client when it is imported; online, every miss is tried again for 45 s.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HOME"] = str(Path(tempfile.gettempdir(), "res2clip-tests-without-a-hub"))

collect_ignore_glob: list[str] = []
try:
    import torch  # noqa: F401
except ImportError:  # the runtime's lane, from the wheel
    collect_ignore_glob = ["res2clip/*", "export/*", "parity/*", "cli/*"]


def pytest_report_header() -> list[str]:
    from importlib import metadata

    lines = []
    for name in ("numpy", "onnxruntime", "torch", "open_clip_torch", "onnx"):
        try:
            lines.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            lines.append(f"{name} -")
    return [", ".join(lines)]


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random CLIP: 3 blocks, D = 48, patch 8, made for 32 px."""
    from golden import checkpoint

    return checkpoint.save_clip(
        tmp_path_factory.mktemp("tiny") / "tiny.safetensors", 5, checkpoint.TINY
    )


@pytest.fixture(scope="session")
def tiny_model(tiny_checkpoint: Path):
    """The tiny CLIP inspecting at 40 px: a grid of 5 x 5, other than its native 4 x 4."""
    import res2clip

    return res2clip.Res2CLIP(res2clip.load_backbone(tiny_checkpoint, image_size=40))


@pytest.fixture(scope="session")
def tiny_bundle(tiny_model, tmp_path_factory: pytest.TempPathFactory):
    import res2clip_export

    return res2clip_export.export_bundle(tiny_model, tmp_path_factory.mktemp("bundles") / "tiny")
