"""Data set of photos with random holes, for training inpainting. Sample n is the same in every run."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.utils.data import Dataset

from .damaged import as_tensor, photo_crop
from .datasets import draw_image
from .degradations import free_form_mask
from .records import Images


class PuncturedPhotos(Dataset):
    """Crops of photos beside holes in them, drawn without limit: item n depends on (seed, n) alone.

    Args:
        photos: groups of photos, such as `data.sources.open_folder` gives; one that cannot be read is passed over.
        weights: how often each group is drawn.
        size: side of the crops in pixels.
        coverage, thickness: of the holes, see `data.degradations.free_form_mask`.
        scale: limits of the factor by which a photo is made smaller, see `data.damaged.photo_crop`.
        seed: of the draws.
        length: number of samples.
    """

    def __init__(
        self,
        photos: Sequence[Images],
        weights: Sequence[float],
        size: int,
        coverage: tuple[float, float],
        thickness: tuple[float, float],
        scale: tuple[float, float] = (0.5, 1.0),
        seed: int = 0,
        length: int = 1_000_000,
    ):
        self.photos, self.weights = photos, np.array(weights, float) / sum(weights)
        self.size, self.coverage, self.thickness, self.scale = size, coverage, thickness, scale
        self.seed, self.length = seed, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, n: int) -> dict[str, torch.Tensor]:
        """`{"clean": (3, size, size), "mask": (1, size, size)}`: the photo in [-1, 1], and 1 in the hole, else 0."""
        rng = np.random.default_rng((self.seed, n))
        photo = draw_image(self.photos[int(rng.choice(len(self.photos), p=self.weights))], rng)
        mask = free_form_mask(self.size, self.size, rng, self.coverage, self.thickness)
        clean = as_tensor(photo_crop(photo, self.size, self.scale, rng))
        return {"clean": clean, "mask": torch.from_numpy(mask)[None].float()}
