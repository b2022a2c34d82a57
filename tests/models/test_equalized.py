"""Every layer equals the same written out in loops of float64."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from styleadapt.models.equalized import (
    EqualizedConv2d,
    EqualizedLinear,
    convolve,
    downsample,
    fir,
    leaky_relu,
    minibatch_deviation,
    modulated_conv2d,
    pixel_norm,
    upsample,
)

from .loops import conv, leaky, modulated_conv, upfirdn


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def near(ours, theirs, tolerance=1e-5):
    np.testing.assert_allclose(ours.detach().double().numpy(), theirs, atol=tolerance, rtol=tolerance)


def by_map(x, **options):
    return np.stack([[upfirdn(m, **options) for m in image] for image in x.double().numpy()])


def test_resampling_against_loops():
    x = torch.randn(2, 3, 6, 4)
    near(upsample(x), by_map(x, up=2, before=2, after=1, gain=4.0))
    near(downsample(x), by_map(x, down=2, before=1, after=1))
    near(fir(x, padding=2, gain=3.0), by_map(x, before=2, after=2, gain=3.0))


@pytest.mark.parametrize("form", ["scaled", "grouped"])
@pytest.mark.parametrize("kernel, demodulate, up", [(3, True, False), (3, True, True), (1, False, False), (3, False, True)])
def test_modulated_convolutions_against_loops(form, kernel, demodulate, up):
    x, weight, style = torch.randn(2, 3, 4, 5), torch.randn(4, 3, kernel, kernel), torch.randn(2, 3)
    expected = modulated_conv(*(t.double().numpy() for t in (x, weight, style)), demodulate, up)
    near(modulated_conv2d(x, weight, style, demodulate, up, form=form), expected)


def test_the_two_forms_have_the_same_gradients():
    arguments = [t.requires_grad_() for t in (torch.randn(2, 3, 4, 4), torch.randn(4, 3, 3, 3), torch.randn(2, 3))]
    probe = torch.randn(2, 4, 8, 8)
    one, other = (
        torch.autograd.grad((modulated_conv2d(*arguments, up=True, form=form) * probe).sum(), arguments)
        for form in ("scaled", "grouped")
    )
    for a, b in zip(one, other):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("form", ["scaled", "grouped"])
@pytest.mark.parametrize("up", [False, True])
def test_a_demodulated_output_has_unit_deviation_and_does_not_see_the_size_of_the_style(form, up):
    x, weight = torch.randn(4, 64, 16, 16), torch.randn(32, 64, 3, 3)
    style = torch.rand(4, 64) + 0.5
    y = modulated_conv2d(x, weight, style, up=up, form=form)
    # zeros that are put between take three quarters of the energy, the filter's gain of 4 gives it back and smooths
    assert float(y[..., 2:-2, 2:-2].std()) == pytest.approx(1.0 if not up else 0.625, rel=0.15)
    torch.testing.assert_close(modulated_conv2d(x, weight, 100 * style, up=up, form=form), y, atol=1e-4, rtol=1e-4)


def test_half_precision_does_not_overflow():
    x, weight = torch.randn(1, 64, 4, 4).half(), (torch.randn(8, 64, 3, 3) / 24).half()
    style = torch.full((1, 64), 5e4)
    y = modulated_conv2d(x, weight, style)
    assert y.dtype == torch.float16
    torch.testing.assert_close(y.float(), modulated_conv2d(x.float(), weight.float(), style), atol=0.02, rtol=0.02)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("form", ["scaled", "grouped"])
def test_circular_convolutions_turn_with_their_input(up, form):
    x, weight, style = torch.randn(2, 3, 4, 6), torch.randn(4, 3, 3, 3), torch.randn(2, 3)

    def apply(x, circular):
        return modulated_conv2d(x, weight, style, up=up, circular=circular, form=form)

    steps = (2, -4) if up else (1, -2)
    turned = apply(x.roll((1, -2), (2, 3)), True)
    torch.testing.assert_close(turned, apply(x, True).roll(steps, (2, 3)), atol=1e-5, rtol=1e-5)
    # and are the plain ones away from the edges
    inside = (..., slice(2, -2), slice(2, -2)) if up else (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(apply(x, True)[inside], apply(x, False)[inside], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(apply(x, True), apply(x, False), atol=1e-2)
    torch.testing.assert_close(upsample(x.roll(1, 3), True), upsample(x, True).roll(2, 3))


def test_convolutions_down_against_loops():
    x = torch.randn(1, 3, 6, 6)
    for kernel, padding in ((3, 2), (1, 1)):
        layer = EqualizedConv2d(3, 2, kernel, activate=True, resample="down")
        layer.bias.data.normal_()
        smooth = np.stack([upfirdn(m, before=padding, after=padding) for m in x[0].double().numpy()])
        weight = layer.weight.detach().double().numpy() / math.sqrt(3 * kernel**2)
        expected = conv(smooth, weight, stride=2) + layer.bias.detach().double().numpy()[:, None, None]
        near(layer(x)[0], leaky(expected))
        near(layer(x, gain=0.5)[0], leaky(expected) / 2)


def test_a_1x1_convolution_up_is_bilinear():
    layer, x = EqualizedConv2d(3, 2, 1, bias=False, resample="up"), torch.randn(1, 3, 4, 4)
    plain = F.conv2d(x, layer.weight / math.sqrt(3))
    near(layer(x), by_map(plain.detach(), up=2, before=2, after=1, gain=4.0))


def test_the_clamp_follows_the_gain():
    assert leaky_relu(torch.tensor([100.0, -100.0, 1.0]), gain=0.5, clamp=4.0).tolist() == pytest.approx([2.0, -2.0, 2**-0.5])


def test_learning_rates_are_equalized():
    """Weights are of unit size over the multiplier; what they do does not depend on their number or on it."""
    for width in (32, 512):
        for multiplier in (1.0, 0.01):
            layer = EqualizedLinear(width, 400, bias=0.5, lr_multiplier=multiplier)
            assert float(layer.weight.detach().std()) == pytest.approx(1 / multiplier, rel=0.05)
            y = layer(torch.randn(400, width)).detach()
            assert float(y.std()) == pytest.approx(1, rel=0.1) and float(y.mean()) == pytest.approx(0.5 * multiplier, abs=0.05)
    conv = EqualizedConv2d(64, 32, 3)
    assert float(conv.weight.detach().std()) == pytest.approx(1, rel=0.05)
    assert float(conv(torch.randn(1, 64, 32, 32)).detach()[..., 1:-1, 1:-1].std()) == pytest.approx(1, rel=0.15)


def test_pixel_norm_by_hand():
    x = torch.tensor([[[[3.0]], [[4.0]]]])
    torch.testing.assert_close(pixel_norm(x).flatten(), torch.tensor([3.0, 4.0]) / math.sqrt(12.5))


def test_the_deviation_of_a_batch_by_hand():
    """Two groups of two, (0, 2) and (1, 3): one channel is constant, the other has x of 0, 4 and of 0, 0."""
    x = torch.zeros(4, 2, 1, 1)
    x[2, 1] = 4.0
    y = minibatch_deviation(x, 2)
    # deviations 2 and 0 of the two channels of the first group; the root of 1e-8 is what no deviation comes to
    assert y[:, 2].flatten().tolist() == pytest.approx([1.00005, 1e-4, 1.00005, 1e-4], abs=1e-6)
    torch.testing.assert_close(y[:, :2], x)
    # a batch of 6 has groups of 3 where 4 are asked for
    assert minibatch_deviation(torch.randn(6, 2, 1, 1), 4)[:, 2].flatten().unique().numel() == 2


def test_second_derivatives():
    double = {"dtype": torch.float64, "requires_grad": True}
    x, weight, style = torch.randn(2, 2, 2, 2, **double), torch.randn(2, 2, 3, 3, **double), torch.randn(2, 2, **double)
    assert torch.autograd.gradgradcheck(lambda *a: modulated_conv2d(*a, up=True, circular=True), (x, weight, style))
    assert torch.autograd.gradgradcheck(lambda x: minibatch_deviation(x, 2).square(), (x,))
    assert torch.autograd.gradgradcheck(lambda x: fir(upsample(x).square(), 1, 2), (x,))


def test_convolve_is_the_plain_convolution():
    x, weight = torch.randn(1, 3, 5, 5), torch.randn(2, 3, 3, 3)
    torch.testing.assert_close(convolve(x, weight), F.conv2d(x, weight, padding=1))
