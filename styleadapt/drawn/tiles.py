"""Draws style images made of pieces: a mosaic of stone tesserae and a stained-glass window."""

import numpy as np
from PIL import Image

from .drawing import Array, blur, chance, color, coordinates, curve, finish, noise, outlines, paint, ramp, tint, voronoi


def _tesserae(across: Array, along: Array, pitch: float, salt: int, turns: Array | None = None) -> tuple[Array, Array, Array]:
    """Cuts pixels into rows of stones `pitch` wide.

    Args:
        across: position of each pixel across the rows; a row is `pitch` of it.
        along: position along the row, or the angle as a part of a full turn where `turns` is given.
        turns: None for straight rows, else the radius of each pixel: rows are then rings.

    Returns:
        A label of each pixel's stone, the distance to the stone's edge and the direction of its tilt as a random number.
    """
    row = np.floor(across / pitch).astype(np.int64)
    if turns is None:
        position = along / pitch * 0.95 + 7 * chance(row, salt=salt)
        count = np.full(row.shape, 1 << 20)
    else:
        count = np.maximum(np.round(2 * np.pi * (row + 0.5)), 3).astype(np.int64)
        position = (along + chance(row, salt=salt)) % 1 * count
    tile = np.floor(position).astype(np.int64)

    def border(index: Array) -> Array:
        return index + 0.36 * (chance(row, index % count, salt=salt + 1) - 0.5)

    tile = tile - (position < border(tile)) + (position >= border(tile + 1))
    edge = np.minimum(position - border(tile), border(tile + 1) - position)
    inside = across / pitch - row
    edge = np.minimum(edge, np.minimum(inside, 1 - inside)) * pitch
    stone = (row + 4096) * 8192 + tile % count
    return stone, edge, chance(stone, salt=salt + 2)


