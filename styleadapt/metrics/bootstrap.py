"""Computes bootstrap confidence intervals (Efron, Annals of Statistics 1979), reproducible by seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .distribution import fid, kid, polynomial_kernel


@dataclass(frozen=True)
class Interval:
    """A figure, and the limits between which it lies at the level of confidence that was asked for.

    >>> str(Interval(0.5, 0.25, 0.75))
    '0.5 [0.25, 0.75]'
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


def mean_interval(values: Sequence[float], resamples: int = 1000, seed: int = 0, level: float = 0.95) -> Interval:
    """The mean of independent figures, such as those of pictures.

    Args:
        values: one number or more.
        resamples: how many sets are drawn, with replacement, to see how the mean varies.
        seed: of the draws.
        level: of confidence, between 0 and 1.

    Raises:
        ValueError: no values.

    >>> mean_interval([0.5, 0.5])
    Interval(value=0.5, low=0.5, high=0.5)
    """
    if not len(values):
        raise ValueError("a mean needs 1 value or more, got none")
    x = torch.tensor(values, dtype=torch.float64)
    drawn = torch.randint(len(x), (resamples, len(x)), generator=torch.Generator().manual_seed(seed))
    return _around(float(x.mean()), x[drawn].mean(1), level)


def fid_interval(
    found: torch.Tensor, reference: torch.Tensor, resamples: int = 200, seed: int = 0, level: float = 0.95
) -> Interval:
    """`metrics.distribution.fid` of sets that are both drawn anew.

    A drawn set holds fewer different images, for which FID is larger; the interval is that of the spread alone, around the figure
    of the sets as they are.

    Args:
        found, reference: `(N, d)` and `(M, d)`; N and M 2 or more.
        resamples, seed, level: as for `mean_interval`.

    Raises:
        ValueError: as `fid`.

    >>> x = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    >>> interval = fid_interval(x + 1, x)
    >>> round(interval.value, 6), interval.low < 4 < interval.high
    (4.0, True)
    """
    value = fid(found, reference)
    random = torch.Generator().manual_seed(seed)
    drawn = [fid(*(x[torch.randint(len(x), (len(x),), generator=random)] for x in (found, reference))) for _ in range(resamples)]
    return _around(value, torch.tensor(drawn, dtype=torch.float64), level)


def kid_interval(
    found: torch.Tensor, reference: torch.Tensor, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> Interval:
    """`metrics.distribution.kid` of sets that are both drawn anew. An image that is drawn twice is not compared with itself, or
    the figure would be biased.

    Args:
        found, reference: `(N, d)` and `(M, d)`; N and M 2 or more.
        resamples, seed, level: as for `mean_interval`.

    Raises:
        ValueError: as `kid`.

    >>> x = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    >>> interval = kid_interval(x + 1, x)
    >>> 0 < interval.low < interval.value < interval.high
    True
    """
    value = kid(found, reference)
    random = torch.Generator().manual_seed(seed)
    x, y = found.double(), reference.double()
    counts_x, counts_y = (_counts(len(z), resamples, random) for z in (x, y))
    crossed = ((counts_x @ polynomial_kernel(x, y)) * counts_y).sum(1) / (len(x) * len(y))
    return _around(value, _within(x, counts_x) + _within(y, counts_y) - 2 * crossed, level)


def _counts(n: int, resamples: int, random: torch.Generator) -> torch.Tensor:
    """How often each of n images is drawn: `(resamples, n)`. A set of one image alone is drawn again as the set itself."""
    drawn = torch.randint(n, (resamples, n), generator=random)
    counts = torch.zeros(resamples, n, dtype=torch.float64).scatter_add_(1, drawn, torch.ones(resamples, n, dtype=torch.float64))
    counts[counts.max(1).values == n] = 1
    return counts


def _within(x: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    kernel = polynomial_kernel(x, x).fill_diagonal_(0)
    pairs = counts.sum(1).square() - counts.square().sum(1)
    return ((counts @ kernel) * counts).sum(1) / pairs


def _around(value: float, drawn: torch.Tensor, level: float) -> Interval:
    edges = drawn.new_tensor([(1 - level) / 2, (1 + level) / 2])
    low, high = (torch.quantile(drawn, edges) - drawn.mean()).tolist()
    return Interval(value, value + low, value + high)
