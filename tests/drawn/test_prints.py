import numpy as np
import pytest

from styleadapt.drawn.prints import comic, hatching, woodcut


@pytest.mark.parametrize("draw", [hatching, woodcut])
def test_prints_are_ink_on_paper(draw):
    gray = np.asarray(draw(384, 0).convert("L"), float)
    dark, light = (gray < 90).mean(), (gray > 170).mean()
    assert dark > 0.1 and light > 0.25 and dark + light > 0.6


def test_hatching_is_nearly_without_color():
    assert np.asarray(hatching(256, 0).convert("HSV"), float)[..., 1].mean() < 60


def test_hatching_is_made_of_fine_lines():
    gray = np.asarray(hatching(512, 0).convert("L"), float)
    fine = gray[:, 1:] - gray[:, :-1]
    assert np.abs(fine).mean() > 8


def test_comic_colors_are_strong():
    assert np.percentile(np.asarray(comic(256, 0).convert("HSV"), float)[..., 1], 75) > 140
