"""Computes bootstrap confidence intervals (Efron, Annals of Statistics 1979) with scipy, reproducible by seed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from .distribution import frechet_distance, mmd, polynomial_kernel


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


def mean_interval(values: Sequence[float] | np.ndarray, resamples: int = 1000, seed: int = 0, level: float = 0.95) -> Interval:
    """The mean of independent figures, such as those of pictures.

    Args:
        values: one number or more.
        resamples: how many sets are drawn, with replacement, to see how the mean varies.
        seed: of the draws.
        level: of confidence, between 0 and 1.

    Raises:
        ValueError: no values.
        ImportError: scipy is not installed.

    >>> mean_interval([0.5, 0.5])
    Interval(value=0.5, low=0.5, high=0.5)
    """
    if not len(values):
        raise ValueError("a mean needs 1 value or more, got none")
    x = np.asarray(values, np.float64)
    return _interval(float(x.mean()), lambda drawn: float(x[drawn].mean()), (len(x),), resamples, seed, level)


def frechet_interval(
    found: torch.Tensor, reference: torch.Tensor, resamples: int = 200, seed: int = 0, level: float = 0.95
) -> Interval:
    """`metrics.distribution.frechet_distance` of sets that are both drawn anew.

    A drawn set holds fewer different images, for which the distance is larger; the interval is that of the spread alone, around
    the figure of the sets as they are.

    Args:
        found, reference: `(N, d)` and `(M, d)`; N and M 2 or more.
        resamples, seed, level: as for `mean_interval`.

    Raises:
        ValueError: as `frechet_distance`.
        ImportError: scipy is not installed.

    >>> x = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    >>> interval = frechet_interval(x + 1, x)
    >>> round(interval.value, 6), interval.low < 4 < interval.high
    (4.0, True)
    """
    value = frechet_distance(found, reference)
    sizes = (len(found), len(reference))
    return _interval(value, lambda a, b: frechet_distance(found[a], reference[b]), sizes, resamples, seed, level, biased=True)


def mmd_interval(
    found: torch.Tensor, reference: torch.Tensor, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> Interval:
    """`metrics.distribution.mmd` of sets that are both drawn anew. An image that is drawn twice is not compared with itself, or
    the figure would be biased.

    Args:
        found, reference: `(N, d)` and `(M, d)`; N and M 2 or more.
        resamples, seed, level: as for `mean_interval`.

    Raises:
        ValueError: as `mmd`.
        ImportError: scipy is not installed.

    >>> x = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    >>> interval = mmd_interval(x + 1, x)
    >>> 0 < interval.low < interval.value < interval.high
    True
    """
    value = mmd(found, reference)
    x, y = found.double(), reference.double()
    of_x, of_y, crossed = (polynomial_kernel(*pair).cpu().numpy() for pair in ((x, x), (y, y), (x, y)))

    def drawn_anew(a: np.ndarray, b: np.ndarray) -> float:
        return _within(of_x, a) + _within(of_y, b) - 2 * float(crossed[np.ix_(a, b)].mean())

    return _interval(value, drawn_anew, (len(x), len(y)), resamples, seed, level)


def _within(kernel: np.ndarray, drawn: np.ndarray) -> float:
    """Mean over the pairs of different images in a drawn set; one image alone is drawn again as the set itself."""
    if (drawn == drawn[0]).all():
        drawn = np.arange(len(kernel))
    return float(kernel[np.ix_(drawn, drawn)][drawn[:, None] != drawn].mean())


def _interval(
    value: float,
    statistic: Callable[..., float],
    sizes: tuple[int, ...],
    resamples: int,
    seed: int,
    level: float,
    biased: bool = False,
) -> Interval:
    """`value` with the percentiles of `statistic` of the places in sets of these `sizes` that are drawn anew; moved to lie around
    `value` if drawn sets have a `biased` statistic."""
    from scipy.stats import bootstrap  # of the extra `metrics`

    if max(sizes) == 1 or not np.isfinite(value):
        return Interval(value, value, value)
    places = [np.arange(size) for size in sizes]
    options = {"n_resamples": resamples, "vectorized": False, "method": "percentile", "rng": np.random.default_rng(seed)}
    drawn = bootstrap(places, statistic, confidence_level=level, **options)
    shift = value - drawn.bootstrap_distribution.mean() if biased else 0.0
    return Interval(value, *(float(edge + shift) for edge in drawn.confidence_interval))
