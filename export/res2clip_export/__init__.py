"""res2clip's exporter: from the PyTorch model to a bundle the runtime runs, proved equal."""

from res2clip_export.bundle_writer import bundle_name, export_bundle

__all__ = ["bundle_name", "export_bundle"]
