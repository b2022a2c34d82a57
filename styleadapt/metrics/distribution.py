"""How far apart two sets of images are, as distributions."""

import torch


def kernel_distance(found: torch.Tensor, reference: torch.Tensor) -> float:
    """Squared maximum mean discrepancy under the kernel (x . y / d + 1)^3, the estimator of KID (Binkowski et al., arXiv
    1801.01401, section 4), on features that are standardised by the reference set.

    It is unbiased, so that sets of any size compare, and may fall a little below 0 for two sets of one distribution. The paper
    takes the raw features of Inception; standardising lets every channel count alike. A channel's spread is taken for a tenth of
    the channels' mean at least, so that one that hardly varies in the reference set does not outweigh all others.

    Args:
        found, reference: `(N, d)` and `(M, d)`, one row an image, such as `metrics.embedding.embed` gives; N and M 2 or more.

    Raises:
        ValueError: a set of fewer than 2 images.

    >>> x = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    >>> abs(kernel_distance(x[:100], x[100:])) < 0.2 < kernel_distance(x[:100] + 1, x[100:])
    True
    """
    if min(len(found), len(reference)) < 2:
        raise ValueError(f"a distribution needs 2 images or more, got {len(found)} and {len(reference)}")
    mean, spread = reference.double().mean(0), reference.double().std(0)
    spread = spread.clamp(min=max(float(spread.mean()) / 10, 1e-6))
    x, y = ((features.double() - mean) / spread for features in (found, reference))
    return float(_mean_off_diagonal(_kernel(x, x)) + _mean_off_diagonal(_kernel(y, y)) - 2 * _kernel(x, y).mean())


def _kernel(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _mean_off_diagonal(kernel: torch.Tensor) -> torch.Tensor:
    n = len(kernel)
    return (kernel.sum() - kernel.diagonal().sum()) / (n * (n - 1))
