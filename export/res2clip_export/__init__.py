"""res2clip's exporter: from the PyTorch model to a bundle the runtime runs, proved equal."""

from res2clip_runtime.errors import MissingExtraError

try:
    from res2clip_export.bundle_writer import bundle_name, export_bundle
except ModuleNotFoundError as err:
    if err.name not in {"torch", "open_clip", "onnx", "onnxscript", "scipy"}:
        raise
    raise MissingExtraError(str(err.name), extra="export", purpose="exporting a bundle") from err

__all__ = ["bundle_name", "export_bundle"]
