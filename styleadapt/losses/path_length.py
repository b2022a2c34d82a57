"""Path-length regularization: equal steps of the code shall change the picture equally much (StyleGAN2, arXiv 1912.04958).

The penalty is lazy: weight it with `losses.regularization.lazy_factor`. Its running mean is given in and out, so that a
checkpoint holds it as one number.
"""

import math

import torch


def path_lengths(images: torch.Tensor, codes: torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
    """How far pictures move with their codes: the norm of J^T y, J the pictures' derivative by their codes and y random (section
    3.2, eq. 4). Over the layers of a code, the root of the mean of the squared norms is taken, as in the authors' code.

    Args:
        images: `(B, 3, H, W)`, made of `codes`, with a graph. Their computation must be free of autocast.
        codes: `(B, num_layers, code_dim)`, or `(B, code_dim)` for a code without layers.
        noise: `(B, 3, H, W)`, standard normal; drawn if left out.

    Returns:
        `(B,)`, which can be differentiated again.

    >>> w = torch.ones(2, 1, 4, requires_grad=True)
    >>> path_lengths(3 * w.sum((1, 2)).view(2, 1, 1, 1), w, torch.ones(2, 1, 1, 1)).tolist()  # sqrt(4 * 3^2)
    [6.0, 6.0]
    """
    noise = torch.randn_like(images) if noise is None else noise
    value = (images * noise).sum() / math.sqrt(images.shape[2] * images.shape[3])
    (gradient,) = torch.autograd.grad(value, codes, create_graph=True)
    squared = gradient.float().square().sum(-1)
    # the root has no derivative at 0
    return ((squared if squared.ndim == 1 else squared.mean(1)) + 1e-12).sqrt()


def path_length_penalty(
    lengths: torch.Tensor, mean: torch.Tensor | float, decay: float = 0.99
) -> tuple[torch.Tensor, torch.Tensor]:
    """(length - a)^2, where a is the running mean of the lengths with these in it (section 3.2, eq. 4).

    Args:
        lengths: `(B,)`, from `path_lengths`.
        mean: a before this batch; 0 in the beginning.
        decay: how much of it stays.

    Returns:
        The penalties `(B,)`, without their weight, which is 2 in the paper's code, and the new a, which has no gradient. With
        several processes average a over them before it is used again.

    >>> penalty, mean = path_length_penalty(torch.tensor([2.0, 4.0]), 3.0)
    >>> penalty.tolist(), mean.item()
    ([1.0, 1.0], 3.0)
    """
    before = torch.as_tensor(mean, dtype=lengths.dtype, device=lengths.device)
    now = torch.lerp(lengths.detach().mean(), before, decay)
    return (lengths - now).square(), now
