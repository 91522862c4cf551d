"""A model -> a bundle, written only if it answers like the model."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

from res2clip.model import Res2CLIP
from res2clip_export.parity import ParityReport, compare_models
from res2clip_export.stages import export_stages
from res2clip_export.to_onnx import write_onnx
from res2clip_runtime.backends import open_stages
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.errors import InputError
from res2clip_runtime.manifest import FileEntry, Manifest, StageEntry, preprocessing_of
from res2clip_runtime.preprocess import ImageLike, PictureU8, to_square
from res2clip_runtime.storage import file_sha256, output_error

__all__ = ["bundle_name", "export_bundle"]

PRECISIONS = ("fp32",)
_MADE_WITH = ("res2clip", "torch", "open_clip_torch", "onnx", "onnxscript")

Progress = Callable[[str], None]
"""Called with what is being done."""


def export_bundle(
    model: Res2CLIP,
    directory: str | os.PathLike[str],
    precision: str = "fp32",
    *,
    pictures: Sequence[ImageLike] = (),
    progress: Progress | None = None,
) -> Bundle:
    """Return the bundle written to ``directory``, an older one there replaced.

    Every stage is compared with PyTorch on seeded noise and on pictures first; out of tolerance,
    nothing is written.

    Args:
        model: what to export.
        directory: the bundle's folder.
        precision: arithmetic of the exported graphs.
        pictures: four or more pictures to compare on; none given: drawn ones.
        progress: told what is being done.

    Raises:
        ParityError: the exported model does not answer like PyTorch; names stage and figure.
        InputError: the precision or matching strategy cannot be exported, or the folder holds
            something else than a bundle.
        OutputError: the place cannot be written.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision '{precision}' (--precision) is unknown; use {PRECISIONS[0]}")
    say = progress or (lambda _: None)
    squares = _parity_pictures(model, pictures)
    target = Path(directory).resolve()
    _check_target(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        workspace = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except OSError as err:
        raise output_error(target, err) from err
    try:
        bundle = _write_stages(model, workspace, say)
        say("comparing with PyTorch")
        report = _parity(model, bundle, squares, kind="given" if pictures else "drawn")
        report.require()
        _write_report(bundle, report)
        _replace(workspace, target)
    except OSError as err:
        raise output_error(target, err) from err
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
    return Bundle.load(target)


def bundle_name(model: Res2CLIP, precision: str = "fp32") -> str:
    """Return the folder name for a model: backbone, inspection size, heads, precision."""
    heads = "" if model.heads_name == "none" else f"-{Path(model.heads_name).stem}"
    return f"{model.backbone.name}-{model.spec.image_size_px}px{heads}-{precision}".lower()


def _parity_pictures(model: Res2CLIP, pictures: Sequence[ImageLike]) -> list[PictureU8]:
    size = model.spec.image_size_px
    if pictures:
        if len(pictures) < 4:
            raise InputError(
                f"parity needs four or more pictures (--pictures), got {len(pictures)}"
            )
        return [to_square(picture, size) for picture in pictures]
    from res2clip.drawing import Product, draw

    flange = Product("flange")
    defects = (None, None, None, None, *flange.defects[:2])
    return [
        to_square(draw(flange, seed=seed, size_px=512, defect=defect).image_rgb_u8, size)
        for seed, defect in enumerate(defects)
    ]


def _write_stages(model: Res2CLIP, workspace: Path, say: Progress) -> Bundle:
    entries, files = {}, []
    for stage in export_stages(model):
        say(f"exporting {stage.name}")
        files += write_onnx(stage, workspace / f"{stage.name}.onnx")
        entries[stage.name] = StageEntry(
            file=f"{stage.name}.onnx", inputs=stage.inputs, outputs=stage.outputs
        )
    manifest = Manifest(
        name=bundle_name(model),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        backbone=model.backbone.origin,
        heads=model.heads_name,
        method=model.spec,
        preprocessing=preprocessing_of(model.spec.image_size_px),
        stages=entries,
        files={path.name: _file_entry(path) for path in files},
        versions=_versions(),
        parity={},
    )
    # The manifest is written after the parity gate: without it the folder is no bundle.
    return Bundle(workspace, manifest)


def _parity(
    model: Res2CLIP, bundle: Bundle, pictures: list[PictureU8], *, kind: str
) -> ParityReport:
    # The graph is what other engines run; NumPy's match is held to the method by its own tests.
    stages = open_stages(bundle, "onnxruntime", graph_match=True)
    try:
        return compare_models(model, stages, pictures=pictures, pictures_kind=kind)
    finally:
        stages.close()


def _write_report(bundle: Bundle, report: ParityReport) -> None:
    path = bundle.directory / "parity.json"
    path.write_text(json.dumps(report.to_json(), indent=2), encoding="utf-8")
    files = {**bundle.manifest.files, path.name: _file_entry(path)}
    proved = dataclasses.replace(bundle.manifest, files=files, parity=report.summary())
    (bundle.directory / "manifest.json").write_text(proved.to_json(), encoding="utf-8")


def _versions() -> dict[str, str]:
    import onnxruntime

    # Its distribution may be onnxruntime or onnxruntime-gpu; the module tells for both.
    versions = {name: importlib.metadata.version(name) for name in _MADE_WITH}
    return {**versions, "onnxruntime": str(onnxruntime.__version__)}


def _check_target(target: Path) -> None:
    """Refuse a folder whose content would be lost when the bundle takes its place."""
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"{target} is a file; choose another folder (--out)")
    names = {path.name for path in target.iterdir()}
    foreign = {name for name in names if not name.endswith((".onnx", ".onnx.data", ".json"))}
    if names and ("manifest.json" not in names or foreign - {"engines"}):
        raise InputError(
            f"{target} holds something else than a bundle ({sorted(names)[0]} ...); "
            "choose another folder (--out)"
        )


def _file_entry(path: Path) -> FileEntry:
    return FileEntry(sha256=file_sha256(path), bytes=path.stat().st_size)


def _replace(workspace: Path, target: Path) -> None:
    """Put the finished folder in place; a bundle that was there goes only after that."""
    for path in workspace.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.replace(old)
    workspace.chmod(0o755)
    workspace.replace(target)
    shutil.rmtree(old, ignore_errors=True)
