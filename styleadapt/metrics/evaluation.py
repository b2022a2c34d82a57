"""Computes all figures of a method's pictures: of each with its photo and style, and of all as a set."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image

from ..images.images import image_to_tensor
from .backbones import Backbone
from .bootstrap import frechet_interval, mean_interval, mmd_interval
from .distribution import standardize
from .few_shot import intra_cluster_diversity, memorization
from .flicker import flicker
from .image_sets import embed_images, perceptual_matrix, unit_features
from .perceptual import art_distance
from .pixels import psnr
from .report import Figure
from .stylization import FIGURES, PairScores, mean_scores, measure_pair


@dataclass(frozen=True)
class Picture:
    """A stylized picture, its photo and its style image; "RGB", the first two of one size."""

    name: str
    output: Image.Image
    photo: Image.Image
    style: Image.Image


def measure_pictures(backbone: Backbone, pictures: Iterable[Picture]) -> dict[str, PairScores]:
    """`metrics.stylization.measure_pair` of every picture, by name."""
    return {p.name: measure_pair(backbone, p.output, p.photo, p.style) for p in pictures}


def pair_figures(scores: Sequence[PairScores], pictures: Sequence[Picture], seed: int = 0) -> list[Figure]:
    """Means over pictures with intervals, and the peak signal-to-noise ratio to the photo.

    Raises:
        BackboneError: scores of different backbones, or none.

    >>> [f.name for f in pair_figures([PairScores("embedded", 0.4, 0.1, 1, 0.5, 0.3, 0.6)], [])]
    ['gram', 'mean_std', 'content', 'cfsd', 'perceptual', 'ssim']
    """
    backbone = mean_scores(scores).backbone
    figures = []
    for name in FIGURES:
        interval = mean_interval([getattr(s, name) for s in scores], seed=seed)
        figures.append(Figure.of(name, interval, None if name == "ssim" else backbone, name == "ssim"))
    if pictures:
        decibels = [float(psnr(image_to_tensor(p.output), image_to_tensor(p.photo))) for p in pictures]
        figures.append(Figure.of("psnr", mean_interval(decibels, seed=seed), None, True))
    return figures


def distribution_figures(
    backbone: Backbone, outputs: Sequence[Image.Image], reference: Sequence[Image.Image], seed: int = 0
) -> list[Figure]:
    """`frechet_distance`, `mmd` and `kernel_distance` of the outputs to a set of images of the style, with intervals.

    Raises:
        ValueError: a set of fewer than 2 images.
    """
    found, expected = embed_images(backbone, outputs), embed_images(backbone, reference)
    intervals = {
        "frechet_distance": frechet_interval(found, expected, seed=seed),
        "mmd": mmd_interval(found, expected, seed=seed),
        "kernel_distance": mmd_interval(*standardize(found, expected), seed=seed),
    }
    return [Figure.of(name, interval, backbone.name) for name, interval in intervals.items()]


def art_figure(figures: Sequence[Figure], name: str, perceptual: str, frechet: str) -> Figure:
    """`metrics.perceptual.art_distance` of two of the `figures`. By its definition two networks may share in it; both are named.

    >>> found = [Figure("perceptual", 0.5, "torchvision:vgg19"), Figure("frechet_distance", 3.0, "embedded")]
    >>> art_figure(found, "art_distance", "perceptual", "frechet_distance").value
    6.0
    """
    by_name = {figure.name: figure for figure in figures}
    near, alike = by_name[perceptual], by_name[frechet]
    backbone = " and ".join(dict.fromkeys([str(near.backbone), str(alike.backbone)]))
    return Figure(name, art_distance(near.value, alike.value), backbone)


def few_shot_figures(backbone: Backbone, outputs: Sequence[Image.Image], shots: Sequence[Image.Image]) -> list[Figure]:
    """Diversity and memorization of a model's outputs beside the images that it was adapted to, see `metrics.few_shot`.

    Args:
        outputs, shots: "RGB", all of one size.
    """
    found, shown = unit_features(backbone, outputs), unit_features(backbone, shots)
    to_training = perceptual_matrix(found, shown)
    copies = memorization(to_training, perceptual_matrix(shown, shown))
    diversity = intra_cluster_diversity(to_training, perceptual_matrix(found, found))
    return [
        Figure("diversity", diversity, backbone.name, True),
        Figure("nearest_training", copies.nearest, backbone.name, True),
        Figure("closest_training", copies.closest, backbone.name, True),
        Figure("copied", copies.copied, backbone.name),
    ]


def flicker_figures(pictures: Sequence[Picture]) -> list[Figure]:
    """Flicker of pictures that are successive frames, in their order, see `metrics.flicker`.

    >>> frames = [Picture(str(i), *[Image.new("RGB", (16, 16), "gray")] * 3) for i in range(2)]
    >>> [(f.name, f.value) for f in flicker_figures(frames)]
    [('flicker', 0.0), ('flicker_of_photos', 0.0)]
    """
    outputs, photos = (torch.cat([image_to_tensor(getattr(p, kind)) for p in pictures]) for kind in ("output", "photo"))
    found = flicker(outputs, photos)
    return [Figure("flicker", found.output), Figure("flicker_of_photos", found.input)]
