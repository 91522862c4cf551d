"""An ONNX graph -> its file, and a file of weights beside it where they are large."""

from __future__ import annotations

from pathlib import Path

import onnx

__all__ = ["save_onnx"]

EXTERNAL_DATA_BYTES = 1 << 30
"""Larger weights go beside the graph; a protobuf ends at 2 GB."""


def save_onnx(proto: onnx.ModelProto, path: Path) -> list[Path]:
    """Write ``proto`` to ``path`` and return the files made: the graph, and its data if large.

    ``proto`` has lost its weights afterwards if they were large.
    """
    data = path.with_name(f"{path.name}.data")
    data.unlink(missing_ok=True)  # onnx appends to an older one
    large = sum(len(w.raw_data) for w in proto.graph.initializer) > EXTERNAL_DATA_BYTES
    onnx.save(proto, str(path), save_as_external_data=large, location=data.name)
    return [path, data] if large else [path]
