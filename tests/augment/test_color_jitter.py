import colorsys

import numpy as np
import pytest
import torch

from styleadapt.augment import ColorJitter
from styleadapt.augment.color_jitter import luminance, turn_hue

STILL = {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0, "gray": 0}


def image(seed: int = 0) -> torch.Tensor:
    return torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 0.6 + 0.2


def test_without_strength_nothing_changes():
    assert torch.allclose(ColorJitter(**STILL, seed=0)(image()), image(), atol=1e-6)


def test_brightness_is_a_factor_within_its_limits():
    done = ColorJitter(**{**STILL, "brightness": 0.2}, seed=0)(torch.stack([image()] * 50))
    factors = (done / image()).flatten(1)
    assert torch.allclose(factors.amin(1), factors.amax(1), atol=1e-4)
    assert factors.min() >= 0.8 - 1e-4 and factors.max() <= 1.2 + 1e-4 and factors.std() > 0.05


def test_contrast_keeps_the_mean_and_saturation_the_channels_mean():
    done = ColorJitter(**{**STILL, "contrast": 0.3}, seed=1)(image())
    assert torch.allclose(luminance(done[None]).mean(), luminance(image()[None]).mean(), atol=0.01)
    assert not torch.allclose(done.std(), image().std(), rtol=0.01)
    done = ColorJitter(**{**STILL, "saturation": 0.3}, seed=1)(image())
    assert torch.allclose(done.mean(0), image().mean(0), atol=1e-5)
    assert not torch.allclose(done, image(), atol=0.01)


def test_gray_at_its_probability():
    done = ColorJitter(**{**STILL, "gray": 0.3}, seed=0)(torch.stack([image()] * 300))
    gray = done.std(1).flatten(1).amax(1) < 1e-5
    assert 0.2 < gray.float().mean() < 0.4
    assert torch.allclose(done[gray][0, 0], luminance(image()[None])[0, 0], atol=1e-5)


def test_hue_turns_as_the_color_circle_does():
    for turn, name in ((0.0, 0), (1 / 3, 1), (2 / 3, 2)):
        done = turn_hue(torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1), torch.tensor([turn])).flatten()
        assert torch.allclose(done, torch.eye(3)[name], atol=1e-6)
    color = torch.tensor([0.6, 0.5, 0.4])
    done = turn_hue(color.view(1, 3, 1, 1), torch.tensor([0.05])).flatten()
    before, after = (colorsys.rgb_to_hsv(*values.tolist())[0] for values in (color, done))
    assert after - before == pytest.approx(0.05, abs=0.02) and done.mean() == pytest.approx(0.5, abs=1e-6)


def test_it_works_on_pictures_and_a_seed_gives_the_same():
    array = (image().permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    one, again, other = (ColorJitter(seed=seed)(array) for seed in (0, 0, 1))
    assert one.dtype == np.uint8 and np.array_equal(one, again) and not np.array_equal(one, other)


def test_strengths_out_of_range_are_refused():
    with pytest.raises(ValueError, match="`hue` is 0.7"):
        ColorJitter(hue=0.7)
    with pytest.raises(ValueError, match="`gray` is -1"):
        ColorJitter(gray=-1)
