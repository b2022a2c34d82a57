import numpy as np
import pytest
import torch

from styleadapt.models.colorizer import Colorizer
from styleadapt.models.efficientnet import EfficientNetLite0
from styleadapt.models.lab import rgb_to_lab
from styleadapt.pipelines import coloring
from styleadapt.pipelines.coloring import color_photo

from ..conftest import smooth_noise


def lightness(pixels):
    return rgb_to_lab(torch.from_numpy(pixels).permute(2, 0, 1)[None])[0, 0]


@pytest.mark.parametrize("size", [(90, 60), (1, 1), (300, 20)])
def test_the_lightness_stays_and_bands_leave_no_seam(size, monkeypatch):
    torch.manual_seed(0)
    colorizer, trunk = Colorizer(width=8, code_dim=4).eval(), EfficientNetLite0().eval()
    gray = np.asarray(smooth_noise(size, 0).convert("L").convert("RGB"), np.float32) / 510 - 0.25
    whole = color_photo(colorizer, trunk, gray)
    assert whole.shape == gray.shape and np.abs(whole - whole.mean(-1, keepdims=True)).max() > 1e-3
    inside = torch.from_numpy((np.abs(whole) < 0.99).all(-1))
    assert (lightness(whole) - lightness(gray))[inside].abs().max() < 0.1
    monkeypatch.setattr(coloring, "_BAND", 7)
    assert np.abs(color_photo(colorizer, trunk, gray) - whole).max() < 1e-4
