"""The sizes of res2clip-mini and where its packaged weights lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from res2clip.backbone import VisionConfig

__all__ = ["NATIVE_SIZE_PX", "WEIGHTS_FILE", "TextConfig", "text_config", "vision_config"]

NATIVE_SIZE_PX = 192
"""Side of the pictures the mini inspects unless told otherwise (24 x 24 patches)."""
WEIGHTS_FILE = Path(__file__).with_name("mini.safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextConfig:
    """Sizes of the text tower; OpenAI's layout implies width / 64 heads."""

    width: int = 64
    """Channels of the residual stream; 64 keeps the vocabulary table at 6.3 MB in fp16."""
    depth: int = 4
    """Number of transformer blocks."""
    context: int = 77
    """Tokens of a prompt, as open_clip's tokenizer makes them."""
    vocabulary: int = 49408
    """Entries of CLIP's byte-pair vocabulary."""
    embed_dim: int = 192
    """Width D of the joint image-text space."""

    @property
    def heads(self) -> int:
        """Attention heads, by the rule of OpenAI's layout."""
        return max(1, self.width // 64)


def vision_config(image_size_px: int = NATIVE_SIZE_PX) -> VisionConfig:
    """Return the vision tower's sizes for pictures of ``image_size_px``."""
    return VisionConfig(
        width=192,
        depth=8,
        heads=3,  # width / 64, the rule of OpenAI's layout
        patch_size=8,
        embed_dim=192,
        native_size_px=NATIVE_SIZE_PX,
        image_size_px=image_size_px,
    )


def text_config() -> TextConfig:
    """Return the text tower's sizes."""
    return TextConfig()
