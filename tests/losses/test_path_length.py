import math

import pytest
import torch

from styleadapt.losses.path_length import path_length_penalty, path_lengths
from styleadapt.models.stylegan2 import StyleGAN2Generator


def test_lengths_of_a_linear_generator_by_hand():
    """image = A w: J^T y = A^T y, divided by the root of the number of pixels."""
    torch.manual_seed(0)
    w = torch.randn(2, 5, requires_grad=True)
    matrix, noise = torch.randn(5, 12), torch.randn(2, 3, 2, 2)
    expected = [math.sqrt(sum(float(matrix[d] @ y.flatten()) ** 2 for d in range(5))) / 2 for y in noise]
    assert path_lengths((w @ matrix).view(2, 3, 2, 2), w, noise).tolist() == pytest.approx(expected, rel=1e-5)


def test_layers_are_averaged_as_squares():
    """Layer 0 moves the one pixel by 3 a step in each of two dimensions, layer 1 by 4: norms 3 sqrt 2 and 4 sqrt 2."""
    w = torch.zeros(1, 2, 2, requires_grad=True)
    image = (w.sum(-1) * torch.tensor([3.0, 4.0])).sum(1).view(1, 1, 1, 1)
    lengths = path_lengths(image, w, torch.ones(1, 1, 1, 1))
    assert float(lengths.detach()) == pytest.approx(math.sqrt((18 + 32) / 2))


def test_the_mean_runs_and_has_no_gradient():
    lengths = torch.tensor([1.0, 3.0], requires_grad=True)
    penalty, mean = path_length_penalty(lengths, 0.0, decay=0.9)
    assert float(mean) == pytest.approx(0.2) and not mean.requires_grad
    assert penalty.tolist() == pytest.approx([0.8**2, 2.8**2])
    assert torch.autograd.grad(penalty.sum(), lengths)[0].tolist() == pytest.approx([1.6, 5.6])
    _, mean = path_length_penalty(lengths, mean, decay=0.9)
    assert float(mean) == pytest.approx(0.9 * 0.2 + 0.1 * 2)


def test_the_drawn_noise_follows_the_seed():
    w = torch.ones(1, 2, requires_grad=True)
    lengths = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        lengths.append(float(path_lengths((w.sum() * torch.ones(1, 3, 4, 4)), w).detach()))
    assert lengths[0] == lengths[1] != lengths[2]


def test_every_weight_of_a_generator_feels_the_penalty():
    torch.manual_seed(0)
    generator = StyleGAN2Generator(8, 4, 4, mapping_layers=1, channel_base=64)
    out = generator(torch.randn(2, 4))
    path_length_penalty(path_lengths(out.sample, out.w), 0.0)[0].sum().backward()
    without = {name for name, p in generator.named_parameters() if p.grad is None or not p.grad.any()}
    # what is added to the picture has no part in how it moves; noise reaches it through the leaky ReLU's kinks alone
    assert all("to_rgb" in name and name.endswith(".bias") or "noise_strength" in name for name in without)
