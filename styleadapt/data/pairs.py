"""Pairs a photo crop with a style crop from image sources, for fine-tuning."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from .datasets import jitter_colors, random_crop
from .records import ImageSample
from .sources import ImageTable


@dataclass(frozen=True)
class PairMaker:
    """Makes of a style image the pair that training takes.

    Args:
        photos: content photos.
        size: side of the crops in pixels.
        photo_short_side, style_short_side: limits of the random resizing, see `data.datasets.random_crop`.
        jitter: probability that the style's colors are changed.
    """

    photos: ImageTable
    size: int
    photo_short_side: tuple[int, int]
    style_short_side: tuple[int, int]
    jitter: float = 0.0

    def __call__(self, style: ImageSample, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        """`{"photo": (3, size, size), "style": (3, size, size)}`, both in [-1, 1]."""
        photo = self.photos[int(rng.integers(len(self.photos)))].image
        crop = random_crop(style.image, self.size, self.style_short_side, rng)
        if rng.random() < self.jitter:
            crop = jitter_colors(crop, rng)
        return {"photo": random_crop(photo, self.size, self.photo_short_side, rng), "style": crop}


class PairDataset(Dataset):
    """Pairs drawn without limit from a table of style images: item n depends on (seed, n) alone.

    Args:
        styles: style images.
        make: makes a pair of one.
        seed: of the draws.
        length: number of samples.
    """

    def __init__(self, styles: ImageTable, make: PairMaker, seed: int, length: int):
        self.styles, self.make, self.seed, self.length = styles, make, seed, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, n: int) -> dict[str, torch.Tensor]:
        if not 0 <= n < self.length:
            raise IndexError(f"there is no sample {n}, only {self.length}, counted from 0")
        rng = np.random.default_rng((self.seed, n))
        return self.make(self.styles[int(rng.integers(len(self.styles)))], rng)
