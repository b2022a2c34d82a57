"""Palettes: read and written as .gpl and .hex files, made of the colors of a set, and put on pictures in OKLab.

OKLab is Ottosson's space ("A perceptual color space for image processing", 2020), in which straight distances are about those
that the eye sees, also among saturated colors.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import ImageError
from ..images.whole_files import write_whole

MOST_COLORS = 256
_SRGB_TO_LMS = np.array(
    (
        (0.4122214708, 0.5363325363, 0.0514459929),
        (0.2119034982, 0.6806995451, 0.1073969566),
        (0.0883024619, 0.2817188376, 0.6299787005),
    )
)
_LMS_TO_OKLAB = np.array(
    (
        (0.2104542553, 0.7936177850, -0.0040720468),
        (1.9779984951, -2.4285922050, 0.4505937099),
        (0.0259040371, 0.7827717662, -0.8086757660),
    )
)
# 4 x 4 of Bayer, "An optimum method for two-level rendition of continuous-tone pictures", 1973
_BAYER = (np.array(((0, 8, 2, 10), (12, 4, 14, 6), (3, 11, 1, 9), (15, 7, 13, 5))) + 0.5) / 16 - 0.5
_AT_A_TIME = 1 << 22
_ROUNDS = 16


def to_oklab(colors: np.ndarray) -> np.ndarray:
    """sRGB bytes `(..., 3)` to OKLab `(..., 3)` in float32: lightness in [0, 1], two of color about -0.3 to 0.3.

    >>> to_oklab(np.uint8([255, 255, 255])).round(3).tolist()[0]
    1.0
    """
    s = np.asarray(colors, np.float64) / 255
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    return (np.cbrt(linear @ _SRGB_TO_LMS.T) @ _LMS_TO_OKLAB.T).astype(np.float32)


def from_oklab(lab: np.ndarray) -> np.ndarray:
    """The inverse of `to_oklab`, rounded to bytes; colors that no screen has are clamped.

    >>> from_oklab(to_oklab(np.uint8([12, 200, 99]))).tolist()
    [12, 200, 99]
    """
    lms = (np.asarray(lab, np.float64) @ np.linalg.inv(_LMS_TO_OKLAB).T) ** 3
    linear = (lms @ np.linalg.inv(_SRGB_TO_LMS).T).clip(0, 1)
    s = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(s * 255).astype(np.uint8)


def read_palette(path: str | os.PathLike) -> np.ndarray:
    """The colors of a palette file, `(N, 3)` bytes, each once, in the file's order.

    Args:
        path: `.gpl` (GIMP palette: red, green and blue in decimal a line) or `.hex` (six hexadecimal digits a line).

    Raises:
        ImageError: another extension, no color in it, more than 256 of them, or a line that is none.
        OSError: it cannot be read.
    """
    path = Path(path)
    read = {".gpl": _read_gpl, ".hex": _read_hex}.get(path.suffix.lower())
    if read is None:
        raise ImageError(f"{path} is no palette file by its name; use a .gpl or a .hex file")
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    colors = list(dict.fromkeys(read(path, lines)))
    if not colors:
        raise ImageError(f"{path} holds no color; a palette has 1 to {MOST_COLORS}")
    if len(colors) > MOST_COLORS:
        raise ImageError(f"{path} holds {len(colors)} colors; a palette has {MOST_COLORS} at most")
    return np.array(colors, np.uint8)


def _read_gpl(path: Path, lines: list[str]) -> list[tuple[int, ...]]:
    if not lines or lines[0].strip() != "GIMP Palette":
        raise ImageError(f"{path} is no GIMP palette: its first line is not 'GIMP Palette'")
    colors = []
    for number, line in enumerate(lines[1:], 2):
        if not line.strip() or line.lstrip().startswith("#") or re.match(r"\s*(Name|Columns|Channels)\s*:", line):
            continue
        match = re.match(r"\s*(\d{1,3})\s+(\d{1,3})\s+(\d{1,3})(\s|$)", line)
        color = tuple(map(int, match.groups()[:3])) if match else (256,)
        if max(color) > 255:
            raise ImageError(f"{path}, line {number}: {line.strip()[:40]!r} is no color; write three numbers up to 255")
        colors.append(color)
    return colors


def _read_hex(path: Path, lines: list[str]) -> list[tuple[int, ...]]:
    colors = []
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("#")
        if not text or text.startswith((";", "//")):
            continue
        if not re.fullmatch("[0-9a-fA-F]{6}", text):
            raise ImageError(f"{path}, line {number}: {line.strip()[:40]!r} is no color; write six hexadecimal digits")
        colors.append(tuple(bytes.fromhex(text)))
    return colors


def write_palette(colors: np.ndarray, path: str | os.PathLike) -> None:
    """Writes a palette as a `.gpl` or a `.hex` file, whole or not at all.

    Raises:
        ImageError: another extension.
        OSError: it cannot be written.
    """
    path = Path(path)
    rows = [tuple(map(int, color)) for color in colors]
    if path.suffix.lower() == ".gpl":
        lines = [
            "GIMP Palette",
            f"Name: {path.stem}",
            "#",
            *(f"{r:3d} {g:3d} {b:3d}\t#{r:02x}{g:02x}{b:02x}" for r, g, b in rows),
        ]
    elif path.suffix.lower() == ".hex":
        lines = [f"{r:02x}{g:02x}{b:02x}" for r, g, b in rows]
    else:
        raise ImageError(f"{path} is no palette file by its name; use a .gpl or a .hex file")
    write_whole(path, ("\n".join(lines) + "\n").encode())


def make_palette(pixels: Sequence[np.ndarray], colors: int) -> np.ndarray:
    """The palette of a set: k-means in OKLab over all of its pixels.

    The first centers are the most frequent color and then, one by one, the color whose squared distance to the nearest center,
    times the root of its frequency, is largest, so that a small bright detail keeps a color. Nothing is drawn at random.

    Args:
        pixels: `(n, 3)` bytes each; what is transparent is better left out.
        colors: of the palette, 1 to 256.

    Returns:
        `(N, 3)` bytes, N at most `colors`, from dark to light.

    Raises:
        ValueError: no pixel, or another number of colors.

    >>> make_palette([np.uint8([[0, 0, 0], [250, 0, 0], [255, 0, 0]])], 2).tolist()[0]
    [0, 0, 0]
    """
    if not 1 <= colors <= MOST_COLORS:
        raise ValueError(f"`colors` is {colors}; a palette has 1 to {MOST_COLORS}")
    if not sum(map(len, pixels)):
        raise ValueError("there is no visible pixel to make a palette of")
    # to 6 bits a channel, which bounds the number of different colors; each stands for the mean of its pixels
    keys = np.concatenate([(p.reshape(-1, 3) >> 2).astype(np.int64) @ (1 << 12, 1 << 6, 1) for p in pixels])
    values = np.concatenate([p.reshape(-1, 3) for p in pixels])
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    means = np.stack([np.bincount(inverse, values[:, c]) / counts for c in range(3)], 1)
    points = to_oklab(means)
    weights = counts.astype(np.float32)
    centers = points[[int(weights.argmax())]]
    distance = ((points - centers[0]) ** 2).sum(1)
    while len(centers) < min(colors, len(points)):
        chosen = points[int((distance * np.sqrt(weights)).argmax())]
        centers = np.vstack([centers, chosen])
        distance = np.minimum(distance, ((points - chosen) ** 2).sum(1))
    for _ in range(_ROUNDS):
        nearest = _nearest(points, centers)
        total = np.bincount(nearest, weights, len(centers))
        moved = np.stack([np.bincount(nearest, weights * points[:, c], len(centers)) for c in range(3)], 1)
        centers = np.where(total[:, None] > 0, moved / np.maximum(total, 1)[:, None], centers).astype(np.float32)
    found = np.unique(from_oklab(centers), axis=0)
    return found[np.argsort(to_oklab(found)[:, 0], kind="stable")]


def palette_indexes(pixels: np.ndarray, palette: np.ndarray, dither: bool = False) -> np.ndarray:
    """The nearest color in OKLab of every pixel.

    Args:
        pixels: `(H, W, 3)` bytes.
        palette: `(N, 3)` bytes.
        dither: shift the lightness by a 4 x 4 threshold matrix first, as far as colors of the palette are apart; the pattern
            goes on where a texture whose sides are multiples of 4 repeats.

    Returns:
        `(H, W)` bytes.

    >>> palette_indexes(np.uint8([[[9, 9, 9], [250, 240, 250]]]), np.uint8([[0, 0, 0], [255, 255, 255]])).tolist()
    [[0, 1]]
    """
    height, width, _ = pixels.shape
    targets = to_oklab(palette)
    if not dither or len(palette) < 2:
        different, inverse = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
        return _nearest(to_oklab(different), targets).astype(np.uint8)[inverse.reshape(height, width)]
    apart = ((targets[:, None] - targets) ** 2).sum(2) + np.diag(np.full(len(targets), np.inf))
    lab = to_oklab(pixels)
    lab[..., 0] += np.sqrt(apart.min(1)).mean() * np.tile(_BAYER, (-(-height // 4), -(-width // 4)))[:height, :width]
    return _nearest(lab.reshape(-1, 3), targets).reshape(height, width).astype(np.uint8)


def _nearest(points: np.ndarray, centers: np.ndarray) -> np.ndarray:
    step = max(1, _AT_A_TIME // len(centers))
    norms = (centers**2).sum(1)
    parts = [(norms - 2 * points[n : n + step] @ centers.T).argmin(1) for n in range(0, len(points), step)]
    return np.concatenate(parts)
