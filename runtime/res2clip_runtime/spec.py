"""The constants of the method that one model was built with, and the identities made from them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

from res2clip_runtime.errors import ArtefactError

__all__ = ["CLIP_MEAN", "CLIP_STD", "MethodSpec", "canonical_json", "sha256_hex"]

# RGB mean and standard deviation of OpenAI's CLIP training pictures, in units of [0, 1].
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

MOST_SIZE_PX = 4096
"""Larger squares are no CLIP's; memory for one is taken before the engine could refuse it."""
MOST_DIM = 65536


def canonical_json(value: Any) -> str:
    """Return ``value`` as JSON with sorted keys and no spaces: equal values hash equally."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256_hex(data: bytes | memoryview) -> str:
    """Return the sha256 of ``data`` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodSpec:
    """Everything outside the weights that decides what a picture's score is."""

    image_size_px: int
    """S: pictures are resized to S x S pixels."""
    patch_size_px: int
    """Side of a patch; S is a multiple of it."""
    embed_dim: int
    """D: length of a feature vector."""
    taps: tuple[int, ...]
    """Encoder blocks whose patch features are used, 1-based (method.md, section 2)."""
    vv_depth: int
    """Number of last encoder blocks with a V-V stream."""
    match: str = "sparse_radial_knn"
    """Matching strategy (method.md, section 4)."""
    gamma: float = 0.01
    """Weight of the radial penalty."""
    text_weight: float = 0.1
    """Weight of the text map in the fused map."""
    residual_weight: float = 1.0
    """c: weight of the residual branch in map and score; 1 training-free, 0.1 fine-tuned."""
    precision: str = "fp32"
    """Arithmetic of the exported stages."""
    encoder_id: str
    """sha256 of the encoder's weights and preprocessing; banks of equal ids can be compared."""
    heads_id: str
    """sha256 of head weights and text directions."""

    def __post_init__(self) -> None:
        wholes = (self.image_size_px, self.patch_size_px, self.embed_dim, self.vv_depth, *self.taps)
        texts = (self.match, self.precision, self.encoder_id, self.heads_id)
        if not all(type(value) is int for value in wholes) or not all(
            isinstance(value, str) for value in texts
        ):
            raise ArtefactError("a field of the method has the wrong type; export the bundle again")
        if not 1 <= self.image_size_px <= MOST_SIZE_PX or not 1 <= self.embed_dim <= MOST_DIM:
            raise ArtefactError(
                f"the method inspects {self.image_size_px} px in {self.embed_dim} values a patch, "
                f"expected at most {MOST_SIZE_PX} and {MOST_DIM}; export the bundle again"
            )
        if self.patch_size_px < 1 or self.image_size_px % self.patch_size_px:
            raise ArtefactError(
                f"image_size_px={self.image_size_px} is not a multiple of "
                f"patch_size_px={self.patch_size_px}; the manifest is damaged, export again"
            )
        if not self.taps or self.embed_dim < 1:
            raise ArtefactError("the method has no taps or no features; export the bundle again")
        if not all(map(math.isfinite, (self.gamma, self.text_weight, self.residual_weight))):
            raise ArtefactError("a weight of the method is not finite; export the bundle again")

    @property
    def grid(self) -> int:
        """G: patches along one side."""
        return self.image_size_px // self.patch_size_px

    @property
    def patches(self) -> int:
        """P: patches in a picture."""
        return self.grid**2

    @property
    def score_id(self) -> str:
        """Identity of the scale of the scores: a threshold is only valid under an equal one.

        Engines that compute in plain fp32 and passed the parity gate (PyTorch, ONNX Runtime on a
        CPU) share a scale; a lower precision has its own.
        """
        parts = {
            "encoder": self.encoder_id,
            "heads": self.heads_id,
            "match": [self.match, self.gamma],
            "fusion": [self.text_weight, self.residual_weight],
            "precision": self.precision,
        }
        return sha256_hex(canonical_json(parts).encode())[:32]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {**dataclasses.asdict(self), "taps": list(self.taps)}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> MethodSpec:
        """Return the spec written by :meth:`to_json`.

        Raises:
            ArtefactError: a field is missing, unknown or of the wrong type.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := set(values) - known:
            raise ArtefactError(
                f"the method has fields this res2clip does not know: {sorted(unknown)}; upgrade it"
            )
        try:
            return cls(**{**values, "taps": tuple(int(tap) for tap in values["taps"])})
        except (KeyError, TypeError, ValueError) as err:
            raise ArtefactError(f"the method's fields are incomplete or damaged: {err}") from err