def mosaic(size: int, seed: int) -> Image.Image:
    """Sun, hills, a round tree and a sail over waves in tesserae of stone and glass that follow every form."""
    rng = np.random.default_rng((seed, 1))
    n = 2 * size
    x, y = coordinates(n)
    wobble = [0.006 * noise(rng, n, 14, 2) for _ in range(2)]
    x, y = x + wobble[0], y + wobble[1]
    pitch = 0.021

    sun = (rng.uniform(0.28, 0.42), rng.uniform(0.27, 0.33))
    tree = (rng.uniform(0.74, 0.8), rng.uniform(0.42, 0.46))
    far = 0.52 + curve(rng, x, 0.05, 1.6)
    near = 0.66 + 0.1 * (0.5 - x) + curve(rng, x, 0.035, 1.2)
    shore = 0.79 + 0.13 * x + curve(rng, x, 0.015, 1.5)
    radius, angle = np.hypot(x - sun[0], y - sun[1]), np.arctan2(y - sun[1], x - sun[0]) / (2 * np.pi) + 0.5
    crown, around = np.hypot(x - tree[0], (y - tree[1]) * 1.06), np.arctan2(y - tree[1], x - tree[0]) / (2 * np.pi) + 0.5
    wave = y + 0.013 * np.sin(2 * np.pi * (4.5 * x + 5 * (y - shore)))
    rays = np.abs((angle * 16 + 0.02 * np.sin(40 * radius)) % 1 - 0.5) < 0.28 - 0.3 * (radius - 0.12)

    band = (np.floor(radius / pitch / 2) % 2) * 0.16
    sky = ramp(radius * 1.25 + band, "#f7ead0", "#a8d4d8", "#4f9fc4", "#2467a6", "#153f7d", "#0e2a5c")
    paint(sky, rays & (radius < 0.26), "#f0a83a")
    bands = (np.floor((y - far) / pitch / 2) % 2) * 0.25
    field = (np.floor((y - near) / pitch / 3) % 2) * 0.45
    stripes = 0.5 + 0.5 * np.sin(2 * np.pi * (wave * 15 + 0.3 * np.sin(9 * x)))
    boat = (rng.uniform(0.2, 0.3), 0.865)
    sail = (y > boat[1] - 0.17) & (y < boat[1] - 0.015) & (x > boat[0] - 0.004) & (x < boat[0] + (y - boat[1] + 0.17) * 0.62)
    jib = (y > boat[1] - 0.14) & (y < boat[1] - 0.015) & (x < boat[0] - 0.012) & (x > boat[0] - (y - boat[1] + 0.14) * 0.62)
    hull = (y > boat[1]) & (y < boat[1] + 0.042) & (np.abs(x - boat[0]) < 0.115 - 1.1 * (y - boat[1]))
    trunk = (np.abs(x - tree[0] - 0.02 * np.sin(9 * (y - tree[1]))) < 0.02 + 0.05 * np.maximum(y - 0.64, 0)) & (y > tree[1])
    regions = [
        (np.ones((n, n), bool), radius, angle, radius, sky),
        (radius < 0.112, radius, angle, radius, ramp(radius / 0.11, "#fff3b0", "#fcd34d", "#f59e1b", "#d9480f")),
        (y > far, y - far, x, None, ramp((y - far) * 3.4 + bands, "#d9a5b5", "#a0628c", "#6a3f7d", "#42306b")),
        (y > near, y - near, x, None, ramp((y - near) * 2.6 + field, "#e3c04b", "#a8a832", "#5c8a2e", "#275c33", "#7a4a1f")),
        (trunk & (y < near + 0.12), x, y, None, ramp((x - tree[0]) * 18 + 0.5, "#8a4b25", "#5a2c16", "#2e160d")),
        (crown < 0.155, crown, around, crown, ramp(crown * 4.5 + 0.5 * (x - tree[0] + y - tree[1]) / 0.15 * 0.4 + 0.1,
         "#e9e08a", "#a9c23f", "#4d9a3c", "#1f6b3a", "#0e4230")),
        (y > shore, wave, x, None, ramp(stripes * 0.85 + (y - 0.8) * 0.4, "#e8f4ea", "#7cc6c3", "#2a8ba6", "#14548c", "#0d2f66")),
        (hull, y - boat[1], x, None, ramp((y - boat[1]) * 24, "#e2572f", "#b3271e", "#6b1414")),
        (sail, x - boat[0], y, None, ramp((x - boat[0]) * 9, "#fffaf0", "#f3dcae", "#e3a857")),
        (jib, boat[0] - x, y, None, ramp((boat[0] - x) * 11, "#f3dcae", "#de8a4b", "#c8502d")),
    ]  # fmt: skip
    label, edge, tilt, base = np.zeros((n, n), np.int64), np.zeros((n, n), np.float32), np.zeros((n, n), np.float32), sky
    part = np.zeros((n, n), np.int16)
    for index, region in enumerate(regions):
        part[region[0]] = index
    for index, (_, across, along, turns, shades) in enumerate(regions):
        own = part == index
        ring = None if turns is None else turns[own]
        stone, distance, lean = _tesserae(across[own], along[own], pitch, seed * 64 + index * 4, ring)
        label[own], edge[own], tilt[own] = stone * 16 + index, distance, lean
        base = np.where(own[..., None], shades, base)

    _, stones = np.unique(label, return_inverse=True)
    stones = stones.reshape(n, n)
    area = np.bincount(stones.ravel()).astype(np.float32)
    flat = np.stack([np.bincount(stones.ravel(), base[..., c].ravel()) / area for c in range(3)], 1).astype(np.float32)
    spread = rng.normal(0, 1, (2, len(area))).astype(np.float32)
    flat = tint(flat, 0.035 * spread[0], 0.13 * spread[1])
    gap = np.maximum(outlines(part, 0.0045), edge < 0.0021 + 0.001 * noise(rng, n, 90))
    face = np.clip(edge / (0.35 * pitch), 0, 1)
    light = 0.1 * (face - 0.5) + 0.05 * noise(rng, n, 120, 2) + 0.22 * (tilt - 0.5) * (1 - face)
    canvas = flat[stones] * (1 + light[..., None])
    grout = ramp(0.5 + 0.3 * noise(rng, n, 200, 2), "#3a3129", "#6b5d4d", "#94856f")
    paint(canvas, blur(gap, 0.0006), grout)
    shade = blur(gap, 0.0012)
    relief = np.roll(shade, (-2, -2), (0, 1)) - np.roll(shade, (2, 2), (0, 1))
    return finish(canvas * (1 + 0.5 * relief[..., None]), size)


