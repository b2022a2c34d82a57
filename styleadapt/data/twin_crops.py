"""Data set of two crops of one photo, for training colorization with a palette. Sample n is the same in every run."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import Dataset

from .damaged import as_tensor, photo_crop
from .datasets import draw_image
from .records import Images


class TwinCrops(Dataset):
    """Pairs of crops of photos, drawn without limit: item n depends on (seed, n) alone.

    Args:
        photos: groups of photos, such as `data.sources.open_folder` gives; one that cannot be read is passed over.
        weights: how often each group is drawn.
        size: side of the crops in pixels.
        scale: limits of the factor by which a photo is made smaller, see `data.damaged.photo_crop`.
        seed: of the draws.
        length: number of samples.
    """

    def __init__(
        self,
        photos: Sequence[Images],
        weights: Sequence[float],
        size: int,
        scale: tuple[float, float] = (0.5, 1.0),
        seed: int = 0,
        length: int = 1_000_000,
    ):
        self.photos, self.weights = photos, np.array(weights, float) / sum(weights)
        self.size, self.scale, self.seed, self.length = size, scale, seed, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, n: int) -> dict[str, torch.Tensor]:
        """`{"clean": (3, size, size), "twin": (3, size, size)}`, both in [-1, 1]; they may overlap."""
        rng = np.random.default_rng((self.seed, n))
        photo = draw_image(self.photos[int(rng.choice(len(self.photos), p=self.weights))], rng)
        return {name: as_tensor(photo_crop(photo, self.size, self.scale, rng, turned=False)) for name in ("clean", "twin")}
