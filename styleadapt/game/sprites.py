"""What a sprite is beside its colors: its alpha, the grid of its pixels if it is pixel art, and the palette of its file."""

import math

import cv2
import numpy as np
from PIL import Image

_SMALLEST_ART = 8


def bleed(rgb: np.ndarray, alpha: np.ndarray | None) -> np.ndarray:
    """Gives every transparent pixel the color of the nearest one that is seen, so that what lies hidden under an edge reaches
    neither the network nor an engine's filter.

    Args:
        rgb: `(H, W, 3)` bytes.
        alpha: `(H, W)` bytes, or None for a picture without transparency.

    Returns:
        `rgb` with other colors where `alpha` is 0; `rgb` itself where none or all of it is.

    >>> bleed(np.uint8([[[9, 8, 7], [255, 0, 255]]]), np.uint8([[1, 0]])).tolist()
    [[[9, 8, 7], [9, 8, 7]]]
    """
    if alpha is None or alpha.all() or not alpha.any():
        return rgb
    hidden = (alpha == 0).astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(hidden, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)
    colors = np.zeros((labels.max() + 1, 3), np.uint8)
    colors[labels[hidden == 0]] = rgb[hidden == 0]
    return colors[labels]


def pixel_scale(rgb: np.ndarray, alpha: np.ndarray | None = None) -> int:
    """How many pixels wide and high one pixel of enlarged pixel art is; 1 for other pictures, 0 for one without any edge.

    It is the largest number that divides both sides and the place of every change from one row or column to the next. Art of less
    than 8 such pixels a side is taken as a picture, in which such a number is chance.

    Args:
        rgb: `(H, W, 3)` bytes.
        alpha: `(H, W)` bytes, or None; what it hides is passed over.

    >>> art = np.random.default_rng(0).integers(0, 256, (8, 10, 3), np.uint8)
    >>> pixel_scale(art.repeat(3, 0).repeat(3, 1)), pixel_scale(art)
    (3, 1)
    """
    shown = rgb.astype(np.int16)
    if alpha is not None:
        shown = np.dstack([np.where(alpha[..., None] > 0, shown, 0), alpha])
    changes = [
        1 + np.flatnonzero((np.diff(shown, axis=axis) != 0).any(axis=(1 - axis, 2))) for axis in (0, 1)
    ]  # fmt: skip
    if not len(changes[0]) and not len(changes[1]):
        return 0
    scale = math.gcd(*rgb.shape[:2], *map(int, np.concatenate(changes)))
    return scale if min(rgb.shape[:2]) // scale >= _SMALLEST_ART else 1


def indexed_image(indexes: np.ndarray, palette: np.ndarray, alpha: np.ndarray | None) -> Image.Image:
    """A picture of a palette's colors, with indexes into it if that holds its transparency too.

    Args:
        indexes: `(H, W)` bytes.
        palette: `(N, 3)` bytes.
        alpha: `(H, W)` bytes, or None.

    Returns:
        An image of mode "P", with a palette of (color, alpha) pairs if there is alpha; "RGBA" if there are more than 256 of them.
        All transparent pixels share one entry.

    >>> indexed_image(np.uint8([[0, 1]]), np.uint8([[1, 2, 3], [4, 5, 6]]), np.uint8([[255, 0]])).convert("RGBA").getpixel((0, 0))
    (1, 2, 3, 255)
    """
    if alpha is None:
        image = Image.fromarray(indexes, "P")
        image.putpalette(palette.tobytes())
        return image
    pairs = np.where(alpha > 0, alpha.astype(np.int64) << 8 | indexes, 0)
    entries, places = np.unique(pairs, return_inverse=True)
    if len(entries) > 256:
        return Image.fromarray(np.dstack([palette[indexes], alpha]))
    image = Image.fromarray(places.reshape(alpha.shape).astype(np.uint8), "P")
    image.putpalette(palette[entries & 255].tobytes())
    image.info["transparency"] = (entries >> 8).astype(np.uint8).tobytes()
    return image
