import numpy as np
import pytest
import torch
from skimage import color

from styleadapt.models.lab import lab_to_rgb, rgb_to_lab


def test_lab_is_that_of_scikit_image():
    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    expected = color.rgb2lab(x[0].permute(1, 2, 0).numpy())
    assert np.abs(rgb_to_lab(2 * x - 1)[0].permute(1, 2, 0).numpy() - expected).max() < 0.02


def test_there_and_back():
    x = torch.rand(2, 3, 8, 9, generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert (lab_to_rgb(rgb_to_lab(x)) - x).abs().max() < 1e-3
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 3).T[None, :, None]
    assert (lab_to_rgb(rgb_to_lab(corners)) - corners).abs().max() < 1e-3


@pytest.mark.parametrize("level", [-1.0, 0.0, 0.7])
def test_gray_has_no_color(level):
    assert rgb_to_lab(torch.full((1, 3, 1, 1), level))[:, 1:].abs().max() < 0.02


def test_colors_that_no_screen_has_are_clamped():
    assert lab_to_rgb(torch.tensor([50.0, 200.0, -200.0]).view(1, 3, 1, 1)).abs().max() <= 1
