"""Regularizers: total variation of images and gradient penalties of discriminators.

The penalties take logits with a graph and the images they were computed from. Compute those logits with autocast off: squared
gradients leave half precision's range. What a penalty adds is a plain term of the discriminator's loss, so that its gradient is
accumulated and averaged over processes as the rest of the loss is.

A discriminator of patches has many logits an image, and the adversarial loss takes their mean. R1 and R2 take the gradient of
their sum: N patches give N^2 times the penalty of their mean, and larger crops a larger one. The papers' gammas are for one logit
an image; for patches a smaller one does the same. WGAN-GP takes the gradient of the mean, since it has a norm to meet.
"""

import torch

# pixels from the edge; nearer ones see the edge itself
_RIM_BANDS = ((3.0, 8.0), (8.0, 14.0), (14.0, 22.0), (22.0, 32.0))


def total_variation(x: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of neighboring pixels, both directions added (Rudin, Osher and Fatemi, 1992, anisotropic).

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


def rim_loss(generated: torch.Tensor, distance: torch.Tensor, far: float = 40.0) -> torch.Tensor:
    """Measures how much the color of a plain area changes toward an edge: a bright or dark rim along a skyline.

    The mean colors of bands along the edge are compared with the mean color far from it: strokes are free, and a rim is not.

    Args:
        generated: `(B, 3, H, W)` in [-1, 1].
        distance: `(B, H, W)`, distance from the edge in pixels of each pixel of a plain ground, negative for a second ground on
            the other side, 0 for what is no plain ground.
        far: distance from which a ground counts as far from the edge.

    Returns:
        `(B,)`, mean squared difference in the image's units; 0 where there is no ground both near and far.

    >>> distance = torch.arange(1.0, 101).expand(1, 64, 100)
    >>> bool(rim_loss(torch.full((1, 3, 64, 100), 0.3), distance) < 1e-9)
    True
    """
    total, count = generated.new_zeros(len(generated)), 0
    for ground in (distance, -distance):
        whole = (ground >= far)[:, None].to(generated.dtype)
        ground_color = _masked_mean(generated, whole)
        for low, high in _RIM_BANDS:
            band = ((ground >= low) & (ground < high))[:, None].to(generated.dtype)
            known = (band.sum((1, 2, 3)) > 0) & (whole.sum((1, 2, 3)) > 0)
            total = total + known * (_masked_mean(generated, band) - ground_color).square().mean(1)
            count += 1
    return total / count


def _masked_mean(images: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return (images * mask).sum((2, 3)) / mask.sum((2, 3)).clamp_min(1)


def r1_penalty(logits: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Squared gradient norm of the discriminator at real data (Mescheder et al., arXiv 1801.04406, eq. 9), without the
    factor gamma / 2. Weight it with `lazy_factor` for the lazy form.

    Args:
        logits: what the discriminator said of `real`, any shape, with a graph; those of an image are summed.
        real: `(B, C, H, W)` with `requires_grad=True`.

    Returns:
        `(B,)`.

    >>> x = torch.ones(2, 3, 2, 2, requires_grad=True)
    >>> r1_penalty(x.square().sum((1, 2, 3)), x).tolist()
    [48.0, 48.0]
    """
    return _squared_gradient_norm(logits.sum(), real)


def r2_penalty(logits: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Squared gradient norm of the discriminator at generated data (Mescheder et al., arXiv 1801.04406, eq. 10), without the
    factor gamma / 2.

    Args:
        logits: what the discriminator said of `fake`, any shape, with a graph; those of an image are summed.
        fake: `(B, C, H, W)`, detached from the generator, with `requires_grad=True`.

    Returns:
        `(B,)`.

    >>> x = torch.zeros(1, 3, 2, 2, requires_grad=True)
    >>> r2_penalty((2 * x).sum((1, 2, 3)), x).tolist()
    [48.0]
    """
    return _squared_gradient_norm(logits.sum(), fake)


def interpolates(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Random points on the straight lines between real and generated images (Gulrajani et al., arXiv 1704.00028, algorithm 1),
    one uniform number a pair.

    Args:
        real, fake: `(B, C, H, W)`.

    Returns:
        `(B, C, H, W)`, a leaf with `requires_grad=True`.

    >>> interpolates(torch.ones(2, 3, 4, 4), torch.ones(2, 3, 4, 4)).requires_grad
    True
    """
    share = torch.rand(len(real), 1, 1, 1, device=real.device, dtype=real.dtype)
    return torch.lerp(fake.detach(), real.detach(), share).requires_grad_()


def wgan_gp_penalty(logits: torch.Tensor, points: torch.Tensor, target: float = 1.0) -> torch.Tensor:
    """(norm of the critic's gradient - target)^2 (Gulrajani et al., arXiv 1704.00028, eq. 3), without the factor lambda, which
    is 10 there.

    The critic of a patch discriminator is the mean over its patches, which is what its loss contains.

    Args:
        logits: `(B, ...)`, what the discriminator said of `points`, with a graph.
        points: `(B, C, H, W)`, from `interpolates`.

    Returns:
        `(B,)`.

    >>> x = torch.zeros(1, 3, 2, 2, requires_grad=True)
    >>> round(float(wgan_gp_penalty((2 * x).sum((1, 2, 3)), x)), 3)  # (sqrt(48) - 1)^2
    35.144
    """
    squared = _squared_gradient_norm(logits.reshape(len(logits), -1).mean(1).sum(), points)
    # the root has no derivative at 0
    return ((squared + 1e-12).sqrt() - target).square()


def lazy_factor(step: int, every: int) -> int:
    """Factor of a penalty that is computed in every `every`-th step only: `every` in those, else 0, so that its mean is that of
    a penalty in each step (StyleGAN2, arXiv 1912.04958, appendix B).

    `step` counts the optimizer's steps: all batches that are accumulated for one, on all processes, agree.

    Raises:
        ValueError: an interval below 1.

    >>> [lazy_factor(step, 4) for step in range(6)]
    [4, 0, 0, 0, 4, 0]
    """
    if every < 1:
        raise ValueError(f"the interval of a lazy penalty is {every}; it must be 1 at least")
    return every if step % every == 0 else 0


def _squared_gradient_norm(value: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    (gradient,) = torch.autograd.grad(value, images, create_graph=True)
    return gradient.float().square().sum((1, 2, 3))
