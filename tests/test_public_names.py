"""The names other programs may rely on; changing them is a decision, not an accident."""

from __future__ import annotations

import inspect

import res2clip
import res2clip_export
import res2clip_runtime


def test_the_public_names_are_these() -> None:
    assert res2clip.__all__ == ["Backbone", "Res2CLIP", "load_backbone"]
    assert res2clip_export.__all__ == ["bundle_name", "export_bundle"]
    assert res2clip_runtime.__all__ == [
        "Bundle",
        "Decision",
        "Inspector",
        "Recipe",
        "Res2ClipError",
        "Verdict",
    ]


def test_the_documented_calls_have_these_parameters() -> None:
    def names(function: object) -> list[str]:
        return [p for p in inspect.signature(function).parameters if p != "self"]  # type: ignore[arg-type]

    assert names(res2clip.load_backbone)[:2] == ["source", "image_size"]
    assert names(res2clip.Res2CLIP)[:3] == ["backbone", "heads", "match"]
    assert names(res2clip.Res2CLIP.teach) == ["images", "product"]
    assert names(res2clip.Res2CLIP.inspect) == ["image", "recipe"]
    assert names(res2clip_export.export_bundle)[:3] == ["model", "directory", "precision"]
    assert names(res2clip_runtime.Inspector)[:2] == ["bundle", "backend"]
    assert names(res2clip_runtime.Inspector.teach) == ["images", "product"]
    assert names(res2clip_runtime.Inspector.inspect) == ["image", "recipe"]
