import pytest
import torch

from styleadapt.losses.regularization import (
    interpolates,
    lazy_factor,
    r1_penalty,
    r2_penalty,
    rim_loss,
    total_variation,
    wgan_gp_penalty,
)


def test_total_variation_of_a_ramp():
    ramp = torch.arange(5.0).expand(1, 1, 4, 5)
    torch.testing.assert_close(total_variation(ramp), torch.tensor([1.0]))
    torch.testing.assert_close(total_variation(3 * ramp.transpose(2, 3)), torch.tensor([3.0]))


def level_edge(size=128, at=64):
    """A picture's distances from a level edge: a plain ground above, nothing plain below."""
    return (at - torch.arange(float(size)))[:, None].expand(size, size).clamp_min(0)[None]


def test_a_rim_is_seen_and_strokes_are_not():
    distance = level_edge()
    flat = torch.full((1, 3, 128, 128), 0.2)
    assert rim_loss(flat, distance) < 1e-12
    rim = flat + 0.4 * ((distance > 0) & (distance < 32))[:, None]
    torch.testing.assert_close(rim_loss(rim, distance), torch.tensor([0.08]), rtol=1e-3, atol=0)  # one of two grounds
    strokes = flat + 0.4 * (torch.arange(128) % 8 < 4).float()  # upright ones, as many near the edge as far from it
    assert rim_loss(strokes, distance) < 1e-6


def test_both_grounds_count_and_distances_far_from_everything_do_not():
    distance = 64 - torch.arange(128.0)[:, None].expand(128, 128)[None]
    picture = torch.zeros(1, 3, 128, 128)
    picture[:, :, 70:90] = 1.0  # a rim below the edge
    assert rim_loss(picture, distance) > 0.05
    assert rim_loss(picture, distance.clamp_min(0)) == 0
    assert rim_loss(picture, torch.zeros(1, 128, 128)) == 0


def test_a_rim_loss_has_a_gradient_that_takes_the_rim_away():
    distance = level_edge()
    picture = torch.zeros(1, 3, 128, 128)
    picture[:, :, 50:64] = 0.5
    picture.requires_grad_()
    rim_loss(picture, distance).sum().backward()
    assert (picture.grad[:, :, 52:60] > 0).all()


@pytest.mark.parametrize("penalty", [r1_penalty, r2_penalty])
def test_r1_and_r2_of_a_quadratic(penalty):
    """D(x) = sum(x^2): the gradient is 2x, its squared norm 4 sum(x^2)."""
    x = torch.randn(3, 2, 4, 4, requires_grad=True)
    torch.testing.assert_close(penalty(x.square().sum((1, 2, 3)), x), 4 * x.square().sum((1, 2, 3)))


def test_r1_can_be_differentiated_again():
    weight = torch.tensor(2.0, requires_grad=True)
    x = torch.ones(1, 1, 2, 2, requires_grad=True)
    r1_penalty(weight * x.sum((1, 2, 3)), x).sum().backward()
    torch.testing.assert_close(weight.grad, torch.tensor(16.0))  # d/dw 4 w^2


@pytest.mark.parametrize("target, expected", [(1.0, 25.0), (0.0, 36.0)])
def test_wgan_gp_of_a_linear_critic(target, expected):
    """D(x) = 3 sum(x) over 4 pixels: the gradient's norm is 3 sqrt(4) = 6, the penalty (6 - target)^2."""
    x = torch.randn(2, 1, 2, 2, requires_grad=True)
    torch.testing.assert_close(wgan_gp_penalty(3 * x.sum((1, 2, 3)), x, target), torch.full((2,), expected))


def test_wgan_gp_of_patches_is_that_of_their_mean():
    x = torch.randn(2, 1, 4, 4, requires_grad=True)
    whole = wgan_gp_penalty(x.mean((1, 2, 3)), x)
    torch.testing.assert_close(wgan_gp_penalty(x.unfold(2, 2, 2).mean(-1), x), whole)


def test_wgan_gp_teaches_the_critic_and_survives_a_flat_one():
    """d/dw (2 |w| - 1)^2 = 4 (2 w - 1) at w = 2 is 12; at w = 0 the gradient must be a number."""
    for value, expected in ((2.0, 12.0), (0.0, 0.0)):
        weight = torch.tensor(value, requires_grad=True)
        x = torch.ones(1, 1, 2, 2, requires_grad=True)
        wgan_gp_penalty(weight * x.sum((1, 2, 3)), x).sum().backward()
        torch.testing.assert_close(weight.grad, torch.tensor(expected))


def test_interpolates_lie_on_the_line_between_the_pairs():
    real, fake = torch.randn(5, 3, 4, 4), torch.randn(5, 3, 4, 4, requires_grad=True)
    points = interpolates(real, fake)
    shares = ((points - fake) / (real - fake)).flatten(1)
    torch.testing.assert_close(shares, shares[:, :1].expand_as(shares), atol=1e-3, rtol=1e-3)
    assert shares.min() > -1e-3 and shares.max() < 1.001 and shares.std(0).max() > 0.01
    assert points.is_leaf and points.requires_grad


@pytest.mark.parametrize("every", [1, 4, 16])
def test_a_lazy_penalty_weighs_the_same_on_average(every):
    factors = [lazy_factor(step, every) for step in range(64)]
    assert sum(factors) == 64 and sum(f > 0 for f in factors) == 64 // every


def test_an_interval_below_one_is_refused():
    with pytest.raises(ValueError, match="1 at least"):
        lazy_factor(0, 0)


def test_accumulated_penalties_give_the_gradient_of_the_whole_batch():
    """The mean over two halves, each divided by 2, is the mean over all: 8 samples at once or 4 and 4."""
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(2, 1, 3)
    images = torch.randn(8, 2, 6, 6)

    def backward(batch: torch.Tensor, parts: int) -> None:
        x = batch.clone().requires_grad_()
        (r1_penalty(conv(x).square(), x).mean() / parts).backward()

    backward(images, 1)
    whole, conv.weight.grad = conv.weight.grad, None
    for part in images.chunk(2):
        backward(part, 2)
    torch.testing.assert_close(conv.weight.grad, whole)
