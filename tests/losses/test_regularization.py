import torch

from styleadapt.losses.regularization import r1_penalty, total_variation


def test_total_variation_of_a_ramp():
    ramp = torch.arange(5.0).expand(1, 1, 4, 5)
    torch.testing.assert_close(total_variation(ramp), torch.tensor([1.0]))
    torch.testing.assert_close(total_variation(3 * ramp.transpose(2, 3)), torch.tensor([3.0]))


def test_r1_of_a_quadratic():
    """D(x) = sum(x^2): the gradient is 2x, its squared norm 4 sum(x^2)."""
    x = torch.randn(3, 2, 4, 4, requires_grad=True)
    torch.testing.assert_close(r1_penalty(x.square().sum((1, 2, 3)), x), 4 * x.square().sum((1, 2, 3)))


def test_r1_can_be_differentiated_again():
    weight = torch.tensor(2.0, requires_grad=True)
    x = torch.ones(1, 1, 2, 2, requires_grad=True)
    r1_penalty(weight * x.sum((1, 2, 3)), x).sum().backward()
    torch.testing.assert_close(weight.grad, torch.tensor(16.0))  # d/dw 4 w^2
