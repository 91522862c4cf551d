"""The backbone that production uses, in its real shapes; only the weights are random."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drawn_parts import draw_part
from golden import checkpoint

import res2clip


@pytest.mark.slow
def test_a_checkpoint_of_openai_vit_l_teaches_and_scores_at_518_px(tmp_path):
    path = checkpoint.save_half_state_dict(
        tmp_path / "ViT-L-14-336px.pt", 3, checkpoint.VIT_L_14_336
    )
    model = res2clip.Res2CLIP(res2clip.load_backbone(path))
    path.unlink()  # 0.9 GB
    spec = model.spec
    assert (spec.image_size_px, spec.grid, spec.embed_dim) == (518, 37, 768)
    assert (spec.taps, spec.vv_depth) == ((6, 12, 18, 24), 19)
    recipe = model.teach([draw_part(0)], product="washer")
    assert recipe.bank.shape == (4, 37 * 37, 768)
    np.testing.assert_allclose(np.linalg.norm(recipe.bank, axis=2), 1, atol=1e-5)
    verdict = model.inspect(draw_part(0, scratched=True), recipe)
    assert math.isfinite(verdict.score)
    assert verdict.anomaly_map.shape == (518, 518)
    assert np.isfinite(verdict.anomaly_map).all()
    # The taught part with a scratch: the map peaks on the scratch and is flat far from it.
    corner = verdict.anomaly_map[-100:, -100:]
    assert verdict.anomaly_map.max() > 1.5 * corner.max()
