"""``parity_samples.safetensors``: what PyTorch in fp32 answered, so that any machine can compare.

Pictures and masks as PNG; of three pictures the features of a few patches; match and heads on
inputs made from these; branch maps of every inspected picture.  A few MB.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as save_safetensors

from res2clip_runtime.errors import ArtefactError, ArtefactNotFoundError, FormatVersionError
from res2clip_runtime.parity.pictures import TEACHING, JudgedPictures
from res2clip_runtime.spec import canonical_json
from res2clip_runtime.stages import BranchMaps, FloatArray
from res2clip_runtime.storage import write_atomically
from res2clip_runtime.stored_png import open_stored_png
from res2clip_runtime.strict_json import parse_json

__all__ = ["SAMPLES_FILE", "ParitySamples", "StageSamples", "load_samples", "save_samples"]

SAMPLES_FILE = "parity_samples.safetensors"
FORMAT_VERSION = 1
_METADATA_KEY = "res2clip.parity_samples"
_MOST_METADATA_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageSamples:
    """Outputs of the single stages; the pictures are the two that teach and the last one."""

    positions: npt.NDArray[np.int64]
    """(K,) patches whose features are kept."""
    patches: FloatArray
    """(3, T, K, D) their features."""
    image: FloatArray
    """(3, D) global features."""
    residual: FloatArray
    """(T, K, D) of the last picture's patches against the others' as the bank."""
    branches: BranchMaps
    """(1, 3, G, G) and (1, 2), of these residuals, all others zero."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ParitySamples:
    """Everything that ``verify`` compares with."""

    pictures: JudgedPictures
    """What was shown."""
    stages: StageSamples
    """What the stages made of it."""
    branches: BranchMaps
    """(n, 3, G, G) and (n, 2) of the n inspected pictures, end to end."""
    threshold: float
    """Made from the teaching pictures."""


def save_samples(path: Path, samples: ParitySamples) -> None:
    """Write the samples to ``path``, atomically.

    Raises:
        OutputError: the place cannot be written.
    """
    pictures, stages = samples.pictures, samples.stages
    tensors: dict[str, npt.NDArray[Any]] = {
        "positions": stages.positions,
        "patches": stages.patches,
        "image": stages.image,
        "residual": stages.residual,
        "stage_maps": stages.branches.maps,
        "stage_scores": stages.branches.scores,
        "maps": samples.branches.maps,
        "scores": samples.branches.scores,
        **{f"picture/{i}": _png(square) for i, square in enumerate(pictures.squares)},
    }
    if pictures.defective is not None:
        tensors["defective"] = pictures.defective.astype(np.uint8)
    if pictures.masks is not None:
        tensors |= {f"mask/{i}": _png(mask) for i, mask in enumerate(pictures.masks)}
    metadata = {
        "format_version": FORMAT_VERSION,
        "kind": pictures.kind,
        "pictures": len(pictures.squares),
        "threshold": samples.threshold,
    }
    contiguous = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    write_atomically(path, save_safetensors(contiguous, {_METADATA_KEY: canonical_json(metadata)}))


def load_samples(path: Path) -> ParitySamples:
    """Return the samples in the file at ``path``.

    Raises:
        ArtefactNotFoundError: there is no such file: an older bundle carries none.
        FormatVersionError: a newer res2clip wrote it.
        ArtefactError: it is damaged.
    """
    if not path.is_file():
        raise ArtefactNotFoundError(
            f"the bundle in {path.parent} carries no parity samples, as those of older versions; "
            "export it again to be able to verify it"
        )
    try:
        with safe_open(path, framework="np") as file:
            about = (file.metadata() or {})[_METADATA_KEY]
            metadata = parse_json(about, most_bytes=_MOST_METADATA_BYTES)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if int(metadata["format_version"]) > FORMAT_VERSION:
            raise FormatVersionError(f"{path} was written by a newer res2clip; upgrade res2clip")
        return _from_parts(tensors, metadata)
    except ArtefactError:
        raise
    except (
        SafetensorError,
        OSError,
        KeyError,
        TypeError,
        ValueError,
        ArithmeticError,
        AttributeError,
    ) as err:
        raise ArtefactError(f"{path} is damaged ({err}); copy or export the bundle again") from err


def _from_parts(tensors: dict[str, npt.NDArray[Any]], metadata: dict[str, Any]) -> ParitySamples:
    count = int(metadata["pictures"])
    inspected = range(count - TEACHING)
    defective = tensors.get("defective")
    masked = "mask/0" in tensors
    return ParitySamples(
        pictures=JudgedPictures(
            squares=tuple(_decoded(tensors[f"picture/{i}"], "RGB") for i in range(count)),
            kind=str(metadata["kind"]),
            defective=None if defective is None else defective > 0,
            masks=_stacked([tensors[f"mask/{i}"] for i in inspected]) if masked else None,
        ),
        stages=StageSamples(
            positions=tensors["positions"],
            patches=tensors["patches"],
            image=tensors["image"],
            residual=tensors["residual"],
            branches=BranchMaps(maps=tensors["stage_maps"], scores=tensors["stage_scores"]),
        ),
        branches=BranchMaps(maps=tensors["maps"], scores=tensors["scores"]),
        threshold=float(metadata["threshold"]),
    )


def _png(picture: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", optimize=True)
    return np.frombuffer(buffer.getvalue(), dtype=np.uint8)


def _decoded(png: npt.NDArray[np.uint8], mode: str) -> npt.NDArray[Any]:
    return np.asarray(open_stored_png(png.tobytes(), "parity sample", mode=mode))


def _stacked(masks: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.bool_]:
    return np.stack([_decoded(mask, "1").astype(np.bool_) for mask in masks])
