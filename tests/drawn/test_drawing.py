import numpy as np
import pytest

from styleadapt.drawn import drawing


def test_coordinates_are_pixel_centers():
    x, y = drawing.coordinates(4)
    assert x[2].tolist() == y[:, 2].tolist() == [0.125, 0.375, 0.625, 0.875]


def test_ramp_goes_from_the_first_color_to_the_last_and_clips():
    low, middle, high = drawing.ramp(np.array([-3.0, 0.5, 9.0]), "black", "white")
    assert low.tolist() == [0, 0, 0] and high.tolist() == [1, 1, 1]
    assert abs(middle[0] - 0.5) < 0.01


def test_noise_is_centered_and_smooth():
    values = drawing.noise(np.random.default_rng(0), 96, 6)
    assert values.shape == (96, 96) and abs(values.mean()) < 0.2 and 0.2 < values.std() < 1
    assert np.abs(np.diff(values)).max() < 0.35


@pytest.mark.parametrize("radius", [0.02, 0.06])
def test_blur_of_a_step_is_nearly_a_gaussian_edge(radius):
    x, _ = drawing.coordinates(400)
    edge = drawing.blur((x > 0.5).astype(np.float32), radius)[200]
    # a step blurred with deviation s rises from 16 % to 84 % within 2 s
    rise = (np.searchsorted(edge, 0.841) - np.searchsorted(edge, 0.159)) / 400
    assert rise == pytest.approx(2 * radius, rel=0.25)


def test_chance_is_uniform_and_repeats():
    values = drawing.chance(np.arange(10_000), salt=3)
    assert (values == drawing.chance(np.arange(10_000), salt=3)).all()
    assert values.min() >= 0 and values.max() < 1 and abs(values.mean() - 0.5) < 0.02 and abs(values.var() - 1 / 12) < 0.01


def test_voronoi_cells_touch_where_the_distance_is_zero():
    x, y = drawing.coordinates(120)
    labels, distance = drawing.voronoi(5 * x, 5 * y, 0)
    assert 20 <= len(np.unique(labels)) <= 49
    border = labels[:, 1:] != labels[:, :-1]
    assert distance[:, 1:][border].max() < 0.1 and distance.min() >= 0


def test_outlines_have_the_width_asked_for():
    labels = np.repeat((np.arange(200) >= 100)[None], 200, 0)
    lines = drawing.outlines(labels, 0.05)
    assert abs(lines[100].sum() - 10) <= 2 and lines[100, :80].sum() == 0


def test_paint_is_opaque_as_the_mask_says():
    canvas = np.zeros((2, 2, 3), np.float32)
    drawing.paint(canvas, np.array([[0, 1], [0.5, 0.25]]), "white")
    assert canvas[..., 0].tolist() == [[0, 1], [0.5, 0.25]]


def test_tint_warms_red_and_cools_blue():
    warm = drawing.tint(np.full((1, 1, 3), 0.5, np.float32), np.array([[0.1]]), np.array([[0.0]]))[0, 0]
    assert warm[0] > warm[1] > warm[2]


def test_finish_rounds_and_resizes():
    image = drawing.finish(np.full((8, 8, 3), 0.5, np.float32), 4)
    assert image.size == (4, 4) and image.getpixel((1, 1)) == (128, 128, 128)
