"""Training data for stylization: photos and paintings from folders. Sample n is the same in every run."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from .records import Images


def random_crop(image: Image.Image, size: int, short_side: tuple[int, int], rng: np.random.Generator) -> torch.Tensor:
    """A square crop `(3, size, size)` in [-1, 1] of `image` resized to a random short side, mirrored half the time.

    Args:
        short_side: lower and upper limit in pixels of the short side that the whole image is thought to be resized to
            before the crop is cut out; drawn log-uniformly.
    """
    low, high = (max(s, size) for s in short_side)
    scale = np.exp(rng.uniform(np.log(low), np.log(high))) / min(image.size)
    span = size / scale
    left, top = (rng.uniform(0, max(side - span, 0)) for side in image.size)
    box = (left, top, min(left + span, image.width), min(top + span, image.height))
    crop = image.resize((size, size), Image.Resampling.BICUBIC, box=box, reducing_gap=2.0)
    array = np.asarray(crop)
    if rng.random() < 0.5:
        array = array[:, ::-1]
    return torch.from_numpy(array.copy()).permute(2, 0, 1).float() / 127.5 - 1


def jitter_colors(image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Changes the colors of a painting `(3, H, W)` in [-1, 1]: permutes channels, scales saturation and contrast.

    Paintings of a collection are mostly brown; a generator that has seen them alone gives half of a strong palette.
    """
    if rng.random() < 0.5:
        image = image[torch.from_numpy(rng.permutation(3))]
    gray = image.mean(0, keepdim=True)
    saturation = rng.uniform(0, 0.7) if rng.random() < 0.25 else np.exp(rng.uniform(-0.3, 0.9))
    image = gray + (image - gray) * float(saturation)
    middle = image.mean()
    return (middle + (image - middle) * float(np.exp(rng.uniform(-0.1, 0.6)))).clamp(-1, 1)


class PhotoPaintingDataset(Dataset):
    """Pairs of a photo crop and a painting crop, drawn without limit: item n depends on (seed, n) alone.

    So a run resumed at sample n sees what an unbroken one would have seen, with any number of workers and processes.

    Args:
        photos: content photos, such as `data.sources.open_folder` gives; it goes on to the next where one cannot be read.
        paintings: the same for paintings, a group each.
        painting_weights: how often each group is drawn.
        size: side of the crops in pixels.
        photo_short_side, painting_short_side: limits of the random resizing, see `random_crop`; for paintings a pair for each
            group.
        jitter: probability that a painting's colors are changed, see `jitter_colors`.
        seed: of the draws.
        length: number of samples.
    """

    def __init__(
        self,
        photos: Images,
        paintings: Sequence[Images],
        painting_weights: list[float],
        size: int,
        photo_short_side: tuple[int, int],
        painting_short_side: list[tuple[int, int]],
        jitter: float = 0.0,
        seed: int = 0,
        length: int = 1_000_000,
    ):
        self.photos, self.paintings, self.size, self.seed, self.length = photos, paintings, size, seed, length
        self.weights = np.array(painting_weights, float) / sum(painting_weights)
        self.photo_short_side, self.painting_short_side = photo_short_side, painting_short_side
        self.jitter = jitter

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, n: int) -> dict[str, torch.Tensor]:
        """`{"photo": (3, size, size), "style": (3, size, size)}`, both in [-1, 1]."""
        rng = np.random.default_rng((self.seed, n))
        photo = random_crop(draw_image(self.photos, rng), self.size, self.photo_short_side, rng)
        group = rng.choice(len(self.paintings), p=self.weights)
        style = random_crop(draw_image(self.paintings[group], rng), self.size, self.painting_short_side[group], rng)
        if rng.random() < self.jitter:
            style = jitter_colors(style, rng)
        return {"photo": photo, "style": style}


def draw_image(images: Images, rng: np.random.Generator) -> Image.Image:
    """One of the images, each as often as the others."""
    return images[int(rng.integers(len(images)))].image
