"""Head weights from files, and what they do to the branches."""

from __future__ import annotations

import pytest
import torch
from golden.checkpoint import save_heads
from safetensors.torch import save_file

import res2clip
from res2clip.branches import Branches
from res2clip.heads import PACKAGED, ResidualHeads, load_heads, read_heads, save_published
from res2clip.heads import save_heads as save_residual_heads
from res2clip.mini.architecture import vision_config
from res2clip_runtime.errors import ArtefactError, ArtefactNotFoundError

TAPS, DIM = (1, 2, 3), 48


def test_untrained_heads_are_the_identity() -> None:
    heads = ResidualHeads(TAPS, DIM)
    residual, direction = (
        torch.randn(2, 3, 25, DIM),
        torch.nn.functional.normalize(torch.randn(DIM), dim=0),
    )
    inputs = (torch.randn(2, 25, DIM), residual, torch.randn(2, DIM), torch.randn(DIM))
    with torch.no_grad():
        plain, scores = Branches(TAPS, direction, None)(*inputs)
        adapted, adapted_scores = Branches(TAPS, direction, heads)(*inputs)
    assert torch.allclose(plain[:, :2], adapted[:, :2], atol=1e-6)
    assert torch.allclose(scores, adapted_scores, atol=1e-6)
    # Fine-tuned, the residual map takes every tap; training-free only the last.
    every_tap = torch.relu(residual @ direction).mean(1).view(2, 5, 5)
    assert torch.allclose(adapted[:, 2], every_tap, atol=1e-6)


def test_a_published_checkpoint_and_our_safetensors_are_the_same_heads(tmp_path) -> None:
    published = load_heads(
        save_heads(tmp_path / "five.pth", 4, taps=TAPS, dim=DIM), taps=TAPS, dim=DIM
    )
    save_file(published.state_dict(), tmp_path / "ours.safetensors")
    ours = load_heads(tmp_path / "ours.safetensors", taps=TAPS, dim=DIM)
    for name, value in published.state_dict().items():
        assert torch.equal(value, ours.state_dict()[name]), name


def test_heads_of_other_taps_or_width_are_refused(tmp_path) -> None:
    path = save_heads(tmp_path / "five.pth", 4, taps=TAPS, dim=DIM)
    with pytest.raises(ArtefactError, match=r"does not fit this backbone \(taps \(1, 2\)"):
        load_heads(path, taps=(1, 2), dim=DIM)
    with pytest.raises(ArtefactError, match="width 64"):
        load_heads(path, taps=TAPS, dim=64)


def test_a_file_that_holds_no_heads_is_refused(tmp_path) -> None:
    torch.save({"model": torch.zeros(3)}, tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(ArtefactError, match="not a head checkpoint"):
        load_heads(tmp_path / "other.pth", taps=TAPS, dim=DIM)
    with pytest.raises(ArtefactError, match=r"text\.pth cannot be read"):
        load_heads(tmp_path / "text.pth", taps=TAPS, dim=DIM)
    with pytest.raises(ArtefactNotFoundError, match="--heads"):
        load_heads(tmp_path / "none.pth", taps=TAPS, dim=DIM)


def test_heads_change_the_score_id_and_not_the_encoder_id(tiny_checkpoint, tmp_path) -> None:
    backbone = res2clip.load_backbone(tiny_checkpoint)
    plain = res2clip.Res2CLIP(backbone).spec
    path = save_heads(tmp_path / "five.pth", 4, taps=TAPS, dim=DIM)
    tuned = res2clip.Res2CLIP(backbone, path).spec
    assert plain.encoder_id == tuned.encoder_id
    assert plain.score_id != tuned.score_id
    assert (plain.residual_weight, tuned.residual_weight) == (1.0, 0.1)


def test_heads_convert_to_the_published_format_and_back(tmp_path) -> None:
    published = save_heads(tmp_path / "published.pth", 21, taps=TAPS, dim=DIM)
    heads = read_heads(published)
    save_residual_heads(heads, tmp_path / "ours.safetensors")
    save_published(read_heads(tmp_path / "ours.safetensors"), tmp_path / "again.pth")
    first, second = (torch.load(p, weights_only=True) for p in (published, tmp_path / "again.pth"))
    assert first.keys() == second.keys()
    for group, tensors in first.items():
        assert tensors.keys() == second[group].keys()
        assert all(torch.equal(tensors[name], second[group][name]) for name in tensors)


def test_the_minis_heads_are_packaged_trained_and_small() -> None:
    heads = load_heads("mini", taps=vision_config().taps, dim=vision_config().embed_dim)
    fresh = ResidualHeads(vision_config().taps, vision_config().embed_dim).state_dict()
    unmoved = [k for k, v in heads.state_dict().items() if torch.equal(v, fresh[k])]
    assert unmoved == []
    assert PACKAGED.stat().st_size < 2**21
