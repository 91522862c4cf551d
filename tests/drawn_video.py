"""A short drawn video for tests; needs PyAV."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def write_video(path: Path, *, frames: int = 5, faststart: bool = False) -> Path:
    """Write 96 x 64 px frames: red at the top left, blue along the bottom."""
    import av

    options = {"movflags": "faststart"} if faststart else {}
    image = np.zeros((64, 96, 3), dtype=np.uint8)
    image[:20, :20] = (255, 0, 0)
    image[-20:, :, 2] = 255
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for _ in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path
