"""Distances of an image from the one that it should be, pixel by pixel."""

import torch


def charbonnier(x: torch.Tensor, y: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Mean of sqrt((x - y)^2 + epsilon^2), L1 with its corner rounded off (Lai et al., LapSRN, arXiv 1710.01992, eq. 3); L1
    itself for an epsilon of 0.

    >>> float(charbonnier(torch.full((2, 2), 3.0), torch.zeros(2, 2), 4.0))
    5.0
    """
    if epsilon == 0:
        # the root has no gradient where x equals y
        return (x - y).abs().mean()
    return ((x - y).square() + epsilon**2).sqrt().mean()
