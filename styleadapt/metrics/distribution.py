"""Distances between two sets of images, as distributions of their embeddings (`metrics.image_sets`), one row an image.

Distances of embeddings by different backbones, or by different libraries' weights of Inception, are on different scales.
"""

import torch


def frechet_distance(found: torch.Tensor, reference: torch.Tensor) -> float:
    """Frechet distance |m - m_r|^2 + tr(S + S_r - 2 (S S_r)^(1/2)) of two Gaussians with the sets' means and covariances (Heusel
    et al., arXiv 1706.08500, eq. 6). It is FID for the features of the Inception of that paper alone, which `metrics.published`
    has.

    With S = A^T A and S_r = B^T B the trace of the root is the sum of the singular values of A B^T, which are as many as there
    are images: no root of a `(d, d)` matrix is taken. The estimate grows as sets get smaller (Chong and Forsyth, arXiv
    1911.07023), so that only sets of equal sizes compare.

    Args:
        found, reference: `(N, d)` and `(M, d)`; N and M 2 or more.

    Raises:
        ValueError: a set of fewer than 2 images, or embeddings of different lengths.

    >>> x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    >>> round(frechet_distance(x + 1, x), 6)  # the same spread, each of 4 means moved by 1
    4.0
    """
    _require_sets(found, reference)
    x, y = found.double(), reference.double()
    a, b = _covariance_root(x), _covariance_root(y)
    shared = torch.linalg.svdvals(a @ b.T).sum()
    distance = (x.mean(0) - y.mean(0)).square().sum() + a.square().sum() + b.square().sum() - 2 * shared
    return max(float(distance), 0.0)


def mmd(found: torch.Tensor, reference: torch.Tensor) -> float:
    """Squared maximum mean discrepancy under the kernel (x . y / d + 1)^3 (Binkowski et al., arXiv 1801.01401, section 4), which
    is called KID for the features of FID's Inception alone.

    It is unbiased, so that sets of any size compare, and may fall a little below 0 for two sets of one distribution. It is taken
    over all images at once, where the paper averages it over subsets.

    Args:
        found, reference: `(N, d)` and `(M, d)`; N and M 2 or more.

    Raises:
        ValueError: a set of fewer than 2 images, or embeddings of different lengths.

    >>> mmd(torch.zeros(2, 1), torch.ones(2, 1))  # 1 + 8 - 2 * 1
    7.0
    """
    _require_sets(found, reference)
    x, y = found.double(), reference.double()
    within = (_mean_off_diagonal(polynomial_kernel(z, z)) for z in (x, y))
    return float(sum(within) - 2 * polynomial_kernel(x, y).mean())


def kernel_distance(found: torch.Tensor, reference: torch.Tensor) -> float:
    """`mmd` on embeddings that are standardized by the reference set, so that every channel counts alike, whatever its scale.

    Args:
        found, reference: `(N, d)` and `(M, d)`; N and M 2 or more.

    Raises:
        ValueError: a set of fewer than 2 images, or embeddings of different lengths.

    >>> x = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    >>> abs(kernel_distance(x[:100], x[100:])) < 0.2 < kernel_distance(x[:100] + 1, x[100:])
    True
    """
    return mmd(*standardize(found, reference))


def standardize(found: torch.Tensor, reference: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both sets with every channel of the reference set at mean 0 and deviation 1.

    A channel's spread is taken for a tenth of the channels' mean at least, so that one that hardly varies in the reference set
    does not outweigh all others.

    Args:
        found, reference: `(N, d)` and `(M, d)`; N and M 2 or more.

    Raises:
        ValueError: a set of fewer than 2 images, or embeddings of different lengths.

    >>> standardize(torch.tensor([[4.0], [6.0]]), torch.tensor([[1.0], [2.0], [3.0]]))[0].flatten().tolist()
    [2.0, 4.0]
    """
    _require_sets(found, reference)
    mean, spread = reference.double().mean(0), reference.double().std(0)
    spread = spread.clamp(min=max(float(spread.mean()) / 10, 1e-6))
    return (found.double() - mean) / spread, (reference.double() - mean) / spread


def polynomial_kernel(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(x . y / d + 1)^3 of all pairs of rows: `(N, d)`, `(M, d)` -> `(N, M)`.

    >>> polynomial_kernel(torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0, 1.0]]))
    tensor([[8.]])
    """
    return (x @ y.T / x.shape[1] + 1) ** 3


def _covariance_root(x: torch.Tensor) -> torch.Tensor:
    """A matrix whose A^T A is the covariance of the rows of x."""
    centered = (x - x.mean(0)) / (len(x) - 1) ** 0.5
    return torch.linalg.qr(centered, mode="r").R if len(x) > x.shape[1] else centered


def _mean_off_diagonal(kernel: torch.Tensor) -> torch.Tensor:
    n = len(kernel)
    return (kernel.sum() - kernel.diagonal().sum()) / (n * (n - 1))


def _require_sets(found: torch.Tensor, reference: torch.Tensor) -> None:
    if min(len(found), len(reference)) < 2:
        raise ValueError(f"a distribution needs 2 images or more, got {len(found)} and {len(reference)}")
    if found.shape[1] != reference.shape[1]:
        raise ValueError(f"embeddings have {found.shape[1]} and {reference.shape[1]} numbers; embed both sets with one backbone")
