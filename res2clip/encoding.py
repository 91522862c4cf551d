"""From picture files to features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from res2clip_runtime.preprocess import to_square
from res2clip_runtime.stages import Features, Stages

__all__ = ["encode_files"]


def encode_files(stages: Stages, paths: Sequence[Path]) -> Features:
    """Return the features of picture files, in their order.

    One by one: a matrix product over more pictures may round otherwise, and what is said of a
    picture must not depend on which others were still to be encoded when a run was interrupted.

    Raises:
        InputError: a picture cannot be used; names it.
    """
    size = stages.spec.image_size_px
    parts = [stages.encode(to_square(path, size)[None]) for path in paths]
    return Features(
        patches=np.concatenate([part.patches for part in parts]),
        image=np.concatenate([part.image for part in parts]),
    )
