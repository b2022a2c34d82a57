"""Measures whether a model that was adapted to a few images is still diverse, or copies its training images.

Both are read off perceptual distances, which `metrics.image_sets.perceptual_matrix` measures.
"""

from dataclasses import dataclass

import torch


def intra_cluster_diversity(to_training: torch.Tensor, pairwise: torch.Tensor) -> float:
    """Mean pairwise distance among the outputs that are nearest to the same training image, averaged over those clusters (Ojha et
    al., arXiv 2104.06820, section 4): 0 for a model that repeats its training images, however well it repeats all of them.

    A cluster of a single output has no pair and is left out.

    Args:
        to_training: `(N, k)`, distance of N outputs to k training images.
        pairwise: `(N, N)`, distances among the outputs.

    Returns:
        The mean distance; NaN if no cluster has two outputs.

    Raises:
        ValueError: shapes that do not fit.

    >>> near_first = torch.tensor([[0.1, 0.9], [0.2, 0.9], [0.8, 0.1]])
    >>> intra_cluster_diversity(near_first, torch.tensor([[0.0, 0.5, 1.0], [0.5, 0.0, 1.0], [1.0, 1.0, 0.0]]))
    0.5
    """
    if pairwise.shape != (len(to_training), len(to_training)):
        raise ValueError(f"`pairwise` is {tuple(pairwise.shape)} for {len(to_training)} outputs; it must be square")
    nearest = to_training.argmin(1)
    means = []
    for cluster in nearest.unique():
        members = (nearest == cluster).nonzero()[:, 0]
        n = len(members)
        if n > 1:
            inside = pairwise[members][:, members]
            means.append((inside.sum() - inside.diagonal().sum()) / (n * (n - 1)))
    return float(torch.stack(means).mean()) if means else float("nan")


@dataclass(frozen=True)
class Memorization:
    """Figures of how near the outputs come to the training images.

    Args:
        nearest: mean distance of an output to the nearest training image.
        closest: smallest distance of any output to any training image.
        copied: share of the outputs that are nearer to a training image than that image is to its own nearest neighbor among
            the training images; NaN with one training image.
    """

    nearest: float
    closest: float
    copied: float


def memorization(to_training: torch.Tensor, among_training: torch.Tensor) -> Memorization:
    """Distance to the nearest training image, and the share of copies by the test of Alaa et al., arXiv 2102.08921
    (authenticity): what is nearer to a training image than its neighbors in the training set is a noisy copy of it.

    Args:
        to_training: `(N, k)`, distance of N outputs to k training images.
        among_training: `(k, k)`, distances among the training images.

    Raises:
        ValueError: shapes that do not fit.

    >>> memorization(torch.tensor([[0.25, 1.0], [0.75, 0.5]]), torch.tensor([[0.0, 0.3], [0.3, 0.0]]))
    Memorization(nearest=0.375, closest=0.25, copied=0.5)
    """
    k = to_training.shape[1]
    if among_training.shape != (k, k):
        raise ValueError(f"`among_training` is {tuple(among_training.shape)} for {k} training images; it must be square")
    nearest, index = to_training.min(1)
    copied = float("nan")
    if k > 1:
        neighbor = among_training.masked_fill(torch.eye(k, dtype=torch.bool), torch.inf).min(1).values
        copied = float((nearest < neighbor[index]).double().mean())
    return Memorization(float(nearest.mean()), float(nearest.min()), copied)
