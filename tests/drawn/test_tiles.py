import numpy as np
import pytest

from styleadapt.drawn.tiles import mosaic, stained_glass


def edges(image):
    gray = np.asarray(image.convert("L"), float)
    return np.hypot(*np.gradient(gray))


def test_glass_is_held_by_dark_lead():
    gray = np.asarray(stained_glass(256, 0).convert("L"))
    assert 0.05 < (gray < 40).mean() < 0.4


def test_glass_glows_between_the_lead():
    pixels = np.asarray(stained_glass(256, 0).convert("HSV"), float)
    bright = pixels[..., 2] > 100
    assert pixels[..., 1][bright].mean() > 90


@pytest.mark.parametrize("draw", [mosaic, stained_glass])
def test_stones_and_panes_end_in_sharp_borders(draw):
    assert (edges(draw(256, 0)) > 20).mean() > 0.08