def stained_glass(size: int, seed: int) -> Image.Image:
    """A window: a rising sun and its rays over hills, a river and tulips, in glowing panes between lead lines."""
    rng = np.random.default_rng((seed, 2))
    n = 2 * size
    x, y = coordinates(n)
    u, v = x + 0.012 * noise(rng, n, 5), y + 0.012 * noise(rng, n, 5)
    sun = (rng.uniform(0.42, 0.58), rng.uniform(0.4, 0.46))
    radius, angle = np.hypot(u - sun[0], v - sun[1]), np.arctan2(v - sun[1], u - sun[0])
    ray = np.floor(angle / (2 * np.pi) * 22 + 0.25).astype(np.int64)
    ring = np.searchsorted([0.105, 0.15, 0.27, 0.42, 0.58], radius + 0.03 * (chance(ray, salt=seed) - 0.5) * (radius > 0.14))
    far = 0.5 + curve(rng, u, 0.05, 1.3)
    near = 0.63 + 0.12 * (u - 0.5) + curve(rng, u, 0.04, 1.0)
    front = 0.8 - 0.1 * (u - 0.5) + curve(rng, u, 0.03, 1.2)
    bend = sun[0] + 0.13 * np.sin(9 * (v - 0.5)) * (1.2 - v)

    part = ring * 64 + ray * (ring > 0) + 2000
    hue = ramp(ring / 5 + 0.1 * (ray % 2) * (ring > 0), "#ffdf6b", "#ffc928", "#f58a1c", "#d8352a", "#8e1f6b", "#2c2a9c")
    cool = ramp(ring / 5, "#fff4b8", "#9fe3e8", "#4fb7e6", "#1f76d2", "#173fae", "#1a1c74")
    hue = np.where((ray % 2 == 0)[..., None] & (ring > 1)[..., None], cool, hue)
    layers = [
        (v > far, (3, 4.5), ("#7fd1a8", "#1f9e8a", "#0b6a78")),
        (v > near, (4, 7), ("#b6dd3f", "#3fae3a", "#127a3f")),
        ((v > near) & (np.abs(u - bend) < 0.035 + 0.42 * (v - near)), (5, 11), ("#bfeaf5", "#3f9be0", "#1646b8")),
        (v > front, (5, 5), ("#1f8f4a", "#0c6a3a", "#06452f")),
    ]
    for index, (mask, (across, down), shades) in enumerate(layers):
        cell, _ = voronoi(u[mask] * across, (v + 0.15 * np.sin(5 * u))[mask] * down, seed * 16 + index)
        part[mask] = 5000 + 100_000 * (index + 1) + cell % 90_000
        hue[mask] = ramp(chance(cell, salt=seed + index), *shades)
    for index, center in enumerate(np.linspace(0.12, 0.88, 5) + rng.uniform(-0.03, 0.03, 5)):
        top = 0.735 + rng.uniform(-0.04, 0.04)
        reds = [("#ff5a4f", "#c81432", "#7d0a2c"), ("#ffb02e", "#f26b1d", "#b5340f"), ("#e35ad0", "#a01f9e", "#5c1478")][
            index % 3
        ]
        dx, dy = (u - center - 0.02 * np.sin(8 * (v - top))) / 0.058, (v - top) / 0.075
        stem = (np.abs(dx) < 0.17) & (dy > 0.6)
        leaves = [(((dx - s * 0.72) * 1.1 + s * 0.3 * (dy - 2)) ** 2 * 6 + ((dy - 2.35) / 1.05) ** 2 < 1) for s in (-1, 1)]
        cup = (np.abs(dx) < 0.95 * np.sqrt(np.clip(1 - dy**2, 0, 1))) & (dy > -0.25)
        petals = [(((dx - s * 0.5) ** 2 / 0.3 + (dy - 0.05) ** 2 / 1.05) < 1) for s in (-1, 1)]
        middle = (dx**2 / 0.26 + (dy - 0.08) ** 2 / 0.8) < 1
        pieces = [(leaves[0], "#57c24a"), (leaves[1], "#2f9a3c"), (stem, "#8fd14f"), (cup, reds[1])]
        pieces += [(petals[0], reds[1]), (petals[1], reds[2]), (middle, reds[0])]
        for number, (mask, shade) in enumerate(pieces):
            part = np.where(mask, 900_000 + index * 10 + number, part)
            paint(hue, mask, shade)
    border = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y))
    step = np.floor(np.where(np.minimum(x, 1 - x) < np.minimum(y, 1 - y), y, x) * 12).astype(np.int64)
    frame = 1_000_000 + step * 4 + (x > y) * 2 + (x + y > 1)
    part = np.where(border < 0.045, frame, part)
    jewels = np.stack([color(c) for c in ("#c2183a", "#1d3fb0", "#e8a21c", "#14804a")])
    hue = np.where((border < 0.045)[..., None], jewels[(step + (x > y)) % 4], hue)

    lead = outlines(part, 0.0062)
    glow = blur(1 - lead, 0.014)
    swirl = np.sin(2 * np.pi * (6 * u + 3 * noise(rng, n, 4, 2) + 5 * chance(part, salt=seed + 9)))
    streak = 0.4 * swirl + 0.5 * noise(rng, n, 12, 3) + 0.3 * noise(rng, n, 110)
    light = (
        0.13 * streak
        + 1.5 * (glow - 0.87)
        + 0.35 * np.exp(-((radius / 0.4) ** 2)) * (ring > 0)
        + 0.45 * (chance(part, salt=seed) - 0.55)
    )
    canvas = tint(hue, 0.05 * streak, light) + 0.45 * np.clip(glow - 0.8, 0, 1)[..., None]
    height = blur(lead, 0.002)
    shine = np.clip(np.roll(height, 2, 0) - np.roll(height, -2, 0), 0, 1) * 1.6
    metal = ramp(shine + 0.12 * noise(rng, n, 100), "#0d0d12", "#24242c", "#8b8c96")
    paint(canvas, blur(lead, 0.0005), metal)
    return finish(canvas, size)
