"""The prompts of the text residual (method.md, section 3), tokenised once, and other captions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from res2clip.mini.text_tower import TextTower
from res2clip.text_residual import ANOMALOUS_PHRASES, NORMAL_PHRASES, TEMPLATES
from res2clip_runtime.errors import MissingExtraError

__all__ = ["Prompts", "text_residual", "tokenize"]


@dataclass(frozen=True, slots=True)
class Prompts:
    """Tokens of all normal and anomalous prompts."""

    normal: Tensor
    """(75, 77) int64."""
    anomalous: Tensor
    """(30, 77) int64."""

    @classmethod
    def of_the_method(cls) -> Prompts:
        """Return every template filled with every phrase."""

        def fill(phrases: tuple[str, ...]) -> Tensor:
            return tokenize([t.format(p) for p in phrases for t in TEMPLATES])

        return cls(fill(NORMAL_PHRASES), fill(ANOMALOUS_PHRASES))


def text_residual(tower: TextTower, prompts: Prompts) -> Tensor:
    """Return R_t, (D,): from the mean normal to the mean anomalous prompt, unit length."""
    embedded = tower(torch.cat([prompts.normal, prompts.anomalous]))
    normal = F.normalize(embedded[: len(prompts.normal)].mean(0), dim=-1)
    anomalous = F.normalize(embedded[len(prompts.normal) :].mean(0), dim=-1)
    return F.normalize(anomalous - normal, dim=-1)


def tokenize(texts: list[str]) -> Tensor:
    """Return (K, 77) int64 tokens of CLIP's byte-pair vocabulary."""
    tokens: Tensor = _tokenizer()(texts)
    return tokens


_CACHED: dict[str, Any] = {}


def _tokenizer() -> Any:
    if "clip" not in _CACHED:
        try:
            from open_clip.tokenizer import SimpleTokenizer
        except ImportError as err:
            raise MissingExtraError(
                "open_clip_torch", extra="train", purpose="training the mini's text tower"
            ) from err
        _CACHED["clip"] = SimpleTokenizer()
    return _CACHED["clip"]
