"""Draws abstract style images: shaded planes, and shapes with outlines. Their palettes change with the seed."""

import colorsys

import numpy as np
from PIL import Image, ImageDraw

from .drawing import Array, coordinates, curve, finish, noise, paint


def _hues(rng: np.random.Generator, count: int, saturation: tuple[float, float], value: tuple[float, float]) -> Array:
    """`count` colors `(count, 3)` in [0, 1] around two or three hues."""
    centers = rng.random(rng.integers(2, 4))
    hues = rng.choice(centers, count) + rng.normal(0, 0.04, count)
    rows = zip(hues % 1, rng.uniform(*saturation, count), rng.uniform(*value, count))
    return np.array([colorsys.hsv_to_rgb(*row) for row in rows], np.float32)


def _mask(n: int, points: Array) -> Array:
    """The polygon `points` `(k, 2)` in unit coordinates as an `(n, n)` mask of 0 or 1."""
    image = Image.new("L", (n, n))
    ImageDraw.Draw(image).polygon((points * n).ravel().tolist(), fill=1)
    return np.asarray(image, np.float32)


def _corners(rng: np.random.Generator, reach: float) -> Array:
    """A convex polygon `(k, 2)` of three to five corners somewhere on the canvas, some with one round side."""
    count = rng.integers(3, 6)
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    if rng.random() < 0.4:
        first = angles[0]
        angles = np.concatenate([np.linspace(first, first + rng.uniform(1.0, 2.5), 14), angles[angles > first + 2.5]])
    center, radii = rng.random(2), reach * rng.uniform(0.6, 1.4, 2)
    turn = rng.uniform(0, np.pi)
    x, y = radii[0] * np.cos(angles), radii[1] * np.sin(angles)
    return center + np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], 1)


def planes(size: int, seed: int) -> Image.Image:
    """Overlapping planes, each shaded from one edge to the other: grays and earths with a few accents, from black to white."""
    rng = np.random.default_rng((seed, 9))
    n = 2 * size
    x, y = coordinates(n)
    quiet = _hues(rng, 60, (0.0, rng.uniform(0.1, 0.4)), (0.3, 0.95))
    accents = _hues(rng, 60, (0.5, 0.9), (0.35, 0.9))
    canvas = np.ones((n, n, 3), np.float32) * quiet[0]
    grain = 0.05 * noise(rng, n, 60, 2)
    for k in range(60):
        corners = _corners(rng, 0.34 * 0.972**k)
        ink = accents[k] if rng.random() < 0.28 else quiet[k]
        turn = rng.uniform(0, 2 * np.pi)
        across = (x - corners[0, 0]) * np.cos(turn) + (y - corners[0, 1]) * np.sin(turn)
        inside = _mask(n, corners)
        reach = across[inside > 0]
        low, high = (reach.min(), reach.max()) if reach.size else (0.0, 1.0)
        level = (across - low) / max(high - low, 1e-3)
        dark, light = rng.uniform(0.1, 0.7), rng.uniform(1.0, 1.5)
        shade = dark + (light - dark) * level + grain
        paint(canvas, inside, ink * shade[..., None])
    return finish(canvas, size)


def shapes(size: int, seed: int) -> Image.Image:
    """Rings, wedges, grids and swinging lines with dark outlines over stained ground, in strong colors."""
    rng = np.random.default_rng((seed, 10))
    n = 2 * size
    x, y = coordinates(n)
    inks = _hues(rng, 120, (0.45, 0.95), (0.3, 1.0))
    ground = _hues(rng, 3, (0.05, 0.5), (0.6, 1.0))
    stain = 0.5 + 0.35 * noise(rng, n, 4, 4)
    canvas = ground[0] + np.clip(stain, 0, 1)[..., None] * (ground[1] - ground[0])
    image = Image.fromarray((np.clip(canvas, 0, 1) * 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    colors = [tuple(int(v) for v in ink * 255) for ink in inks]
    outline = tuple(int(v) for v in _hues(rng, 1, (0.2, 0.8), (0.02, 0.25))[0] * 255)
    stroke = rng.uniform(0.003, 0.009)
    for k in range(120):
        reach, ink = 0.24 * 0.982**k * rng.uniform(0.5, 1.3), colors[k]
        width = max(round(stroke * n * rng.uniform(0.5, 1.5)), 1)
        cx, cy = rng.random(2) * n
        kind = rng.integers(5)
        if kind == 0:
            for j, share in enumerate(np.linspace(1, 0.2, rng.integers(2, 5))):
                r = reach * n * share * 0.6
                pen.ellipse((cx - r, cy - r, cx + r, cy + r), colors[(k + j) % 120], outline, width)
        elif kind == 1:
            points = [(a, b) for a, b in (_corners(rng, reach) * n).tolist()]
            pen.polygon(points, fill=ink)
            pen.line([*points, points[0]], fill=outline, width=width, joint="curve")
        elif kind == 2:
            along = np.linspace(0, 2 * reach, 60, dtype=np.float32)
            swing, turn = curve(rng, along, 0.3 * reach, 1 / reach), rng.uniform(0, 2 * np.pi)
            u, v = along * np.cos(turn) - swing * np.sin(turn), along * np.sin(turn) + swing * np.cos(turn)
            pen.line(np.stack([cx + u * n, cy + v * n], 1).ravel().tolist(), outline, 2 * width, "curve")
        elif kind == 3:
            start = rng.uniform(0, 360)
            r = reach * n * 0.8
            pen.pieslice((cx - r, cy - r, cx + r, cy + r), start, start + rng.uniform(30, 150), ink, outline, width)
        else:
            cell, turn = reach * 0.3, rng.uniform(0, np.pi / 2)
            steps = cell * np.array([np.cos(turn), np.sin(turn)]), cell * np.array([-np.sin(turn), np.cos(turn)])
            for i in range(4):
                for j in range(3):
                    a = np.array([cx, cy]) / n + i * steps[0] + j * steps[1]
                    square = np.stack([a, a + steps[0], a + steps[0] + steps[1], a + steps[1]]) * n
                    pen.polygon(square.ravel().tolist(), fill=ink if (i + j) % 2 else outline)
    canvas = np.asarray(image, np.float32) / 255
    grain = 1 + 0.1 * noise(rng, n, 30, 3)
    return finish(canvas * grain[..., None], size)
