"""Data set of unpaired images of two domains. Sample n is the same in every run."""

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from ..images.images import image_to_tensor
from .records import Images

# U-GAT-IT enlarges images of 256 px by 30 px before it crops them
CROP_SCALE = 286 / 256


def resized_crop(image: Image.Image, size: int, scale: float, rng: np.random.Generator) -> torch.Tensor:
    """A crop `(3, size, size)` in [-1, 1] at a random place of the whole image, which is first squeezed to a square of `scale`
    times that size; mirrored half of the time. The augmentation of U-GAT-IT's authors.

    >>> resized_crop(Image.new("RGB", (50, 30)), 32, 1.12, np.random.default_rng(0)).shape
    torch.Size([3, 32, 32])
    """
    side = round(scale * size)
    left, top = (int(offset) for offset in rng.integers(0, side - size + 1, 2))
    crop = image.resize((side, side), Image.Resampling.BILINEAR).crop((left, top, left + size, top + size))
    if rng.random() < 0.5:
        crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return image_to_tensor(crop)[0]


class UnpairedDataset(Dataset):
    """An image of domain a beside any image of domain b, drawn without limit: item n depends on (seed, n) alone.

    So a run resumed at sample n sees what an unbroken one would have seen, with any number of workers and processes.

    Args:
        images_a, images_b: the domains, such as `data.sources.open_source` gives; it composites transparent images on white, and
            goes on to the next where one cannot be read.
        size: side of the crops in pixels.
        crop_scale: how much larger than `size` an image is made before the crop is cut out of it.
        seed: of the draws.
        length: number of samples.
    """

    def __init__(
        self,
        images_a: Images,
        images_b: Images,
        size: int,
        crop_scale: float = CROP_SCALE,
        seed: int = 0,
        length: int = 1_000_000,
    ):
        self.images_a, self.images_b = images_a, images_b
        self.size, self.crop_scale, self.seed, self.length = size, crop_scale, seed, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, n: int) -> dict[str, torch.Tensor]:
        """`{"a": (3, size, size), "b": (3, size, size)}`, both in [-1, 1]."""
        rng = np.random.default_rng((self.seed, n))
        draws = {}
        for name, images in (("a", self.images_a), ("b", self.images_b)):
            image = images[int(rng.integers(len(images)))].image
            draws[name] = resized_crop(image, self.size, self.crop_scale, rng)
        return draws
