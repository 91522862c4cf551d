"""With the V-V stream off, the tower is open_clip's own: a second, independent reference."""

from __future__ import annotations

import numpy as np
import open_clip
import pytest
import torch
from golden.checkpoint import Sizes, save_clip
from parity.tolerances import PYTORCH, assert_close

import res2clip
from res2clip.weights import read_tensors

SIZES = [
    Sizes(embed_dim=48, image_size=48, vision_layers=3, patch_size=16),
    Sizes(embed_dim=96, image_size=56, vision_layers=5, vision_width=128, patch_size=14),
]


@pytest.mark.parametrize("sizes", SIZES, ids=["shallow", "wide"])
def test_without_the_vv_stream_the_tower_equals_open_clips(sizes: Sizes, tmp_path) -> None:
    path = save_clip(tmp_path / "clip.safetensors", 3, sizes)
    tower = res2clip.load_backbone(path, vv_depth=0).tower
    theirs = open_clip.CLIP(
        embed_dim=sizes.embed_dim,
        vision_cfg={
            "image_size": sizes.image_size,
            "layers": sizes.vision_layers,
            "width": sizes.vision_width,
            "patch_size": sizes.patch_size,
            "output_tokens": True,
        },
        text_cfg={
            "width": sizes.text_width,
            "layers": sizes.text_layers,
            "heads": 1,
            "vocab_size": sizes.vocab_size,
        },
        quick_gelu=True,
    ).eval()
    theirs.load_state_dict(read_tensors(path), strict=False)
    pixels = torch.from_numpy(
        np.random.default_rng(0).normal(size=(2, 3, sizes.image_size, sizes.image_size))
    ).float()
    with torch.no_grad():
        pooled, tokens = theirs.visual(pixels)
        (*_, last), class_token = tower.streams(pixels)
        ours = tower.ln_post(last)
    assert torch.equal(class_token, last[:, 0])
    assert_close(ours[:, 0] @ tower.proj, pooled, PYTORCH, "class token")
    assert_close(ours[:, 1:], tokens, PYTORCH, "patch tokens")


def test_the_vv_stream_changes_patches_and_never_the_plain_stream(tmp_path) -> None:
    path = save_clip(tmp_path / "clip.safetensors", 3, SIZES[0])
    pixels = torch.from_numpy(np.random.default_rng(1).normal(size=(1, 3, 48, 48))).float()
    plain, local = (res2clip.load_backbone(path, vv_depth=depth).tower for depth in (0, 3))
    with torch.no_grad():
        assert_close(local(pixels).image, plain(pixels).image, PYTORCH, "class token")
        assert (plain(pixels).patches - local(pixels).patches).abs().max() > 0.01
