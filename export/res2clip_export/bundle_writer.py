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

import onnx

from res2clip.datasets.category import Category
from res2clip.model import Res2CLIP
from res2clip_export.folder_swap import swap_folder
from res2clip_export.gate import measure_parity, require_parity
from res2clip_export.onnx_file import save_onnx
from res2clip_export.onnx_rules import check_rules
from res2clip_export.parity_pictures import calibration_pictures, judged_pictures
from res2clip_export.precision import Lowering, lower_encoder
from res2clip_export.stages import export_stages
from res2clip_export.to_onnx import write_onnx
from res2clip_runtime.backends import BACKENDS
from res2clip_runtime.bundle import Bundle
from res2clip_runtime.errors import InputError
from res2clip_runtime.manifest import FileEntry, Manifest, StageEntry, preprocessing_of
from res2clip_runtime.parity.recording import record_samples
from res2clip_runtime.parity.report import ParityReport
from res2clip_runtime.parity.samples import SAMPLES_FILE, save_samples
from res2clip_runtime.parity.tolerances import tolerance_of
from res2clip_runtime.preprocess import ImageLike, PictureU8
from res2clip_runtime.storage import file_sha256, output_error

__all__ = ["bundle_name", "default_backend", "export_bundle"]

_MADE_WITH = ("res2clip", "torch", "open_clip_torch", "onnx", "onnxscript")

Progress = Callable[[str], None]
"""Called with what is being done."""


def export_bundle(
    model: Res2CLIP,
    directory: str | os.PathLike[str],
    precision: str = "fp32",
    *,
    pictures: Sequence[ImageLike] | Category = (),
    calibration: Sequence[ImageLike] = (),
    backend: str | None = None,
    progress: Progress | None = None,
) -> Bundle:
    """Return the bundle written to ``directory``, an older one there replaced.

    Every stage is compared with PyTorch in fp32, on seeded noise and on pictures; verdicts, too.
    Out of tolerance, nothing is written.

    Args:
        model: what to export.
        directory: the bundle's folder.
        precision: arithmetic of the encoder: fp32, fp16, bf16, int8 or int8-bf16.
        pictures: what to compare on: a category with labels and masks; or four or more pictures,
            of which the first two are good and teach; none given: drawn ones.
        calibration: good pictures to calibrate int8 on; none given: see ``calibration_pictures``.
        backend: engine that must pass; None: see ``default_backend``.
        progress: told what is being done.

    Raises:
        ParityError: the exported model does not answer like PyTorch; names stage and figure, and in
            a lower precision the layer.
        InputError: the precision or matching strategy cannot be exported, or the folder holds
            something else than a bundle.
        MissingExtraError: the engine is not installed.
        BackendError: the engine refused, as ONNX Runtime on a CPU does with bf16.
        OutputError: the place cannot be written.
    """
    tolerance_of(precision)  # refuses an unknown one
    engine = backend or default_backend(precision)
    if engine not in BACKENDS:
        raise InputError(f"unknown backend '{engine}' (--backend); known: {', '.join(BACKENDS)}")
    say = progress or (lambda _: None)
    size = model.spec.image_size_px
    judged = judged_pictures(pictures, size_px=size)
    good = calibration_pictures(calibration, pictures, size_px=size) if precision != "fp32" else ()
    target = Path(directory).resolve()
    _check_target(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        workspace = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except OSError as err:
        raise output_error(target, err) from err
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
            entries = _write_stages(model, workspace, say)
            fp32, lowering = workspace / "encoder.onnx", None
            if precision != "fp32":
                fp32 = _set_aside(workspace, Path(scratch))
                lowering = _lower(
                    fp32, workspace, precision, good=good, others=judged.squares, say=say
                )
            bundle = Bundle(workspace, _manifest(model, workspace, precision, entries))
            say("recording PyTorch's answers")
            samples = record_samples(model, judged)
            say(f"comparing {engine} with PyTorch")
            report = measure_parity(
                model, bundle, samples, backend=engine, lowering=lowering, calibration=good
            )
            require_parity(report, bundle=bundle, fp32=fp32, pictures=judged)
            save_samples(workspace / SAMPLES_FILE, samples)
            _write_report(bundle, report)
        swap_folder(workspace, target)
    except OSError as err:
        raise output_error(target, err) from err
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
    return Bundle.load(target)


def default_backend(precision: str) -> str:
    """Return the CPU engine that a precision is proved on: ONNX Runtime's CPU has no bf16."""
    return "openvino" if "bf16" in precision else "onnxruntime"


def bundle_name(model: Res2CLIP, precision: str = "fp32") -> str:
    """Return the folder name for a model: backbone, inspection size, heads, precision."""
    heads = "" if model.heads_name == "none" else f"-{Path(model.heads_name).stem}"
    return f"{model.backbone.name}-{model.spec.image_size_px}px{heads}-{precision}".lower()


def _write_stages(model: Res2CLIP, workspace: Path, say: Progress) -> dict[str, StageEntry]:
    entries = {}
    for stage in export_stages(model):
        say(f"exporting {stage.name}")
        write_onnx(stage, workspace / f"{stage.name}.onnx")
        entries[stage.name] = StageEntry(
            file=f"{stage.name}.onnx", inputs=stage.inputs, outputs=stage.outputs
        )
    return entries


def _set_aside(workspace: Path, scratch: Path) -> Path:
    """Move the fp32 encoder and its data out of the bundle; return where it is now."""
    for path in workspace.glob("encoder.onnx*"):
        path.replace(scratch / path.name)
    return scratch / "encoder.onnx"


def _lower(
    fp32: Path,
    workspace: Path,
    precision: str,
    *,
    good: Sequence[PictureU8],
    others: Sequence[PictureU8],
    say: Progress,
) -> Lowering:
    model, lowering = lower_encoder(
        onnx.load(str(fp32)), precision, calibration=good, others=others, progress=say
    )
    path = workspace / "encoder.onnx"
    save_onnx(model, path)
    check_rules(path)
    return lowering


def _manifest(
    model: Res2CLIP, workspace: Path, precision: str, entries: dict[str, StageEntry]
) -> Manifest:
    # It is written after the parity gate: without it the folder is no bundle.
    return Manifest(
        name=bundle_name(model, precision),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        backbone=model.backbone.origin,
        heads=model.heads_name,
        method=dataclasses.replace(model.spec, precision=precision),
        preprocessing=preprocessing_of(model.spec.image_size_px),
        stages=entries,
        files={path.name: _file_entry(path) for path in sorted(workspace.iterdir())},
        versions=_versions(),
        parity={},
    )


def _write_report(bundle: Bundle, report: ParityReport) -> None:
    path = bundle.directory / "parity.json"
    path.write_text(json.dumps(report.to_json(), indent=2), encoding="utf-8")
    files = {path.name: _file_entry(path) for path in sorted(bundle.directory.iterdir())}
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
    foreign = {
        name for name in names if not name.endswith((".onnx", ".onnx.data", ".json", SAMPLES_FILE))
    }
    if names and ("manifest.json" not in names or foreign - {"engines"}):
        raise InputError(
            f"{target} holds something else than a bundle ({sorted(names)[0]} ...); "
            "choose another folder (--out)"
        )


def _file_entry(path: Path) -> FileEntry:
    return FileEntry(sha256=file_sha256(path), bytes=path.stat().st_size)
