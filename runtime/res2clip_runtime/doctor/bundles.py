"""The installed bundles."""

from __future__ import annotations

from pathlib import Path

from res2clip_runtime.bundle import Bundle, bundle_folders, bundles_directory
from res2clip_runtime.doctor.check import Check, Status
from res2clip_runtime.errors import Res2ClipError

__all__ = ["check_bundles"]


def check_bundles() -> list[Check]:
    """Return every installed bundle, each file compared with its hash."""
    if folders := bundle_folders():
        return [_check_bundle(folder) for folder in folders]
    return [
        Check(
            name="bundles",
            status=Status.WARN,
            detail=f"none installed in {bundles_directory()}",
            remedy="res2clip export, or copy a bundle there, or give --bundle DIR",
        )
    ]


def _check_bundle(folder: Path) -> Check:
    name = f"bundle {folder.name}"
    try:
        manifest = Bundle.load(folder).manifest
    except Res2ClipError as err:
        remedy = f"export it again, or remove {folder}"
        return Check(name=name, status=Status.WARN, detail=str(err), remedy=remedy)
    method = manifest.method
    detail = (
        f"{manifest.backbone.get('name', '?')}, {method.image_size_px} px, {method.precision}, "
        f"encoder {method.encoder_id[:12]}, {len(manifest.files)} files unchanged"
    )
    return Check(name=name, status=Status.OK, detail=detail)
