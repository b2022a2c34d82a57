import pytest
import torch

from styleadapt.losses.distortion import charbonnier


@pytest.mark.parametrize("epsilon", [0.0, 1e-3])
def test_equal_pixels_have_a_gradient_of_0(epsilon):
    x = torch.tensor([1.0, 3.0], requires_grad=True)
    charbonnier(x, torch.tensor([1.0, 0.0]), epsilon).backward()
    assert x.grad.tolist() == pytest.approx([0.0, 0.5], abs=1e-6)
