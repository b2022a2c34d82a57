"""Draws style images that look painted: impasto swirls, pointillism and watercolor."""

import numpy as np
from PIL import Image, ImageDraw

from .drawing import Array, blur, color, coordinates, curve, finish, noise, paint, ramp, tint


def _look_up(values: Array, points: Array) -> Array:
    """`values` at `points` `(..., 2)`, x and y in unit coordinates; points outside take the nearest border value."""
    index = np.clip((points * len(values)).astype(np.int32), 0, len(values) - 1)
    return values[index[..., 1], index[..., 0]]


def _follow(flow: Array, starts: Array, length: Array, steps: int) -> Array:
    """Strokes `(k, steps + 1, 2)` of the given lengths that follow the angles `flow` `(n, n)` from `starts` `(k, 2)`."""
    path = [starts]
    for _ in range(steps):
        angle = _look_up(flow, path[-1])
        path.append(path[-1] + (length / steps)[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1))
    return np.stack(path, 1) - (path[steps // 2] - starts)[:, None]


def _brush(
    canvas: Array, height: Array, paths: Array, width: float, inks: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Strokes of several bristles each over `canvas` `(n, n, 3)`, and the relief of their paint over `height` `(n, n)`."""
    n = len(canvas)
    image = Image.fromarray((np.clip(canvas, 0, 1) * 255).astype(np.uint8))
    relief = Image.fromarray((np.clip(height, 0, 1) * 255).astype(np.uint8))
    pen, knife = ImageDraw.Draw(image), ImageDraw.Draw(relief)
    along = np.gradient(paths, axis=1)
    normal = np.stack([-along[..., 1], along[..., 0]], -1) / (np.linalg.norm(along, axis=-1, keepdims=True) + 1e-9)
    offsets = np.array([-0.34, 0.34, 0.0])
    bristle = max(round(width * n * 0.46), 1)
    shade = 1 + rng.normal(0, 0.1, (len(paths), len(offsets)))
    depth = rng.integers(70, 190, len(paths))
    for k, path in enumerate(paths):
        for j, offset in enumerate(offsets):
            line = ((path + normal[k] * (offset * width)) * n).ravel().tolist()
            pen.line(line, tuple(np.clip(inks[k] * shade[k, j] * 255, 0, 255).astype(int).tolist()), bristle)
            knife.line(line, int(depth[k] + (60, 0, 35)[j]), max(bristle - 1, 1))
    return np.asarray(image, np.float32) / 255, np.asarray(relief, np.float32) / 255


def swirls(size: int, seed: int) -> Image.Image:
    """A night sky of whirling stars over a village and a cypress, in thick strokes that follow the whirls."""
    rng = np.random.default_rng((seed, 6))
    n = 2 * size
    x, y = coordinates(n)
    ground = 0.72 + curve(rng, x, 0.035, 1.2)
    hills = 0.64 + 0.1 * (0.6 - x) + curve(rng, x, 0.05, 1.1)
    moon = (rng.uniform(0.8, 0.86), rng.uniform(0.13, 0.18))
    eye = (rng.uniform(0.42, 0.5), rng.uniform(0.3, 0.36))
    places = [(0.1, 0.1), (0.3, 0.13), (0.55, 0.1), (0.66, 0.27), (0.9, 0.4), (0.24, 0.38), (0.68, 0.47)]
    stars = [(a + rng.uniform(-0.03, 0.03), b + rng.uniform(-0.03, 0.03), rng.uniform(0.022, 0.034)) for a, b in places]

    dx: Array = np.ones((n, n), np.float32)
    dy = 0.35 * np.sin(7 * x + 3) + 0.5 * noise(rng, n, 3)
    whirls = [(*eye, 0.16, 1), (eye[0] + 0.21, eye[1] + 0.09, 0.1, -1), (*moon, 0.13, 1)]
    whirls += [(a, b, 2.2 * r, (-1) ** k) for k, (a, b, r) in enumerate(stars)]
    for cx, cy, r, turn in whirls:
        distance = np.hypot(x - cx, y - cy)
        pull = 5 * turn * np.exp(-((distance / r) ** 2)) / (distance + 1e-3)
        inward = 0.25 if r > 0.09 else 0.0
        dx, dy = dx - pull * (y - cy + inward * (x - cx)), dy + pull * (x - cx - inward * (y - cy))
    flow = np.arctan2(dy, dx)
    flow = np.where(y > hills, np.arctan(np.gradient(hills, axis=1) * n) + 0.4 * noise(rng, n, 7), flow)
    flow = np.where(y > ground, 0.25 * np.sin(12 * x) + 0.5 * noise(rng, n, 9), flow)

    bands = np.sin(26 * (y + 0.06 * noise(rng, n, 3, 2)) + 6 * np.hypot(x - eye[0], y - eye[1]) * 6)
    base = ramp(0.3 + 0.35 * y + 0.26 * bands, "#0d1b4f", "#15348a", "#2361b8", "#4f95d2", "#a8d3e0")
    whirl = np.hypot(x - eye[0], y - eye[1])
    paint(base, 0.65 * np.exp(-((whirl / 0.14) ** 2)) * (0.5 + 0.5 * np.sin(55 * whirl + 2.5 * np.arctan2(dy, dx))), "#e4efe0")
    for a, b, r in [*stars, (*moon, 0.062)]:
        distance = np.hypot(x - a, y - b) / r
        halo = np.clip(2.2 - 0.72 * distance, 0, 1) * (0.85 + 0.15 * np.cos(5 * distance))
        paint(base, halo, ramp(distance / 3.1, "#fffbe0", "#ffe45c", "#ffc21f", "#f0dc6a", "#8fc9c4"))
    paint(base, y > hills, ramp((y - hills) * 5 + 0.3 * noise(rng, n, 6, 2), "#7fb0d8", "#2f6aa8", "#1d4480", "#14274f"))
    paint(base, y > ground, ramp(0.4 + 0.5 * noise(rng, n, 7, 2) - 0.8 * (y - 0.85), "#0f2a33", "#1c4a45", "#4a7d4b", "#a7b04e"))
    paint(base, np.hypot(x - moon[0], y - moon[1]) < 0.058, "#ff9d14")
    paint(base, np.hypot(x - moon[0] - 0.024, y - moon[1] + 0.012) < 0.046, "#fff3a8")
    village = (y > 0.7) & (y < 0.93) & (x > 0.33)
    for place in np.linspace(0.4, 0.93, 6) + rng.uniform(-0.025, 0.025, 6):
        floor, wide = 0.83 + 0.09 * rng.random(), rng.uniform(0.046, 0.062)
        roof = floor - wide * 1.1 - (wide - np.abs(x - place)) * 0.9
        paint(
            base,
            (np.abs(x - place) < wide) & (y < floor) & (y > floor - wide * 1.1),
            ramp((x - place) / wide * 0.7 + 0.5, "#f3dfae", "#d9b987", "#6a6f98"),
        )
        paint(
            base,
            (np.abs(x - place) < wide * 1.1) & (y < floor - wide) & (y > roof),
            "#c0492c" if rng.random() < 0.5 else "#4f62b0",
        )
        paint(base, (np.abs(x - place) < wide * 0.28) & (np.abs(y - floor + 0.5 * wide) < wide * 0.3), "#ffd84a")
    spire = np.abs(x - 0.62) < 0.016 * np.clip((y - 0.52) / 0.17, 0, 1) + 0.014 * (y > 0.7)
    paint(base, spire & (y > 0.52) & (y < 0.84), ramp((x - 0.6) * 25, "#c9cfe0", "#3a4680"))
    reach = np.clip((y - 0.1) / 0.85, 0, 1)
    cypress = np.abs(x - 0.17 - 0.02 * np.sin(14 * y)) < 0.12 * reach**0.9 * (1 + 0.22 * np.sin(38 * y + 14 * x))
    flame = ramp(0.5 + 0.5 * np.sin(80 * (x - 0.17) + 9 * np.sin(9 * y)), "#08110f", "#12301f", "#2f5a26", "#8a7434")
    paint(base, cypress, flame)
    flow = np.where(blur(cypress, 0.004) > 0.4, -1.57 + 0.5 * np.sin(14 * y + 25 * x), flow)
    flow = np.where(village, 0.15 * noise(rng, n, 20), flow)

    canvas, height = base * 0.8, np.full((n, n), 0.3, np.float32)
    for count, length, width in ((1400, 0.1, 0.021), (3600, 0.065, 0.0135), (3000, 0.045, 0.0095), (2600, 0.017, 0.0062)):
        starts = rng.random((count, 2)).astype(np.float32)
        if length < 0.02:
            starts = starts * (0.65, 0.24) + (0.34, 0.7)
        paths = _follow(flow, starts, length * rng.uniform(0.6, 1.2, count), 5)
        inks = _look_up(base, starts)
        inks = tint(inks, rng.normal(0, 0.035, count), rng.normal(0.02, 0.11, count))
        canvas, height = _brush(canvas, height, paths, width, inks, rng)
    relief = blur(height, 0.0011)
    light = np.roll(relief, (1, 1), (0, 1)) - np.roll(relief, (-2, -2), (0, 1))
    canvas = canvas * (1 - 0.75 * light[..., None])
    return finish(canvas + 0.3 * np.clip(-light - 0.2, 0, 1)[..., None], size)


def pointillism(size: int, seed: int) -> Image.Image:
    """Boats on a river in the sun, a shady tree and poppies, in dabs of pure color set beside their complements."""
    rng = np.random.default_rng((seed, 7))
    n = 2 * size
    x, y = coordinates(n)
    shore = 0.44 + curve(rng, x, 0.012, 1.0)
    bank = 0.69 + 0.2 * (x - 0.25) * (x - 0.1) - 0.12 * x + curve(rng, x, 0.02, 1.2)
    trees = shore - 0.035 - 0.06 * np.abs(noise(rng, n, 7, 3)) - 0.04 * np.clip(1 - np.abs(x - 0.75) / 0.2, 0, 1)
    sun = (rng.uniform(0.6, 0.72), rng.uniform(0.13, 0.18))
    glow = np.hypot(x - sun[0], y - sun[1])
    base = ramp(y * 2.2 + 0.1 * noise(rng, n, 4, 2), "#2f6fd0", "#5f9fe4", "#9ccbec", "#e9dcc8", "#fcc98f")
    paint(base, np.exp(-((glow / 0.13) ** 2)), "#ffe384")
    paint(base, glow < 0.06, "#fffbe0")
    cloud = np.clip(noise(rng, n, 3.5, 4) - 0.25, 0, 1) * np.clip(1.2 - 3.4 * y, 0, 1)
    paint(base, np.clip(1.6 * cloud, 0, 0.9), ramp(0.5 + y * 2, "#ffffff", "#fbe3e6", "#e3b8d6"))
    paint(
        base,
        (y > trees) & (y < shore),
        ramp((y - trees) * 9 + 0.25 * noise(rng, n, 12, 2), "#b9c95a", "#5d9a55", "#2f6b72", "#3b4a86"),
    )
    shimmer = np.sin(2 * np.pi * (y - shore) * 26 + 5 * noise(rng, n, 5, 2))
    paint(base, y > shore, ramp((y - shore) * 2.6 + 0.13 * shimmer, "#f4d9a8", "#9cc7df", "#4a8fcf", "#2a60b0", "#2c4596"))
    paint(base, (y > shore) * 0.8 * np.exp(-(((x - sun[0]) / 0.05) ** 2)) * (shimmer > -0.2), "#fff0b5")
    paint(base, (y > shore) & (y < 2 * shore - trees + 0.012 * shimmer), ramp(0.5 + 0.5 * shimmer, "#39658f", "#6fa07c"))
    for place, foot, tall in ((0.42, 0.53, 0.2), (0.57, 0.475, 0.11), (0.86, 0.56, 0.24)):
        place, drop = place + rng.uniform(-0.03, 0.03), (y - foot) / tall
        for side, hue in ((1, "#fffdf0"), (-1, "#f08a4b")):
            reach = side * (x - place) / tall
            paint(
                base,
                (reach > 0.015) & (reach < 0.42 * (1 + drop) * (1 if side > 0 else 0.75)) & (drop > -1) & (drop < -0.06),
                hue,
            )
            paint(base, 0.6 * ((reach > 0) & (reach < 0.4 * (1 - drop)) & (drop > 0.14) & (drop < 0.8) & (shimmer > -0.4)), hue)
        paint(base, (np.abs(x - place) < 0.34 * tall * (1 - 1.2 * drop)) & (drop > 0) & (drop < 0.14), "#7d2348")
    shade = np.hypot((x - 0.14) / 1.7, (y - 0.9) * 1.9) + 0.03 * noise(rng, n, 14, 2) < 0.2
    paint(
        base, y > bank, ramp((y - bank) * 2.1 + 0.3 * noise(rng, n, 5, 3), "#f2e46b", "#b3d04a", "#5faa45", "#2a7a55", "#2f5f8f")
    )
    paint(base, 0.75 * ((y > bank) & shade), "#25527d")
    trunk = np.abs(x - 0.13 - 0.04 * np.sin(5 * y)) < 0.028 + 0.25 * np.maximum(y - 0.8, 0) ** 1.3
    paint(base, trunk & (y > 0.2) & (y < 0.93), ramp((x - 0.1) * 14, "#c0723f", "#6b3560", "#33265e"))
    for turn in np.linspace(0, 4 * np.pi, 13):
        cx, cy = 0.13 + 0.15 * np.cos(turn) * rng.uniform(0.4, 1.1), 0.2 + 0.14 * np.sin(turn) * rng.uniform(0.5, 1.1)
        leaf = np.hypot(x - cx, y - cy) + 0.025 * noise(rng, n, 20, 2)
        tone = 0.45 + 5 * ((cx - x) * 0.8 + (y - cy)) + 0.2 * noise(rng, n, 20)
        paint(base, leaf < rng.uniform(0.07, 0.1), ramp(tone, "#e8e05a", "#8fc048", "#3b8a4c", "#215a68", "#2f3575"))

    canvas = Image.fromarray((np.clip(0.25 * color("#f2e8d0") + 0.75 * base, 0, 1) * 255).astype(np.uint8))
    pen = ImageDraw.Draw(canvas)
    pure = np.stack([color(c) for c in ("#f03a2c", "#ff9a1f", "#ffe23c", "#5fc244", "#1f9ea8", "#2f62d9", "#6a3fc0", "#d94f9e")])
    for step, radius in ((0.0105, 0.0068), (0.0095, 0.0056), (0.0092, 0.0043)):
        side = int(1 / step)
        spots: Array = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2)
        spots = (spots + rng.uniform(-0.1, 1.1, spots.shape)) / side
        spots = spots[rng.permutation(len(spots))]
        inks = _look_up(base, spots)
        count = len(spots)
        gray = inks.mean(1, keepdims=True)
        inks = np.clip(gray + (inks - gray) * rng.uniform(1.15, 1.75, (count, 1)), 0, 1)
        inks = tint(inks, rng.normal(0, 0.09, count), rng.normal(0.02, 0.13, count))
        likeness = -np.square(inks[:, None] - pure).sum(-1) * 4 + rng.gumbel(0, 0.55, (count, len(pure)))
        likeness *= np.where(rng.random((count, 1)) < 0.1, -0.6, 1)
        share = rng.choice([0.1, 0.45, 0.7], (count, 1), p=[0.5, 0.35, 0.15])
        inks = inks * (1 - share) + share * pure[likeness.argmax(1)] * (0.45 + 0.75 * gray)
        flowers = (rng.random(count) < 0.11) & (_look_up((y > bank + 0.02) & ~shade, spots))
        inks[flowers] = pure[rng.choice([0, 0, 1, 7], flowers.sum())]
        fills = np.clip(inks * 255, 0, 255).astype(int).tolist()
        radii = radius * n * rng.uniform(0.7, 1.15, count)
        for (cx, cy), ink, r in zip(spots * n, fills, radii, strict=True):
            pen.ellipse((cx - r, cy - 0.85 * r, cx + r, cy + 0.85 * r), tuple(ink))
    weave = 1 + 0.03 * noise(rng, n, 160, 2)
    return finish(np.asarray(canvas, np.float32) / 255 * weave[..., None], size)


def watercolor(size: int, seed: int) -> Image.Image:
    """Misty mountains, a lake, firs and a red boat in transparent washes on grained paper, with dark drying edges."""
    rng = np.random.default_rng((seed, 8))
    n = 2 * size
    x, y = coordinates(n)
    grain = 0.5 * noise(rng, n, 170, 2) + 0.3 * noise(rng, n, 60)
    u, v = x + 0.004 * noise(rng, n, 22, 3), y + 0.004 * noise(rng, n, 22, 3)
    canvas = np.full((n, n, 3), color("#fbf8ef"), np.float32)
    pool = 1 + 0.28 * noise(rng, n, 5, 3) + 0.16 * grain

    def wash(mask: Array, ink: Array | str, strength: Array | float, edge: float = 0.5, wet: float = 0.0012) -> None:
        soft = blur(mask, wet)
        rim = soft * np.clip(1 - blur(mask, wet + 0.004), 0, 1) * 2
        nonlocal pool
        pool = pool[::-1].T
        density = np.clip((soft * pool + edge * rim) * strength, 0, 1)[..., None]
        ink = color(ink) if isinstance(ink, str) else ink
        np.multiply(canvas, 1 - density * (1 - ink), out=canvas)

    sun = (rng.uniform(0.6, 0.72), rng.uniform(0.2, 0.26))
    glow = np.hypot(u - sun[0], v - sun[1])
    sky = ramp(v * 2 + 0.3 * noise(rng, n, 3, 3), "#5f8fc8", "#8fb0dc", "#e6b3b8", "#f7c48f", "#fbe0b0")
    bloom = np.clip(noise(rng, n, 3, 4), 0, 1) * np.clip(4 * (0.55 - v), 0, 1)
    wash(glow > 0.052, sky, np.clip((0.85 - 0.9 * bloom) * np.clip(1.25 - v * 1.1, 0, 1), 0, 1), 0.35, 0.002)
    wash(glow < 0.05, "#f58a3c", 0.75, 0.6)
    shore = 0.66 + curve(rng, x, 0.004, 1.0)
    inks = ("#8d93c9", "#6a7fb8", "#41679c", "#2a5578")
    for depth, ink in enumerate(inks):
        top = 0.36 + 0.075 * depth + curve(rng, u, 0.11 - 0.017 * depth, 1.3 + 0.5 * depth) + 0.012 * noise(rng, n, 16, 3)
        wash((v > top) & (y < shore), ink, (0.5 + 0.09 * depth) * np.clip(1.1 - 3.6 * (v - top), 0.12, 1), 0.7)
    ripple = 0.5 + 0.5 * np.sin(2 * np.pi * 22 * (v + 0.012 * noise(rng, n, 4, 2)))
    lake = ramp((y - shore) * 3 + 0.15 * ripple, "#d9c3b8", "#8fb4cf", "#4d86b4", "#2c5f96")
    wash(y > shore, lake, 0.45 + 0.5 * (y - shore) + 0.16 * ripple, 0.5)
    wash((y > shore) & (np.abs(u - sun[0]) < 0.05 + 0.06 * (v - shore)) & (ripple > 0.55), "#f58a3c", 0.4, 0.3)
    wash((y > shore) & (y < shore + 0.11 + 0.05 * noise(rng, n, 9, 2)) & (ripple > 0.25), "#35618c", 0.4, 0.2, 0.003)
    bank = 0.885 + 0.16 * (u - 0.4) ** 2 - 0.1 * np.clip(0.3 - u, 0, 1) + curve(rng, u, 0.02, 1.4)
    grass = ramp(0.5 + 0.4 * noise(rng, n, 6, 3), "#b7a63c", "#7d9a3f", "#3f7a4a")
    wash(v > bank, grass, 0.85, 0.6)
    wash((v > bank + 0.04 + 0.03 * noise(rng, n, 12, 2)) & (noise(rng, n, 7, 3) > -0.1), "#35603f", 0.5, 0.3, 0.004)
    for center, foot, tall, ink in (
        (0.3, 0.87, 0.3, "#4f8a6a"),
        (0.2, 0.93, 0.5, "#2f6a50"),
        (0.07, 0.96, 0.66, "#1f4a40"),
        (0.93, 0.97, 0.42, "#2a5a48"),
    ):
        aside = np.abs(u - center - rng.uniform(-0.02, 0.02)) / tall
        h = (foot - v) / tall + 0.012 * noise(rng, n, 40)
        droop = (h + 0.5 * aside) * (5 + 9 * tall)
        fir = (aside < 0.25 * np.clip(1 - h, 0, 1) * (1 - 0.6 * (droop % 1)) + 0.012) & (h > 0) & (h < 1)
        wash(fir, ink, 0.78 + 0.25 * noise(rng, n, 18, 2), 0.6)
    place, water = rng.uniform(0.54, 0.66), 0.79
    a, b = (u - place) / 0.1, (v - water) / 0.035
    wash((np.abs(a) < 1 - 0.35 * b) & (b > 0.25 * a**2 - 0.25) & (b < 1), "#c8322a", 0.92, 0.7)
    wash((np.abs(a) < 0.9) & (b > 1.1) & (b < 2.1) & (ripple > 0.3), "#a8402f", 0.5, 0.4)
    wash(((np.abs(a + 0.1) < 0.09) & (b > -1.7) & (b < 0.1)) | (np.hypot(a + 0.1, (b + 2) * 0.35) < 0.13), "#2b2f4a", 0.9, 0.3)
    birds = zip(np.arange(6) * 0.05 + 0.26 + rng.uniform(-0.02, 0.02, 6), 0.2 + rng.uniform(-0.07, 0.07, 6), strict=True)
    wings = [(np.abs(v - j + 0.35 * np.abs(u - i) - 9 * (u - i) ** 2) < 0.0022) & (np.abs(u - i) < 0.019) for i, j in birds]
    wash(np.any(wings, axis=0), "#2b3350", 0.85, 0.2, 0.0006)
    splashes = zip(rng.random(26), rng.random(26), 0.0015 + 0.004 * rng.random(26) ** 3, strict=True)
    wash(np.any([(u - i) ** 2 + (v - j) ** 2 < r**2 for i, j, r in splashes], axis=0), "#4f7fae", 0.5, 0.6, 0.0006)
    margin = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y)) + 0.005 * noise(rng, n, 26, 3)
    paint(canvas, np.clip(1 - blur(margin > 0.022, 0.0015), 0, 1), "#fbf8ef")
    tooth = np.roll(grain, (1, 1), (0, 1)) - np.roll(grain, (-1, -1), (0, 1))
    return finish(canvas * (1 + 0.06 * tooth[..., None]), size)
