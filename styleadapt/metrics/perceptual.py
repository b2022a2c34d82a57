"""Perceptual distances: they compare two images by the features of a network."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F


def perceptual_distance(x: Mapping[str, torch.Tensor], y: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Squared distance of features of unit length, averaged over positions and layers: the form of LPIPS (Zhang et al., arXiv
    1801.03924, eq. 1), but without its learned channel weights and on any network, so that its figures are not LPIPS, which
    `metrics.published` has.

    Args:
        x, y: maps `(B, C, h, w)` of the two images by layer, such as `metrics.embedding.feature_maps` gives.

    Returns:
        `(B,)`, from 0 for equal images to 2 for features without anything in common, if none is negative.

    >>> one, other = torch.eye(2)[:, None, :, None, None]
    >>> perceptual_distance({"layer": one}, {"layer": other})
    tensor([2.])
    """
    layers = [(F.normalize(x[name]) - F.normalize(y[name])).square().sum(1).mean((1, 2)) for name in x]
    return torch.stack(layers).mean(0)


def art_distance(perceptual: float, frechet: float) -> float:
    """(1 + perceptual distance) (1 + Frechet distance), the form of ArtFID, (1 + LPIPS) (1 + FID) (Wright and Ommer, arXiv
    2207.12280): nearness to the photos times nearness to the styles as a set, neither of which can be bought by the other.

    Args:
        perceptual: mean distance of outputs to their photos.
        frechet: distance of outputs to style images, as sets.

    >>> art_distance(0.5, 3.0)
    6.0
    """
    return (1 + perceptual) * (1 + frechet)
