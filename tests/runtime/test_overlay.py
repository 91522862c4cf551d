from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from drawn_parts import draw_part
from hypothesis import given
from hypothesis import strategies as st
from numpy_model import NumpyModel
from PIL import Image
from scipy import ndimage

from res2clip_runtime.inspection import error_verdict, inspect
from res2clip_runtime.overlay import draw_verdict
from res2clip_runtime.overlay.heat import blend, heat_colours, heat_rgba, scale_position
from res2clip_runtime.overlay.outline import draw_outline, grow
from res2clip_runtime.recipe import Recipe
from res2clip_runtime.sinks import PictureFolder
from res2clip_runtime.sinks.picture_folder import picture_name
from res2clip_runtime.verdict import Decision, Verdict


def verdict_on(picture: np.ndarray, recipe: Recipe) -> Verdict:
    return inspect(NumpyModel(), picture, recipe, frame_id="a.png")


def test_threshold_is_in_the_middle_of_the_scale() -> None:
    values = np.array([-1, 0, 0.4, 0.8, 5], dtype=np.float32)
    np.testing.assert_allclose(scale_position(values, 0.4), [0, 0, 0.5, 1, 1], atol=1e-6)


@pytest.mark.parametrize("threshold", [-0.2, 0.0, 1e-9])
def test_threshold_at_or_below_zero_still_divides_the_scale(threshold: float) -> None:
    values = np.array([threshold - 1, threshold, threshold + 1], dtype=np.float32)
    position = scale_position(values, threshold)
    assert position[0] == 0
    assert position[1] == pytest.approx(0.5, abs=1e-3)
    assert position[2] == 1


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_value_has_one_colour_whatever_the_rest_of_the_picture(
    value: float, other: float
) -> None:
    """The point of a fixed scale: it never depends on the picture's own minimum and maximum."""
    alone = heat_rgba(np.array([[value]], dtype=np.float32), 0.4)[0, 0]
    beside = heat_rgba(np.array([[value, other]], dtype=np.float32), 0.4)[0, 0]
    np.testing.assert_array_equal(alone, beside)


def test_normal_areas_are_left_as_they_are() -> None:
    picture = draw_part(0)
    heat = heat_rgba(np.full(picture.shape[:2], 0.3, dtype=np.float32), 0.4)
    np.testing.assert_array_equal(blend(picture, heat), picture)


def test_more_anomalous_is_more_opaque() -> None:
    opacity = heat_colours(np.linspace(0, 1, 50, dtype=np.float32))[:, 3]
    assert (np.diff(opacity) >= 0).all()
    assert opacity[0] == 0
    assert 0.5 < opacity[-1] < 1


def test_not_a_number_is_shown_as_hot() -> None:
    heat = heat_rgba(np.array([[np.nan]], dtype=np.float32), 0.4)
    np.testing.assert_array_equal(heat, heat_rgba(np.array([[9]], dtype=np.float32), 0.4))


def test_outline_runs_around_the_region_and_not_over_it() -> None:
    picture = np.full((40, 50, 3), 90, dtype=np.uint8)
    mask = np.zeros((40, 50), dtype=bool)
    mask[15:25, 20:30] = True
    drawn = draw_outline(picture, mask, width_px=2)
    changed = (drawn != picture).any(axis=2)
    assert changed.any()
    assert not changed[mask].any()
    assert (drawn == 255).all(axis=2).any()
    assert (picture == 90).all()


@pytest.mark.parametrize("steps", [0, 1, 2, 5])
def test_growing_is_the_dilation_of_scipy(steps: int) -> None:
    mask = np.random.default_rng(0).random((30, 40)) > 0.97
    expected = mask
    for step in range(steps):
        structure = ndimage.generate_binary_structure(2, 1 + step % 2)
        expected = ndimage.binary_dilation(expected, structure)
    np.testing.assert_array_equal(grow(mask, steps), expected)


@pytest.mark.parametrize(
    ("size", "width"),
    [((96, 80), 640), ((640, 480), 640), ((2000, 1500), 1600), ((100, 3000), 640)],
)
def test_drawn_picture_has_a_bounded_size(
    recipe: Recipe, size: tuple[int, int], width: int
) -> None:
    picture = draw_part(3, size_px=size)
    drawn = draw_verdict(verdict_on(picture, recipe), picture)
    assert drawn.dtype == np.uint8
    assert drawn.shape[1] == width
    assert drawn.shape[0] <= 1600 + 240


@pytest.mark.parametrize("scratched", [False, True])
def test_banner_shows_the_decision_in_its_colour(recipe: Recipe, scratched: bool) -> None:
    picture = draw_part(12, scratched=scratched)
    red, green, _ = draw_verdict(verdict_on(picture, recipe), picture)[2, -2].astype(int)
    assert (red > green + 80) if scratched else (green > red + 80)


def test_undecodable_picture_is_drawn_with_its_reason() -> None:
    drawn = draw_verdict(error_verdict("a.png", "washer", "broken " * 60), None)
    assert drawn.shape[1] == 640
    assert (drawn[drawn.shape[0] // 2 :] > 200).any()


def test_verdict_without_a_pixel_threshold_shows_the_plain_picture(recipe: Recipe) -> None:
    picture = draw_part(12, size_px=(640, 480), scratched=True)
    verdict = dataclasses.replace(verdict_on(picture, recipe), pixel_threshold=None, regions=())
    drawn = draw_verdict(verdict, picture)
    start = next(row for row in range(200) if (drawn[row : row + 480] == picture).all())
    assert start > 0


@pytest.mark.parametrize("name", ["", "x" * 500, "\n\t\0", "垫圈"])
def test_any_name_can_be_drawn(recipe: Recipe, name: str) -> None:
    picture = draw_part(12)
    verdict = dataclasses.replace(verdict_on(picture, recipe), frame_id=name, product=name)
    assert draw_verdict(verdict, picture).shape[1] == 640


def test_only_the_wanted_decisions_are_written(tmp_path: Path, recipe: Recipe) -> None:
    sink = PictureFolder(tmp_path, decisions=[Decision.NG, Decision.ERROR])
    for name, scratched in (("good", False), ("bad", True)):
        picture = draw_part(12, scratched=scratched)
        verdict = dataclasses.replace(verdict_on(picture, recipe), frame_id=f"{name}/1.png")
        sink.write(verdict, picture)
    sink.write(error_verdict("broken.png", "washer", "because"), None)
    sink.close()
    found = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())
    assert found == ["bad/1.png.jpg", "broken.png.jpg"]
    with Image.open(tmp_path / "bad/1.png.jpg") as written:
        assert written.size[0] == 640


@pytest.mark.parametrize(
    ("frame_id", "name"),
    [
        ("a.png", "a.png.jpg"),
        ("scratch/3.png", "scratch/3.png.jpg"),
        ("part.mp4#000012", "part.mp4#000012.jpg"),
        ("../../etc/passwd", "_/_/etc/passwd-3754d6cb.jpg"),
        ("/etc/passwd", "_/etc/passwd-74acf318.jpg"),
        (".hidden", "_hidden-16924190.jpg"),
        ("a:b*c\n.png", "a_b_c_.png-2cd57d3c.jpg"),
        ("", "_-e3b0c442.jpg"),
    ],
)
def test_picture_stays_inside_its_folder_whatever_the_frame_is_called(
    frame_id: str, name: str
) -> None:
    assert picture_name(frame_id) == name


def test_frames_whose_names_differ_in_odd_characters_get_two_pictures() -> None:
    assert picture_name("a!.png") != picture_name("a?.png")
