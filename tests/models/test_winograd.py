import copy

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F

from styleadapt.models.winograd import FrozenConv2d


@pytest.fixture
def layer() -> FrozenConv2d:
    torch.manual_seed(0)
    return FrozenConv2d(6, 10)


def _exactly(layer: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    return F.conv2d(x.double(), layer.weight.double(), layer.bias.double(), padding=1)


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (3, 8), (5, 7), (13, 22), (700, 9)])
def test_it_computes_the_convolution_and_its_gradient(layer, size):
    x = torch.randn(2, 6, *size, requires_grad=True)
    other = x.detach().double().requires_grad_()
    ours, exact = layer(x), _exactly(layer, other)
    weights = torch.randn(exact.shape)
    (ours * weights).sum().backward()
    (exact * weights).sum().backward()
    assert ours.shape == exact.shape
    assert torch.allclose(ours.double(), exact, atol=1e-5)
    assert torch.allclose(x.grad.double(), other.grad, atol=1e-5)


def test_its_output_may_be_changed_in_place(layer):
    x = torch.randn(1, 6, 5, 8, requires_grad=True)
    F.relu_(layer(x)).sum().backward()
    first = x.grad.clone()
    x.grad = None
    F.relu(layer(x)).sum().backward()
    assert torch.equal(x.grad, first)


def test_kernels_that_change_are_transformed_again(layer):
    x = torch.randn(1, 6, 8, 8)
    layer(x)
    with torch.no_grad():
        layer.weight.mul_(2)
    assert torch.allclose(layer(x).double(), _exactly(layer, x), atol=1e-5)
    layer.load_state_dict(FrozenConv2d(6, 10).state_dict())
    assert torch.allclose(copy.deepcopy(layer)(x).double(), _exactly(layer, x), atol=1e-5)


@pytest.mark.parametrize("trains, dtype", [(False, torch.bfloat16), (True, torch.float32)])
def test_elsewhere_it_is_an_ordinary_convolution(layer, trains, dtype):
    layer.to(dtype).weight.requires_grad_(trains)
    x = torch.randn(1, 6, 9, 9, dtype=dtype)
    assert torch.equal(layer(x), F.conv2d(x, layer.weight, layer.bias, padding=1))


def test_weights_of_inference_mode_serve_outside_of_it():
    torch.manual_seed(0)
    with torch.inference_mode():
        layer = FrozenConv2d(6, 10)
        inside = layer(torch.ones(1, 6, 8, 8))
    x = torch.ones(1, 6, 8, 8, requires_grad=True)
    outside = layer(x)
    outside.sum().backward()
    assert torch.equal(inside, outside) and x.grad.abs().sum() > 0
