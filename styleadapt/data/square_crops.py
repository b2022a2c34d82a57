"""Data set of square crops of images, with their labels. Sample n is the same in every run."""

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from ..images.images import image_to_tensor
from .records import Images


class SquareCrops(Dataset):
    """Crops of any images, drawn without limit: item n depends on (seed, n) alone.

    Args:
        images: such as `data.sources.open_source` gives.
        size: side of the crops in pixels.
        short_side: limits of what the shorter side of an image is brought to before it is cropped, drawn uniformly; with
            both equal to `size` a square image is shown whole.
        flip: half of the crops are mirrored.
        wrap: crops go over the image's edges and on at the opposite ones, for textures that repeat.
        seed: of the draws.
        length: number of samples.
        labeled_share: so many of the samples are drawn from images with a label alone, which `images` must know by a method
            `labels`, such as `data.sources.ImageTable.labels`; 0 to draw from all images alike.

    Raises:
        ValueError: a share above 0, and no image has a label.

    >>> from styleadapt.data.records import ImageSample
    >>> crops = SquareCrops([ImageSample(Image.new("RGB", (40, 30)), 3, "a.png")], 16, (16, 20), seed=1)
    >>> crops[0]["image"].shape, int(crops[0]["label"])
    (torch.Size([3, 16, 16]), 3)
    """

    def __init__(
        self,
        images: Images,
        size: int,
        short_side: tuple[int, int],
        flip: bool = True,
        wrap: bool = False,
        seed: int = 0,
        length: int = 1_000_000,
        labeled_share: float = 0.0,
    ):
        self.images, self.size, self.short_side = images, size, short_side
        self.flip, self.wrap, self.seed, self.length = flip, wrap, seed, length
        self.labeled_share = labeled_share
        self.labeled: list[int] = []
        if labeled_share:
            self.labeled = [n for n, label in enumerate(images.labels()) if label >= 0]  # type: ignore[attr-defined]
            if not self.labeled:
                raise ValueError("`labeled_share` is above 0, but none of the images has a label")

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, n: int) -> dict[str, torch.Tensor]:
        """`{"image": (3, size, size) in [-1, 1], "label": int64, -1 for none}`."""
        rng = np.random.default_rng((self.seed, n))
        if self.labeled and rng.random() < self.labeled_share:
            sample = self.images[self.labeled[int(rng.integers(len(self.labeled)))]]
        else:
            sample = self.images[int(rng.integers(len(self.images)))]
        image = self._cropped(sample.image, rng)
        if self.flip and rng.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return {"image": image_to_tensor(image)[0], "label": torch.tensor(-1 if sample.label is None else sample.label)}

    def _cropped(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        image = scaled(image, int(rng.integers(self.short_side[0], self.short_side[1] + 1)))
        if self.wrap:
            return Image.fromarray(
                np.roll(np.asarray(image), rng.integers(0, image.size[::-1]), (0, 1))[: self.size, : self.size]
            )
        left, top = (int(rng.integers(0, side - self.size + 1)) for side in image.size)
        return image.crop((left, top, left + self.size, top + self.size))


def scaled(image: Image.Image, short_side: int) -> Image.Image:
    """The image with its shorter side at `short_side` pixels.

    >>> scaled(Image.new("RGB", (40, 30)), 15).size
    (20, 15)
    """
    factor = short_side / min(image.size)
    if factor == 1:
        return image
    return image.resize([max(short_side, round(side * factor)) for side in image.size], Image.Resampling.LANCZOS)  # type: ignore[arg-type]


def middle_square(image: Image.Image, size: int) -> Image.Image:
    """The middle of an "RGB" image, at its largest, as a square of `size` pixels.

    >>> middle_square(Image.new("RGB", (40, 30)), 16).size
    (16, 16)
    """
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    return image.resize((size, size), Image.Resampling.LANCZOS, (left, top, left + side, top + side))
