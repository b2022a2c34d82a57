import numpy as np
import pytest

from styleadapt.drawn.paintings import pointillism, swirls, watercolor


def local_contrast(image):
    """Mean distance of pixels to their neighbor two pixels on, in levels."""
    pixels = np.asarray(image, float)
    return np.abs(pixels[:, 2:] - pixels[:, :-2]).mean()


def test_dabs_of_pure_color_are_rougher_than_washes():
    assert local_contrast(pointillism(256, 0)) > 2 * local_contrast(watercolor(256, 0))


def test_a_night_sky_is_mostly_blue():
    red, _, blue = np.asarray(swirls(256, 0), float)[:128].mean((0, 1))
    assert blue > red + 20


@pytest.mark.parametrize("seed", [0, 1])
def test_washes_leave_the_paper_light(seed):
    assert np.asarray(watercolor(256, seed).convert("L"), float).mean() > 120
