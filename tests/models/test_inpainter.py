import numpy as np
import pytest
import torch

from styleadapt.data.degradations import free_form_mask
from styleadapt.models.inpainter import Inpainter, push_pull


def tiny():
    torch.manual_seed(0)
    model = Inpainter(widths=(8, 8, 16), dilations=(1, 2))
    torch.nn.init.normal_(model.leave.weight, std=0.1)
    return model.eval()


def holes(count, height, width):
    masks = [free_form_mask(height, width, np.random.default_rng(n)) for n in range(count)]
    return torch.from_numpy(np.stack(masks)[:, None]).float()


@pytest.mark.parametrize("size", [(8, 8), (37, 50), (64, 24)])
def test_known_pixels_are_given_back_and_those_in_the_hole_are_not_looked_at(size):
    model, x, mask = tiny(), torch.rand(2, 3, *size) * 2 - 1, holes(2, *size)
    out = model(x, mask).sample
    assert out.shape == x.shape and out.isfinite().all()
    assert torch.equal(out * (1 - mask), x * (1 - mask))
    assert torch.equal(model(torch.where(mask > 0, 9.0, x), mask).sample, out)
    assert not torch.equal(out, push_pull(x, mask))


def test_it_begins_with_the_smooth_fill():
    x, mask = torch.rand(1, 3, 32, 32), holes(1, 32, 32)
    assert torch.allclose(Inpainter(widths=(8, 8, 8), dilations=(1,))(x, mask).sample, push_pull(x, mask), atol=1e-6)


def test_nothing_masked_and_everything_masked():
    model, x = tiny(), torch.rand(1, 3, 16, 16)
    assert torch.equal(model(x, torch.zeros(1, 1, 16, 16)).sample, x)
    assert model(x, torch.ones(1, 1, 16, 16)).sample.isfinite().all()


def test_a_soft_mask_mixes():
    model, x = tiny(), torch.rand(1, 3, 16, 16)
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 4:12, 4:12] = 0.5
    out = model(x, mask).sample
    assert torch.equal(out[..., :4, :], x[..., :4, :]) and not torch.equal(out, x)


@pytest.mark.parametrize("size", [(64, 64), (33, 70), (1, 5)])
def test_the_smooth_fill_keeps_constants_and_stays_within_what_is_known(size):
    mask = torch.zeros(1, 1, *size)
    mask[..., size[0] // 3 : -(size[0] // 3) or None, 1:-1] = 1
    constant = torch.where(mask > 0, -9.0, torch.full((1, 3, *size), 0.3))
    assert torch.allclose(push_pull(constant, mask), torch.tensor(0.3), atol=1e-5)
    x = torch.rand(1, 3, *size)
    filled = push_pull(x, mask)
    known = x.expand(1, 3, *size)[mask.expand(1, 3, *size) == 0]
    assert filled.min() >= known.min() - 1e-5 and filled.max() <= known.max() + 1e-5


def test_it_is_small():
    from torch.utils.flop_counter import FlopCounterMode

    model = Inpainter()
    assert sum(p.numel() for p in model.parameters()) < 500_000
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 3, 64, 64), torch.zeros(1, 1, 64, 64))
    assert counter.get_total_flops() / 2 / 64**2 < 60_000


def test_it_saves_and_loads(tmp_path):
    model, x, mask = tiny(), torch.rand(1, 3, 16, 16), holes(1, 16, 16)
    model.save_pretrained(tmp_path)
    assert torch.equal(Inpainter.from_pretrained(tmp_path)(x, mask).sample, model(x, mask).sample)
    with pytest.raises(ValueError, match="three entries"):
        Inpainter(widths=(8, 8))
