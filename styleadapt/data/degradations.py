"""Degrades photos on the fly: noise, JPEG artifacts, blur, and holes of any shape.

Images are float32 arrays `(H, W, C)` on the scale 0..255. What is random is drawn from a numpy Generator, so that the same seed
gives the same damage; nothing is clipped or rounded, except by JPEG, which knows whole numbers from 0 to 255 alone.
"""

import io

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw

# of one segment of a mask's stroke, as a share of the picture's shorter side
_SEGMENT_LENGTH = (0.05, 0.3)
# strokes that may be too large for a hole that is still too small
_MOST_REFUSALS = 100


def gaussian_noise(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Additive white Gaussian noise: y = x + n, n ~ N(0, sigma^2), independent in every pixel and channel.

    Unclipped, as in the protocol that denoisers are compared by (Dabov et al., Color BM3D, ICIP 2007; Zhang et al., DnCNN, arXiv
    1608.03981, section IV).

    Args:
        image: `(H, W, C)` on the scale 0..255.
        sigma: standard deviation on the same scale.
        rng: of the draws.

    >>> noisy = gaussian_noise(np.zeros((200, 200, 3), np.float32), 25, np.random.default_rng(0))
    >>> round(float(noisy.std()))
    25
    """
    return image + np.float32(sigma) * rng.standard_normal(image.shape, np.float32)


def poisson_noise(image: np.ndarray, peak: float, rng: np.random.Generator) -> np.ndarray:
    """Shot noise of a camera that counts `peak` photons where the image is white: y = 255 / peak * P(peak * x / 255).

    P(m) is a Poisson variable of mean m, so that y has mean x and variance 255 * x / peak (Foi et al., "Practical
    Poissonian-Gaussian noise modeling", IEEE TIP 2008, section II). Unclipped above; below 0 there is nothing to count.

    Args:
        image: `(H, W, C)` on the scale 0..255; values below 0 count as 0.
        peak: photons at 255, above 0; the fewer, the more noise.
        rng: of the draws.

    >>> noisy = poisson_noise(np.full((200, 200, 1), 100, np.float32), 51, np.random.default_rng(0))
    >>> round(float(noisy.mean())), round(float(noisy.var()) / 100)  # 255 * 100 / 51 = 500
    (100, 5)
    """
    counts = rng.poisson(np.maximum(image, 0) * (peak / 255))
    return (counts * (255 / peak)).astype(np.float32)


def poisson_deviation(image: np.ndarray, peak: float) -> float:
    """Root of the mean variance of `poisson_noise`, the deviation of Gaussian noise of the same power.

    >>> poisson_deviation(np.full((2, 2, 1), 127.5), 51)
    25.24...
    """
    return float(np.sqrt(255 / peak * np.maximum(image, 0).mean()))


def jpeg_artifacts(image: np.ndarray, quality: int, subsampling: int = 2) -> np.ndarray:
    """The image after JPEG compression by Pillow, which is libjpeg's (ITU-T T.81): blocks of 8 x 8, whose cosine transforms are
    rounded to multiples that grow as the quality falls.

    Args:
        image: `(H, W, 3)` or `(H, W, 1)` on the scale 0..255; clipped and rounded to whole numbers first.
        quality: 1 to 100.
        subsampling: of the two color channels: 0 for none, 1 for half of the columns, 2 for half of the rows too.

    Raises:
        ValueError: `quality` is out of range.

    >>> jpeg_artifacts(np.full((9, 7, 3), 128, np.float32), 50).shape
    (9, 7, 3)
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"`quality` is {quality}; JPEG knows 1 to 100")
    whole = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(whole[..., 0] if whole.shape[-1] == 1 else whole).save(
        file, "JPEG", quality=int(quality), subsampling=subsampling
    )
    return np.asarray(Image.open(file), np.float32).reshape(image.shape)


def gaussian_kernel(sigma: float) -> np.ndarray:
    """k(u, v) ~ exp(-(u^2 + v^2) / (2 sigma^2)), cut off at three deviations and with sum 1: a soft lens or scan. Square, with an
    odd side; 1 alone, which is no blur, for a sigma of 0.

    >>> gaussian_kernel(1.0).shape, gaussian_kernel(0.0).tolist()
    ((7, 7), [[1.0]])
    """
    if sigma == 0:
        return np.ones((1, 1), np.float32)
    radius = max(1, int(np.ceil(3 * sigma)))
    row = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return _normalized(np.outer(row, row))


def disk_kernel(radius: float) -> np.ndarray:
    """k(u, v) = 1 / (pi r^2) where u^2 + v^2 <= r^2: the circle of confusion of a lens out of focus. The rim is antialiased by
    counting which of 8 x 8 points in a pixel lie inside. Square, with an odd side and sum 1.

    >>> disk_kernel(0.4).shape, disk_kernel(2.0).shape
    ((3, 3), (5, 5))
    """
    half = max(1, int(np.ceil(radius - 0.5)))
    offsets = (np.arange((2 * half + 1) * 8) + 0.5) / 8 - half - 0.5
    inside = (offsets[:, None] ** 2 + offsets[None] ** 2 <= radius**2).astype(np.float64)
    return _normalized(_pooled(inside, 8))


def motion_kernel(length: float, angle: float) -> np.ndarray:
    """A straight segment of even brightness: a camera or an object that moves at constant speed while the shutter is open.

    Args:
        length: of the segment in pixels; its variance along the motion is length^2 / 12.
        angle: of the segment in radians, against the x axis.

    Returns:
        square, with an odd side and sum 1; every point of the segment is shared among its four nearest pixels.

    >>> motion_kernel(2.0, 0.0)[1].tolist()
    [0.25, 0.5, 0.25]
    """
    half = int(np.ceil(length / 2))
    count = 8 * (2 * half + 1)
    along = ((np.arange(count) + 0.5) / count - 0.5) * length
    x, y = half + along * np.cos(angle), half + along * np.sin(angle)
    kernel = np.zeros((2 * half + 2, 2 * half + 2))
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        weight = np.abs(1 - dx - (x - left)) * np.abs(1 - dy - (y - top))
        np.add.at(kernel, (top + dy, left + dx), weight)
    return _normalized(kernel[:-1, :-1])


def kernel_spread(kernel: np.ndarray) -> float:
    """Computes how far a kernel spreads a point, in pixels: the root of its variance, averaged over the two axes.

    It is sigma for a Gaussian, radius / 2 for a disk, and length / sqrt(24) for a motion.

    >>> round(kernel_spread(gaussian_kernel(2.0)), 1)
    2.0
    """
    total = kernel.sum()
    variance = 0.0
    for axis in (0, 1):
        marginal = kernel.sum(axis) / total
        place = np.arange(len(marginal))
        mean = (marginal * place).sum()
        variance += float((marginal * (place - mean) ** 2).sum()) / 2
    return variance**0.5


def blur(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """y = k * x, a convolution of every channel; beyond its border the image is mirrored, or repeated if it is small.

    Args:
        image: `(H, W, C)`.
        kernel: square, with an odd side.

    >>> round(float(blur(np.ones((9, 9, 1), np.float32), gaussian_kernel(1.0)).min()), 4)
    1.0
    """
    half = kernel.shape[0] // 2
    border = ((half, half), (half, half), (0, 0))
    padded = np.pad(image, border, "reflect") if half < min(image.shape[:2]) else np.pad(image, border, "edge")
    planes = torch.from_numpy(np.ascontiguousarray(padded.transpose(2, 0, 1), np.float32))[:, None]
    # torch correlates; a convolution has its kernel turned by half a turn
    weight = torch.from_numpy(np.ascontiguousarray(kernel, np.float32)).flip(0, 1)[None, None]
    return np.ascontiguousarray(F.conv2d(planes, weight)[:, 0].numpy().transpose(1, 2, 0))


def free_form_mask(
    height: int,
    width: int,
    rng: np.random.Generator,
    coverage: tuple[float, float] = (0.1, 0.4),
    thickness: tuple[float, float] = (0.02, 0.1),
) -> np.ndarray:
    """A hole such as a brush paints: bent strokes with round ends, drawn until they cover a random share of the picture.

    After the free-form masks of Yu et al. (arXiv 1806.03589, section 4.2): strokes of a few segments, each turned against the one
    before. Here the share is drawn first, uniformly, and the last stroke that would go beyond its limits is left out. Where the
    limits leave no room for whole strokes, one of them is cut off, so that the share is the drawn one to a pixel.

    Args:
        height, width: of the picture.
        rng: of the draws.
        coverage: limits of the share that the hole takes.
        thickness: limits of the strokes' width, as a share of the picture's shorter side; drawn log-uniformly for each stroke.

    Returns:
        bool `(height, width)`, true inside the hole.

    >>> mask = free_form_mask(64, 96, np.random.default_rng(0))
    >>> mask.shape, bool(0.1 <= mask.mean() <= 0.4)
    ((64, 96), True)
    """
    wanted = rng.uniform(*coverage)
    side = min(height, width)
    mask = np.zeros((height, width), bool)
    refusals = 0
    while mask.mean() < wanted:
        stroke = _stroke(height, width, max(1, round(side * np.exp(rng.uniform(*np.log(thickness))))), rng)
        if (mask | stroke).mean() <= coverage[1]:
            mask |= stroke
        elif mask.mean() >= coverage[0]:
            break
        elif (refusals := refusals + 1) == _MOST_REFUSALS:
            missing = max(round(wanted * mask.size) - int(mask.sum()), 0 if mask.any() else 1)
            # its pixels from the top
            mask.flat[np.flatnonzero(stroke & ~mask)[:missing]] = True
            break
    return mask


def _stroke(height: int, width: int, thickness: int, rng: np.random.Generator) -> np.ndarray:
    canvas = Image.new("1", (width, height))
    draw = ImageDraw.Draw(canvas)
    x, y, angle = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0, 2 * np.pi)
    for _ in range(int(rng.integers(1, 6))):
        length = min(height, width) * rng.uniform(*_SEGMENT_LENGTH)
        end = (x + length * np.cos(angle), y + length * np.sin(angle))
        draw.line((x, y, *end), 1, thickness)
        for center in ((x, y), end):
            draw.ellipse([c + sign * thickness / 2 for sign in (-1, 1) for c in center], 1)
        (x, y), angle = end, angle + rng.uniform(-np.pi / 2, np.pi / 2)
    return np.asarray(canvas)


def _normalized(kernel: np.ndarray) -> np.ndarray:
    return (kernel / kernel.sum()).astype(np.float32)


def _pooled(fine: np.ndarray, factor: int) -> np.ndarray:
    """Means of the squares of `factor` x `factor` values."""
    side = len(fine) // factor
    return fine.reshape(side, factor, side, factor).mean((1, 3))
