import math
import sys

import pytest
import torch

from styleadapt.images.images import image_to_tensor
from styleadapt.metrics.flicker import flicker

from ..conftest import smooth_noise


@pytest.fixture
def pan():
    """Four frames of a picture that moves by a pixel each."""
    wide = image_to_tensor(smooth_noise((72, 64), 3, cell=8))
    return torch.cat([wide[..., i : i + 64] for i in range(4)])


def test_what_moves_with_the_film_does_not_flicker(pan):
    steady = flicker(1 - pan, pan)
    assert steady.covered > 0.7
    assert steady.output == pytest.approx(steady.input, abs=1e-5) and steady.output < 0.02
    # without the motion taken out, the negative would change far more
    assert float((pan[1:] - pan[:-1]).abs().mean()) / 2 > 1.3 * steady.output


def test_brightness_that_jumps_is_found_with_its_size(pan):
    jumping = 0.5 * pan + torch.tensor([0.0, 0.3, 0.0, 0.3]).view(4, 1, 1, 1)
    found = flicker(jumping, pan)
    assert found.output == pytest.approx(0.15, rel=0.1)
    assert found.input == flicker(pan, pan).input


def test_a_cut_is_left_out(pan):
    cut = torch.cat([pan[:2], image_to_tensor(smooth_noise((64, 64), 8, cell=8))])
    assert flicker(cut, cut).covered < 0.75 * flicker(pan[:3], pan[:3]).covered
    flash = torch.stack([-torch.ones(3, 32, 32), torch.ones(3, 32, 32)])
    found = flicker(flash, flash)
    assert found.covered == 0 and math.isnan(found.output)


def test_wrong_frames_and_a_missing_library(monkeypatch, pan):
    with pytest.raises(ValueError, match="2 frames or more, got 1"):
        flicker(pan[:1], pan[:1])
    with pytest.raises(ValueError, match="of one shape"):
        flicker(pan, pan[:2])
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(ImportError, match=r"styleadapt\[metrics\]"):
        flicker(pan, pan)
