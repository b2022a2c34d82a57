"""Whether one classifier is better than another on the same images: paired bootstrap, and Holm's correction for several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .bootstrap import Interval


@dataclass(frozen=True)
class Difference:
    """How much better one is than another.

    Args:
        interval: the difference of mean accuracies, with its 95 % limits.
        p: two-sided, of no difference.
    """

    interval: Interval
    p: float


def mean_accuracy(correct: Sequence[np.ndarray], resamples: int = 2000, seed: int = 0) -> Interval:
    """The mean over domains of accuracies, with percentile limits of a bootstrap over the images of each domain.

    Args:
        correct: of each domain, how often each of its images was classified correctly, `(N,)` in [0, 1].
        resamples, seed: of the bootstrap.

    >>> mean_accuracy([np.ones(4), np.zeros(4)])
    Interval(value=0.5, low=0.5, high=0.5)
    """
    return _interval(correct, _resampled_means(correct, resamples, seed))


def paired_difference(
    ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray], resamples: int = 2000, seed: int = 0
) -> Difference:
    """`mean_accuracy` of ours less theirs; every drawn image counts for both (Efron and Tibshirani, "An introduction to the
    bootstrap", 1993, chapters 8 and 15).

    Args:
        ours, theirs: as `correct` of `mean_accuracy`, the same images in the same order.
        resamples, seed: of the bootstrap.

    Raises:
        ValueError: other numbers of images.

    >>> paired_difference([np.ones(9)], [np.zeros(9)]).interval
    Interval(value=1.0, low=1.0, high=1.0)
    """
    if [len(values) for values in ours] != [len(values) for values in theirs]:
        raise ValueError("a paired difference needs the same images on both sides")
    differences = [mine - other for mine, other in zip(ours, theirs)]
    drawn = _resampled_means(differences, resamples, seed)
    beyond = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return Difference(_interval(differences, drawn), float(min(1.0, 2 * (beyond + 1) / (resamples + 1))))


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """p-values of several questions, corrected so that the chance of any false yes is what each says (Holm, "A simple
    sequentially rejective multiple test procedure", 1979).

    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    corrected, worst = {}, 0.0
    for rank, name in enumerate(sorted(p, key=lambda name: p[name])):
        worst = max(worst, min(1.0, p[name] * (len(p) - rank)))
        corrected[name] = worst
    return {name: corrected[name] for name in p}


def _interval(values: Sequence[np.ndarray], drawn: np.ndarray) -> Interval:
    """The mean over domains of means over images, with the 95 % limits of `drawn` means."""
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(float(np.mean([x.mean() for x in values])), float(low), float(high))


def _resampled_means(values: Sequence[np.ndarray], resamples: int, seed: int) -> np.ndarray:
    """`(resamples,)` means over domains of means over images that are drawn anew in each domain."""
    from scipy.stats import bootstrap

    drawn = [
        bootstrap((x,), np.mean, n_resamples=resamples, vectorized=True, method="percentile", rng=seed + number)
        .bootstrap_distribution if len(x) > 1 else np.full(resamples, x.mean())
        for number, x in enumerate(values)
    ]  # fmt: skip
    return np.mean(drawn, axis=0)
