"""What a backbone can be called, and what is said when it cannot."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pytest
import torch

import res2clip
from res2clip.backbone import quarter_taps
from res2clip_runtime.errors import ArtefactError, ArtefactNotFoundError, InputError


@pytest.mark.parametrize(
    ("depth", "taps"),
    [(24, (6, 12, 18, 24)), (12, (3, 6, 9, 12)), (3, (1, 2, 3)), (2, (1, 2)), (1, (1,))],
)
def test_taps_are_the_quarters_of_the_depth(depth: int, taps: tuple[int, ...]) -> None:
    assert quarter_taps(depth) == taps


def test_the_vv_stream_starts_at_the_first_tap(tiny_checkpoint: Path) -> None:
    config = res2clip.load_backbone(tiny_checkpoint).config
    assert (config.taps, config.vv_depth) == ((1, 2, 3), 3)
    config = res2clip.load_backbone(tiny_checkpoint, taps=(2, 3)).config
    assert (config.taps, config.vv_depth) == ((2, 3), 2)


def test_the_mini_is_packaged_and_works_at_once() -> None:
    backbone = res2clip.load_backbone("mini")
    model = res2clip.Res2CLIP(backbone)
    noise = torch.randint(0, 256, (2, model.spec.image_size_px, model.spec.image_size_px, 3))
    features = model.encode(noise.byte().numpy())
    assert features.patches.shape == (
        2,
        len(model.spec.taps),
        model.spec.patches,
        model.spec.embed_dim,
    )


def test_an_image_size_off_the_patch_grid_names_its_neighbours(tiny_checkpoint: Path) -> None:
    with pytest.raises(InputError, match="use 40 or 48"):
        res2clip.load_backbone(tiny_checkpoint, image_size=45)


@pytest.mark.parametrize("taps", [(0, 1), (2, 1), (1, 9)])
def test_impossible_taps_are_refused(tiny_checkpoint: Path, taps) -> None:
    with pytest.raises(InputError, match="taps"):
        res2clip.load_backbone(tiny_checkpoint, taps=taps)


def test_an_unknown_name_says_what_is_possible() -> None:
    with pytest.raises(InputError, match="use mini"):
        res2clip.load_backbone("ViT-Q-99")


def test_an_unknown_tag_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"open_clip lists: .*openai"):
        res2clip.load_backbone("ViT-B-32-quickgelu:nothing")


@pytest.mark.parametrize("name", ["ViT-B-16-SigLIP", "RN50", "vit_medium_patch16_gap_256"])
def test_other_towers_are_refused_by_name(name: str) -> None:
    with pytest.raises(ArtefactError, match=f"'{name}' is not a plain CLIP ViT"):
        res2clip.load_backbone(name)


def test_weights_that_cannot_be_downloaded_come_with_instructions() -> None:
    # The real client, kept from the network by conftest.py.
    with pytest.raises(ArtefactNotFoundError) as caught:
        res2clip.load_backbone("ViT-B-16:laion2b_s34b_b88k")
    message = str(caught.value)
    assert "--backbone ViT-B-16:/path/to/file" in message
    assert "https://" in message
    assert "mini" in message


@pytest.mark.slow
def test_an_open_clip_name_with_a_local_file_gives_that_models_features(tmp_path) -> None:
    torch.manual_seed(0)
    theirs = open_clip.create_model("ViT-S-32-alt", pretrained=None, load_weights=False)
    path = tmp_path / "open_clip_pytorch_model.bin"
    torch.save(theirs.state_dict(), path)
    backbone = res2clip.load_backbone(f"ViT-S-32-alt:{path}", vv_depth=0)
    assert not backbone.config.quick_gelu
    pixels = torch.randn(1, 3, backbone.config.image_size_px, backbone.config.image_size_px)
    with torch.no_grad():
        _, class_token = backbone.tower.streams(pixels)
        ours = backbone.tower.ln_post(class_token) @ backbone.tower.proj
        assert torch.allclose(ours, theirs.encode_image(pixels), atol=1e-5)
        prompts = open_clip.tokenize(["a damaged object"])
        expected = torch.nn.functional.normalize(theirs.encode_text(prompts), dim=-1)
    from res2clip.text_tower import TextTower

    text = TextTower(backbone.text, backbone.text_weights).encode(["a damaged object"])
    assert torch.allclose(text, expected, atol=1e-5)


def test_a_tag_trained_with_quick_gelu_points_to_the_model_that_has_it() -> None:
    assert open_clip.get_pretrained_cfg("ViT-B-32", "laion400m_e32")["quick_gelu"]
    with pytest.raises(ArtefactNotFoundError, match="ViT-B-32-quickgelu:/path/to/file"):
        res2clip.load_backbone("ViT-B-32:laion400m_e32")
