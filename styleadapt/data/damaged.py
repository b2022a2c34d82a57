"""Data set of photos with random damage, for training and measuring restoration. Sample n is the same in every run."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from .datasets import draw_image
from .degradations import (
    blur,
    disk_kernel,
    gaussian_kernel,
    gaussian_noise,
    jpeg_artifacts,
    kernel_spread,
    motion_kernel,
    poisson_deviation,
    poisson_noise,
)
from .records import Images

# around a crop, so much more is cut out and damaged, so that a blur sees what is beside it and blocks of JPEG lie anywhere
MARGIN = 16


@dataclass(frozen=True)
class DamageMix:
    """The probabilities and strengths of the kinds of damage. Shares that do not sum to 1 are scaled.

    Args:
        noise: share of the samples with noise.
        jpeg: share of the samples with JPEG artifacts.
        blur: share of the blurred samples.
        clean: share of the samples without damage.
        sigma: limits of the noise's deviation on the scale 0..255, drawn uniformly.
        quality: limits of the JPEG quality, drawn uniformly.
        spread: limits of the blur's deviation in pixels, drawn uniformly.
        blur_sigma: limits of the noise on blurred samples.
        poisson: share of the noisy samples with shot noise, of the deviation that was drawn.
        stored: share of noisy and blurred samples that are clipped and rounded to whole numbers, as in a file.
        gray: share of samples without color, whose noise is the same in all channels.
    """

    noise: float = 0.6
    jpeg: float = 0.2
    blur: float = 0.15
    clean: float = 0.05
    sigma: tuple[float, float] = (0.0, 55.0)
    quality: tuple[int, int] = (5, 95)
    spread: tuple[float, float] = (0.4, 3.0)
    blur_sigma: tuple[float, float] = (0.0, 8.0)
    poisson: float = 0.15
    stored: float = 0.3
    gray: float = 0.06

    def __post_init__(self) -> None:
        """
        Raises:
            ValueError: a share outside [0, 1], no share above 0, or limits out of order or range.
        """
        limits = {"sigma": (0, 255), "quality": (1, 100), "spread": (0, 8), "blur_sigma": (0, 255)}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in limits:
                low, high = limits[field.name]
                if len(value) != 2 or not low <= value[0] <= value[1] <= high:
                    raise ValueError(f"`{field.name}` is {value}; it must be two numbers in order, from {low} to {high}")
            elif not 0 <= value <= 1:
                raise ValueError(f"`{field.name}` is {value}; a share lies in [0, 1]")
        if not self.noise + self.jpeg + self.blur + self.clean > 0:
            raise ValueError("`noise`, `jpeg`, `blur` and `clean` are all 0; one share at least must be above 0")


@dataclass(frozen=True)
class Damaged:
    """
    Args:
        clean, damaged: `(H, W, C)` on the scale 0..255; the damaged image is not clipped.
        levels: standard deviation of the noise, 100 minus the JPEG quality, standard deviation of the blur in pixels.
    """

    clean: np.ndarray
    damaged: np.ndarray
    levels: tuple[float, float, float]


def damage(image: np.ndarray, mix: DamageMix, rng: np.random.Generator) -> Damaged:
    """Damages a clean image `(H, W, 3)` on the scale 0..255 as `mix` says.

    >>> drawn = damage(np.full((16, 16, 3), 128, np.float32), DamageMix(jpeg=0, blur=0, clean=0), np.random.default_rng(0))
    >>> drawn.levels[0] > 0, drawn.levels[1:]
    (True, (0.0, 0.0))
    """
    shares = np.array([mix.noise, mix.jpeg, mix.blur, mix.clean])
    kind = ("noise", "jpeg", "blur", "clean")[int(rng.choice(4, p=shares / shares.sum()))]
    gray = rng.random() < mix.gray
    # one channel is damaged and then repeated, so that its noise is the same in all three
    clean = luminance(image) if gray else image
    damaged, levels = clean, (0.0, 0.0, 0.0)
    if kind == "noise":
        damaged, sigma = _noisy(clean, rng.uniform(*mix.sigma), rng.random() < mix.poisson, rng)
        levels = (sigma, 0.0, 0.0)
    elif kind == "jpeg":
        quality = int(rng.integers(mix.quality[0], mix.quality[1] + 1))
        damaged = jpeg_artifacts(clean, quality, subsampling=int(rng.choice([0, 2])))
        levels = (0.0, 100.0 - quality, 0.0)
    elif kind == "blur":
        kernel = _kernel(rng.uniform(*mix.spread), rng)
        sigma = rng.uniform(*mix.blur_sigma)
        damaged = gaussian_noise(blur(clean, kernel), sigma, rng)
        levels = (sigma, 0.0, kernel_spread(kernel))
    if kind in ("noise", "blur") and rng.random() < mix.stored:
        damaged = np.clip(np.rint(damaged), 0, 255)
    return Damaged(np.broadcast_to(clean, image.shape), np.broadcast_to(damaged, image.shape), levels)


def luminance(image: np.ndarray) -> np.ndarray:
    """Rec. 601 luma, as JPEG and Pillow compute it: `(H, W, 3)` -> `(H, W, 1)`.

    >>> luminance(np.full((1, 1, 3), 10, np.float32)).tolist()
    [[[10.0]]]
    """
    return (image @ np.array([0.299, 0.587, 0.114], np.float32))[..., None]


def photo_crop(
    photo: Image.Image, size: int, scale: tuple[float, float], rng: np.random.Generator, turned: bool = True
) -> np.ndarray:
    """A random crop of a photo made smaller, mirrored half of the time: float32 `(size, size, 3)` on the scale 0..255.

    Made smaller, because photos come as JPEG files and are damaged a little themselves.

    Args:
        photo: an RGB image; one that is too small for the crop is enlarged.
        size: side of the crop in pixels.
        scale: limits of the factor, drawn uniformly.
        rng: of the draws.
        turned: turn the crop by a random number of right angles as well.
    """
    factor = max(rng.uniform(*scale), size / min(photo.size))
    if 0.97 < factor <= 1:
        # whole pixels, which are as sharp as the photo is
        span: float = size
        left, top = (float(rng.integers(side - size + 1)) for side in photo.size)
    else:
        span = min(size / factor, *photo.size)
        left, top = (rng.uniform(0, side - span) for side in photo.size)
    box = (left, top, left + span, top + span)
    crop = np.asarray(photo.resize((size, size), Image.Resampling.BICUBIC, box=box), np.float32)
    if turned:
        crop = np.rot90(crop, int(rng.integers(4)))
    return np.ascontiguousarray(crop[:, ::-1] if rng.random() < 0.5 else crop)


class DamagedPhotos(Dataset):
    """Damaged crops of photos beside the clean ones, drawn without limit: item n depends on (seed, n) alone.

    So a run resumed at sample n sees what an unbroken one would have seen, with any number of workers and processes.

    Args:
        photos: groups of photos, such as `data.sources.open_folder` gives; one that cannot be read is passed over.
        weights: how often each group is drawn.
        size: side of the crops in pixels.
        mix: of the damage.
        scale: limits of the factor by which a photo is made smaller, see `photo_crop`.
        seed: of the draws.
        length: number of samples.
    """

    def __init__(
        self,
        photos: Sequence[Images],
        weights: Sequence[float],
        size: int,
        mix: DamageMix,
        scale: tuple[float, float] = (0.6, 1.0),
        seed: int = 0,
        length: int = 1_000_000,
    ):
        self.photos, self.weights = photos, np.array(weights, float) / sum(weights)
        self.size, self.mix, self.scale, self.seed, self.length = size, mix, scale, seed, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, n: int) -> dict[str, torch.Tensor]:
        """`{"clean": (3, size, size), "damaged": (3, size, size), "levels": (3,)}`; the clean image lies in [-1, 1]."""
        rng = np.random.default_rng((self.seed, n))
        photo = draw_image(self.photos[int(rng.choice(len(self.photos), p=self.weights))], rng)
        return damaged_crop(photo_crop(photo, self.size + 2 * MARGIN, self.scale, rng), self.mix, rng)


def damaged_crop(crop: np.ndarray, mix: DamageMix, rng: np.random.Generator) -> dict[str, torch.Tensor]:
    """Damages a clean crop `(S + 2 MARGIN, S + 2 MARGIN, 3)` on the scale 0..255, and cuts a sample out of it.

    Returns:
        `{"clean": (3, S, S), "damaged": (3, S, S), "levels": (3,)}`; the clean image lies in [-1, 1].

    >>> crop = np.full((64, 64, 3), 128, np.float32)
    >>> damaged_crop(crop, DamageMix(), np.random.default_rng(0))["damaged"].shape
    torch.Size([3, 32, 32])
    """
    drawn = damage(crop, mix, rng)
    size = len(crop) - 2 * MARGIN
    # anywhere in the larger crop, so that the blocks of JPEG do not begin at the corner
    top, left = (int(offset) for offset in rng.integers(MARGIN // 2, MARGIN + MARGIN // 2, 2))
    window = np.s_[top : top + size, left : left + size]
    return {
        "clean": as_tensor(drawn.clean[window]),
        "damaged": as_tensor(drawn.damaged[window]),
        "levels": torch.tensor(drawn.levels),
    }


def as_tensor(image: np.ndarray) -> torch.Tensor:
    """`(H, W, 3)` on the scale 0..255 -> `(3, H, W)` with 0 at -1 and 255 at 1, without clipping.

    >>> as_tensor(np.array([[[0.0, 127.5, 510.0]]])).flatten().tolist()
    [-1.0, 0.0, 3.0]
    """
    return torch.from_numpy(np.array(image.transpose(2, 0, 1), np.float32)).div_(127.5).sub_(1)


def _noisy(clean: np.ndarray, sigma: float, poisson: bool, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """With noise of that deviation, Gaussian or such as photons make, and the deviation that it has."""
    if not poisson or sigma == 0:
        return gaussian_noise(clean, sigma, rng), sigma
    peak = 255 * max(float(clean.mean()), 1.0) / sigma**2
    return poisson_noise(clean, peak, rng), poisson_deviation(clean, peak)


def _kernel(spread: float, rng: np.random.Generator) -> np.ndarray:
    """A kernel of that deviation: a Gaussian half of the time, else a disk or a motion."""
    draw = rng.random()
    if draw < 0.5:
        return gaussian_kernel(spread)
    if draw < 0.75:
        return disk_kernel(max(2 * spread, 0.6))
    return motion_kernel(24**0.5 * spread, rng.uniform(0, np.pi))
