"""res2clip's exporter: from the PyTorch model to a bundle the runtime runs, proved equal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from res2clip_runtime.errors import MissingExtraError

if TYPE_CHECKING:
    from res2clip_export.bundle_writer import bundle_name, export_bundle

__all__ = ["bundle_name", "export_bundle"]


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is asked for; the Triton repository is made without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from res2clip_export import bundle_writer
    except ModuleNotFoundError as err:
        if err.name not in {"torch", "open_clip", "onnx", "onnxscript", "scipy"}:
            raise
        extra = MissingExtraError(str(err.name), extra="export", purpose="exporting a bundle")
        raise extra from err
    return getattr(bundle_writer, name)
