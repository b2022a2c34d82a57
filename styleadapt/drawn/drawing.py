"""Drawing tools for the generated style images: noise, cells, curves and inks on square canvases in unit coordinates.

A canvas has `n` pixels a side; x runs right and y runs down from 0 to 1, so that a drawing looks alike at every `n`.
"""

import numpy as np
from PIL import Image, ImageColor

Array = np.ndarray


def coordinates(n: int) -> tuple[Array, Array]:
    """The x and y of every pixel's center, each `(n, n)` float32 in (0, 1)."""
    axis = (np.arange(n, dtype=np.float32) + 0.5) / n
    return np.broadcast_to(axis, (n, n)), np.broadcast_to(axis[:, None], (n, n))


def color(text: str) -> Array:
    """A color name or hex code as three floats in [0, 1].

    >>> color("#ff8000").round(2).tolist()
    [1.0, 0.5, 0.0]
    """
    return np.array(ImageColor.getrgb(text)[:3], np.float32) / 255


def ramp(values: Array, *colors: str) -> Array:
    """`values` in [0, 1] looked up on a smooth scale of colors: any shape in, the same shape and a last axis of 3 out."""
    stops = np.stack([color(c) for c in colors])
    table = np.stack([np.interp(np.linspace(0, 1, 256), np.linspace(0, 1, len(stops)), channel) for channel in stops.T], 1)
    return table.astype(np.float32)[(np.clip(values, 0, 1) * 255).astype(np.int32)]


def noise(rng: np.random.Generator, n: int, cells: float, octaves: int = 1) -> Array:
    """Smooth noise `(n, n)` around 0, mostly within [-1, 1], with about `cells` bumps across the canvas."""
    total = np.zeros((n, n), np.float32)
    for octave in range(octaves):
        count = max(int(cells * 2**octave), 1)
        grid = Image.fromarray(rng.uniform(-1, 1, (count + 3, count + 3)).astype(np.float32))
        box = (1.0, 1.0, count + 2.0, count + 2.0)
        total += np.asarray(grid.resize((n, n), Image.Resampling.BICUBIC, box=box)) * 1.4 / 2**octave
    return total


def _box(radius: float, n: int) -> int:
    """Half the width in pixels of the box whose threefold blur has the standard deviation `radius`: sqrt(h (h + 1))."""
    return max(round((np.sqrt(1 + 4 * (radius * n) ** 2) - 1) / 2), 1)


def blur(values: Array, radius: float) -> Array:
    """`values` `(n, n)` blurred nearly Gaussian; `radius` is the standard deviation as a part of the canvas side."""
    n = len(values)
    if radius * n > 4 and n % 2 == 0:
        small = Image.fromarray(blur(values.reshape(n // 2, 2, n // 2, 2).mean((1, 3), dtype=np.float32), radius))
        return np.asarray(small.resize((n, n), Image.Resampling.BILINEAR))
    width = _box(radius, n)
    for axis in (0, 1, 0, 1, 0, 1):
        pad = [(width + 1, width) if a == axis else (0, 0) for a in (0, 1)]
        total = np.cumsum(np.pad(values, pad, mode="edge"), axis=axis, dtype=np.float32)
        span = 2 * width + 1
        values = (total[span:] - total[:-span] if axis == 0 else total[:, span:] - total[:, :-span]) / span
    return values.astype(np.float32)


def curve(rng: np.random.Generator, x: Array, height: float, waves: float) -> Array:
    """A random smooth curve over `x`, around 0, within about `height` of it, with some `waves` bumps across the canvas."""
    total = np.zeros_like(x)
    for share, frequency in ((0.45, 0.5), (0.35, 1.0), (0.2, 1.7), (0.1, 2.9)):
        frequency, phase = waves * frequency * rng.uniform(0.8, 1.25), rng.uniform(0, 2 * np.pi)
        total += height * share * np.cos(2 * np.pi * frequency * x + phase)
    return total


def chance(*keys: Array, salt: int = 0) -> Array:
    """A number in [0, 1) for every tuple of integers, seemingly random and always the same."""
    mixed: Array = np.array(salt * 2654435769 % 2**32, np.uint32)
    for key in keys:
        mixed = (mixed ^ np.asarray(key).astype(np.int64).astype(np.uint32)) * np.uint32(2246822519)
        mixed = (mixed ^ (mixed >> np.uint32(15))) * np.uint32(3266489917)
        mixed = mixed ^ (mixed >> np.uint32(13))
    return np.divide(mixed, 2**32, dtype=np.float32)


def voronoi(u: Array, v: Array, salt: int) -> tuple[Array, Array]:
    """Irregular cells with one site a unit square of the (u, v) plane.

    Returns:
        A label of each pixel's cell (int64), and the difference of the distances to the two nearest sites, 0 on a border.
    """
    column, row = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    first, second = np.full(u.shape, 9.0, np.float32), np.full(u.shape, 9.0, np.float32)
    label = np.zeros(u.shape, np.int64)
    for j in (-1, 0, 1):
        for i in (-1, 0, 1):
            c, r = column + i, row + j
            du = c + 0.1 + 0.8 * chance(c, r, salt=salt) - u
            dv = r + 0.1 + 0.8 * chance(c, r, salt=salt + 1) - v
            distance = np.hypot(du, dv)
            nearer = distance < first
            second = np.where(nearer, first, np.minimum(second, distance))
            first = np.where(nearer, distance, first)
            label = np.where(nearer, c * 4096 + r, label)
    return label, second - first


def outlines(labels: Array, width: float | Array) -> Array:
    """Lines `(n, n)` of 0 or 1, `width` wide, where neighboring `labels` differ; joints come out slightly rounded."""
    edge = np.zeros(labels.shape, np.float32)
    edge[:, 1:] = labels[:, 1:] != labels[:, :-1]
    edge[1:] = np.maximum(edge[1:], labels[1:] != labels[:-1])
    box = _box(float(np.max(width)) * 0.5, len(labels))
    sigma = np.sqrt(box * (box + 1))
    soft = blur(edge, float(np.max(width)) * 0.5) * sigma * np.sqrt(2 * np.pi)
    return (soft > np.exp(-0.5 * (np.asarray(width) * len(labels) / 2 / sigma) ** 2)).astype(np.float32)


def paint(canvas: Array, mask: Array, ink: str | Array) -> None:
    """Lays `ink`, a color or an image, over `canvas` `(n, n, 3)` in place, as opaquely as `mask` `(n, n)` in [0, 1] says."""
    ink = color(ink) if isinstance(ink, str) else ink
    canvas += np.asarray(mask, np.float32)[..., None] * (ink - canvas)


def tint(canvas: Array, hue: Array, light: Array) -> Array:
    """`canvas` with its lightness scaled by 1 + `light` and its color turned warm (positive `hue`) or cool (negative)."""
    warm = np.array([1.0, 0.1, -1.0], np.float32)
    return canvas * (1 + light[..., None]) + hue[..., None] * warm


def finish(canvas: Array, size: int) -> Image.Image:
    """The canvas, `(n, n, 3)` in [0, 1], as an RGB image of `size` pixels a side."""
    image = Image.fromarray((np.clip(canvas, 0, 1) * 255 + 0.5).astype(np.uint8))
    return image.resize((size, size), Image.Resampling.LANCZOS)
