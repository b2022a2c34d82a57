"""Regularisers: total variation of images and gradient penalties of discriminators."""

import torch


def total_variation(x: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of neighbouring pixels, both directions added (Rudin, Osher and Fatemi, 1992, anisotropic).

    Args:
        x: `(B, C, H, W)`, H and W at least 2.

    Returns:
        `(B,)` in the image's units.

    >>> total_variation(torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]]]))
    tensor([1.])
    """
    horizontal = (x[..., :, 1:] - x[..., :, :-1]).abs().mean((1, 2, 3))
    vertical = (x[..., 1:, :] - x[..., :-1, :]).abs().mean((1, 2, 3))
    return horizontal + vertical


def r1_penalty(logits: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Squared gradient norm of the discriminator at real data (Mescheder et al., arXiv 1801.04406, eq. 9), without the
    factor gamma / 2. Call it every k-th step with k times the weight for the lazy form (StyleGAN2, arXiv 1912.04958, app. B).

    Args:
        logits: what the discriminator said of `real`, any shape, with a graph.
        real: `(B, C, H, W)` with `requires_grad=True`.

    Returns:
        `(B,)`.

    >>> x = torch.ones(2, 3, 2, 2, requires_grad=True)
    >>> r1_penalty(x.square().sum((1, 2, 3)), x).tolist()
    [48.0, 48.0]
    """
    (gradient,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    return gradient.square().sum((1, 2, 3))
