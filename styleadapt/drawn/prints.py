"""Draws style images that look printed: pen cross-hatching, a woodcut, and a comic panel with halftone dots."""

import numpy as np
from PIL import Image

from .drawing import Array, blur, chance, color, coordinates, curve, finish, noise, outlines, paint, ramp


def _strokes(u: Array, v: Array, pitch: float, length: float, salt: int) -> tuple[Array, Array]:
    """Parallel pen strokes along u: the distance to the nearest line in pitches (0 to 0.5), and a random number a stroke."""
    line = np.floor(v / pitch)
    part = np.floor(u / length + 5 * chance(line, salt=salt))
    return np.abs(v / pitch - line - 0.5 + 0.3 * (chance(line, part, salt=salt + 1) - 0.5)), chance(line, part, salt=salt + 2)


def _house(x: Array, y: Array, left: float, base: float, width: float) -> list[Array]:
    """Masks of a small house, `width` wide: lit wall, shaded wall, roof, chimney, openings."""
    a, b = (x - left) / width, (base - y) / width
    lit = (a > 0) & (a < 0.42) & (b > 0) & (b < 0.46 + 0.42 * (1 - np.abs(a - 0.21) / 0.21) * (a < 0.42))
    shaded = (a >= 0.42) & (a < 1) & (b > 0) & (b < 0.46)
    roof = (b > 0.44) & (b < 0.88) & (a > 0.21 + (0.88 - b) * 0.5) & (a < 0.88 + (0.88 - b) * 0.4)
    chimney = (a > 0.66) & (a < 0.76) & (b > 0.7) & (b < 1.06)
    openings = (a > 0.15) & (a < 0.28) & (b < 0.3) & (b > 0)
    for place in (0.53, 0.77):
        openings |= (np.abs(a - place - 0.04) < 0.055) & (b > 0.16) & (b < 0.33)
    return [lit, shaded, chimney & ~roof, roof, openings]


def hatching(size: int, seed: int) -> Image.Image:
    """A pen-and-ink landscape, hatched and cross-hatched: clouds, mountains, a house, fields and a great tree."""
    rng = np.random.default_rng((seed, 3))
    n = 2 * size
    x, y = coordinates(n)
    u, v = x + 0.003 * noise(rng, n, 18, 2), y + 0.003 * noise(rng, n, 18, 2)

    cloud = noise(rng, n, 4, 4) + 0.5 * np.sin(3 * u + 14 * v)
    tone = np.clip(0.74 + 0.45 * v + 0.42 * np.clip(cloud, -0.6, 0.6), 0.42, 1.2)
    slant, bend, part = np.full((n, n), 0.12), 0.02 * cloud, np.zeros((n, n), np.int32)

    def lay(mask: Array, shade: Array, angle: float, curl: Array | float = 0.0) -> None:
        nonlocal tone, slant, bend, part
        tone, slant = np.where(mask, shade, tone), np.where(mask, angle, slant)
        bend, part = np.where(mask, curl, bend), np.where(mask, part.max() + 1, part)

    peak = 0.43 + curve(rng, u, 0.13, 2.2) + 0.02 * np.abs(noise(rng, n, 22, 2))
    slope = np.gradient(blur(noise(rng, n, 9, 3) + 6 * peak, 0.004), axis=1) * n
    lay(v > peak, 0.6 - np.clip(0.04 * slope, -0.16, 0.34) + 0.5 * (v - peak), 0.95, 0.02 * noise(rng, n, 6))
    hill = 0.585 + curve(rng, u, 0.045, 1.3)
    lay(v > hill, 0.5 + 2.2 * (v - hill), -0.25, 0.6 * (hill - 0.58))
    wood = hill - 0.012 - 0.03 * np.abs(noise(rng, n, 26, 2))
    lay((v > wood) & (v < hill + 0.012), 0.15 + 9 * (hill - v), 1.35, 0.008 * noise(rng, n, 30))
    field = 0.69 + 0.05 * u + curve(rng, u, 0.02, 1.1)
    furrow = np.sin(2 * np.pi * 26 * (u - 0.42) / np.maximum(3.2 * v - 1.67, 0.1))
    lay(v > field, 0.8 + 0.3 * furrow - 0.22 * (u < 0.34), -0.5, 0.0)
    left = rng.uniform(0.5, 0.56)
    faces = ((1.15, 1.57), (0.5, 1.5), (0.45, 1.5), (0.34, -0.75), (-0.1, 0.4))
    for mask, (shade, angle) in zip(_house(u, v, left, 0.72, 0.2), faces, strict=True):
        lay(mask, np.full((n, n), shade, np.float32), angle)
    lay((v > 0.72) & (v < 0.735 + 0.12 * (u - left)) & (u > left) & (u < left + 0.32), 0.22 + 0 * u, 0.05)
    front = 0.86 - 0.06 * u + curve(rng, u, 0.02, 1.4) - 0.012 * np.abs(noise(rng, n, 60))
    lay(v > front, 0.68 - 3.2 * (v - front) + 0.2 * noise(rng, n, 8, 2), -1.25, 0.012 * noise(rng, n, 10))
    root = rng.uniform(0.17, 0.22)
    trunk = np.abs(u - root - 0.025 * np.sin(7 * v)) < 0.026 + 0.5 * np.maximum(v - 0.84, 0) ** 1.3 + 0.012 * noise(rng, n, 12)
    lay(trunk & (v > 0.3) & (v < 0.93), 0.5 - 15 * (u - root) + 0.2 * noise(rng, n, 40), 1.45, 0.004 * noise(rng, n, 20))
    for turn in np.linspace(0, 5 * np.pi, 12) + rng.uniform(-0.3, 0.3, 12):
        cx, cy, r = root + 0.16 * np.cos(turn), 0.3 + 0.13 * np.sin(turn) + 0.06 * np.cos(2 * turn), rng.uniform(0.075, 0.11)
        ragged = np.hypot(u - cx, v - cy) + 0.013 * noise(rng, n, 34, 2)
        lay(ragged < r, 0.6 - 3.6 * ((u - cx) + 1.25 * (v - cy)) + 0.16 * noise(rng, n, 50), 0.75, 0.012 * noise(rng, n, 22))

    tone = tone + 0.1 * noise(rng, n, 45, 2)
    ink = np.zeros((n, n), np.float32)
    pitch = 0.0082
    for number, (turn, limit) in enumerate(((0.0, 0.86), (0.85, 0.6), (-0.7, 0.4), (1.6, 0.22))):
        c, s = np.cos(slant + turn), np.sin(slant + turn)
        along, across = c * u + s * v, c * v - s * u + bend
        distance, own = _strokes(along, across, pitch, rng.uniform(0.07, 0.12), seed * 16 + number * 3)
        depth = limit + 0.16 * (own - 0.5) - tone
        half = np.clip(0.09 + 0.55 * depth, 0, 0.34) * (depth > 0)
        ink = np.maximum(ink, np.clip((half - distance) * pitch * n * 0.8 + 0.5, 0, 1) * (half > 0))
    contour = outlines(part, np.clip(0.0034 + 0.0016 * noise(rng, n, 30, 2), 0.0016, 0.006))
    echo = outlines(np.roll(part, (3, -4), (0, 1)), 0.002) * (noise(rng, n, 16) > 0.25)
    ink = np.maximum(np.maximum(ink, contour), echo) * np.clip(1.05 + 0.35 * noise(rng, n, 260), 0.5, 1)
    paper = ramp(0.55 + 0.2 * noise(rng, n, 3, 3) + 0.16 * noise(rng, n, 240, 2), "#dcc9a3", "#efe2c4", "#f8f0dc")
    margin = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y)) + 0.004 * noise(rng, n, 40, 2)
    paint(paper, blur(ink * (margin > 0.022), 0.0004), "#1f1a1c")
    return finish(paper, size)


def woodcut(size: int, seed: int) -> Image.Image:
    """Mountains, pines and water carved in parallel gouges that follow the forms, black on ivory, with a vermilion sun."""
    rng = np.random.default_rng((seed, 4))
    n = 2 * size
    x, y = coordinates(n)
    u, v = x + 0.004 * noise(rng, n, 12, 2), y + 0.004 * noise(rng, n, 12, 2)
    sun = (rng.uniform(0.6, 0.72), rng.uniform(0.24, 0.3))
    radius = np.hypot(u - sun[0], v - sun[1])

    phase = radius * 30 + 0.35 * noise(rng, n, 3, 2)
    along = np.arctan2(v - sun[1], u - sun[0]) * 5
    tone = np.clip(1.0 - 0.9 * radius, 0.25, 0.85) + 0.1 * noise(rng, n, 5, 2)
    part = np.zeros((n, n), np.int32)

    def carve(mask: Array, lines: Array, run: Array, shade: Array | float) -> None:
        nonlocal phase, along, tone, part
        phase, along = np.where(mask, lines, phase), np.where(mask, run, along)
        tone, part = np.where(mask, shade, tone), np.where(mask, part.max() + 1, part)

    for cx, cy in ((0.2, 0.13), (0.86, 0.1), (0.42, 0.3)):
        cx, cy, w = cx + rng.uniform(-0.06, 0.06), cy + rng.uniform(-0.03, 0.03), rng.uniform(0.12, 0.19)
        puff = np.abs((v - cy) / (0.026 + 0.016 * np.cos(11 * (u - cx) / w))) + ((u - cx) / w) ** 2
        carve((puff < 1) & (radius > 0.13), (v - cy) * 75, u * 8, 0.95 - 9 * np.maximum(v - cy, 0))
    ranges = [[(0.12, 0.3), (0.42, 0.36), (0.78, 0.4), (1.05, 0.33)], [(0.28, 0.5), (0.62, 0.55), (0.95, 0.5)]]
    for depth, summits in enumerate(ranges):
        tops = np.array(summits) + rng.uniform(-0.035, 0.035, (len(summits), 2))
        slopes = [top + (0.85 - 0.25 * depth) * np.abs(u - peak) for peak, top in tops]
        ridge = np.min(slopes, 0) + 0.012 * noise(rng, n, 12, 2)
        side = u - tops[np.argmin(slopes, 0), 0] + 0.07 * noise(rng, n, 7, 2) * np.clip(9 * (v - ridge), 0.1, 1)
        lit = (side > 0) == (tops[np.argmin(slopes, 0), 0] < sun[0])
        fall = 34 * (u + np.where(side > 0, -0.8, 0.8) * (v - ridge)) + 0.3 * noise(rng, n, 6)
        snow = np.clip(1 - 7 * (v - ridge), 0, 1)
        carve(v > ridge, fall, 6 * (v - ridge), np.where(lit, 0.58 + 0.4 * snow, 0.26 - 0.1 * depth))
    shore = 0.685 + curve(rng, u, 0.006, 1.0)
    ripple = v + 0.006 * np.sin(2 * np.pi * (3 * u + 6 * v)) + 0.003 * noise(rng, n, 9)
    mirror = np.abs(u - sun[0] + 0.015 * np.sin(70 * v)) < 0.07 + 0.12 * (v - shore)
    carve(v > shore, 44 * ripple, 7 * u, 0.45 + 0.25 * mirror - 3 * (0.73 - v) * (v < 0.73) + 0.14 * noise(rng, n, 6))
    water = part.max()
    bank = 0.865 + 0.1 * (u - 0.35) + curve(rng, u, 0.03, 1.3)
    carve(v > bank, 44 * (v - bank) + 7 * u, 8 * u, 0.3 + 0.2 * noise(rng, n, 7, 2) + 0.6 * (v < bank + 0.02))
    for center, base, height in ((0.4, 0.9, 0.2), (0.83, 0.95, 0.28), (0.27, 0.92, 0.42), (0.11, 0.96, 0.68), (0.94, 0.97, 0.5)):
        aside = np.abs(u - center - rng.uniform(-0.015, 0.015)) / height
        h = (base - v) / height + 0.02 * noise(rng, n, 60)
        droop = (h + 0.55 * aside) * (6 + 8 * height)
        spread = 0.27 * np.clip(1.03 - h, 0, 1) ** 0.9 * (1 - 0.5 * (droop % 1))
        pine = ((aside < spread) & (h > 0.09) & (h < 1)) | ((aside < 0.022) & (h > 0) & (h < 0.3))
        carve((blur(pine, 0.006) > 0.04) & (h > 0.07), phase, along, 2.0)
        lit = (u > center) == (center < sun[0])
        carve(pine, 3 * droop, 14 * aside, np.where(lit & (aside > 0.03), 0.36, 0.12) * (aside < 0.8 * spread) - 0.05)

    line = np.floor(phase)
    cut = np.floor(along + 6 * chance(line, part, salt=seed))
    taper = 1 - np.abs((along + 6 * chance(line, part, salt=seed)) % 1 - 0.5) * 2
    width = np.clip(tone + 0.22 * (chance(line, cut, part, salt=seed + 1) - 0.5), 0, 1) * np.clip(taper * 5, 0, 1) ** 0.5
    white = (np.abs(phase - line - 0.5) < 0.5 * width) & (width > 0.1)
    border = outlines(part, np.clip(0.0065 + 0.002 * noise(rng, n, 20), 0.004, 0.01))
    white = np.where(tone > 1.5, 1, np.where(border > 0, 0, white))
    white = blur(white, 0.0009) + 0.1 * noise(rng, n, 150) > 0.5
    frame = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y)) + 0.003 * noise(rng, n, 50, 2)

    canvas = ramp(0.6 + 0.15 * noise(rng, n, 5, 3) + 0.1 * noise(rng, n, 250), "#d8c7a0", "#ece0c2", "#f7efdb")
    disc = (radius < 0.115) & (part == 0)
    red = disc | (mirror & white & (part == water))
    paint(canvas, 0.93 * red * np.clip(1 + 0.25 * noise(rng, n, 90, 2), 0.6, 1), "#d13a1e")
    black = ~white & ~disc & (frame > 0.02)
    paint(canvas, blur(black, 0.0004) * np.clip(1.0 + 0.16 * noise(rng, n, 200, 2), 0.75, 1), "#17130f")
    return finish(canvas, size)


def _halftone(x: Array, y: Array, pitch: float, turn: float, tone: Array) -> Array:
    """Dots on a turned grid, `(n, n)` of 0 or 1; `tone` is the part of the paper that they cover."""
    u, v = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    distance = np.hypot(u / pitch % 1 - 0.5, v / pitch % 1 - 0.5)
    return (distance < np.sqrt(np.clip(tone, 0, 1) / np.pi) * 1.05).astype(np.float32)


def comic(size: int, seed: int) -> Image.Image:
    """A comic panel: a rocket climbs over a city before a burst of rays; flat colors, ink outlines, halftone dots."""
    rng = np.random.default_rng((seed, 5))
    n = 2 * size
    x, y = coordinates(n)
    u, v = x + 0.0015 * noise(rng, n, 14, 2), y + 0.0015 * noise(rng, n, 14, 2)
    center = (rng.uniform(0.34, 0.44), rng.uniform(0.56, 0.64))
    radius, angle = np.hypot(u - center[0], v - center[1]), np.arctan2(v - center[1], u - center[0])
    part, ink = np.zeros((n, n), np.int32), np.zeros((n, n), np.float32)
    rays = np.floor(angle / (2 * np.pi) * 26 + rng.uniform(0, 1)) % 2
    canvas = np.where(rays[..., None] > 0, ramp(0 * u, "#ffd21f", "#ffd21f"), ramp(0 * u, "#ff9a1f", "#ff9a1f"))
    paint(canvas, _halftone(x, y, 0.0135, 0.6, 1.5 * (radius - 0.25)) * (rays > 0), "#f0502a")
    paint(canvas, _halftone(x, y, 0.0135, 0.6, 1.5 * (radius - 0.25)) * (rays == 0), "#d8243c")
    paint(canvas, radius < 0.2 + 0.012 * np.cos(26 * angle), "#fff3a0")

    def color_in(mask: Array, flat: str, dots: str = "#000000", tone: Array | float = 0.0) -> None:
        canvas[mask] = color(flat)
        if dots != "#000000":
            shade = _halftone(x[mask], y[mask], 0.0115, 0.78, np.broadcast_to(tone, (n, n))[mask])
            canvas[mask] += shade[:, None] * (color(dots) - color(flat))

    def cut(mask: Array, flat: str, dots: str = "#000000", tone: Array | float = 0.0) -> None:
        part[mask] = part.max() + 1
        color_in(mask, flat, dots, tone)

    def puffs(spots: list[tuple[float, float, float]], dots: str, tone: Array) -> None:
        cut(np.any([(u - cx) ** 2 + (v - cy) ** 2 < r**2 for cx, cy, r in spots], axis=0), "#ffffff", dots, tone)

    for cx, cy in ((0.13, 0.2), (0.36, 0.09), (0.9, 0.42)):
        cx, cy = cx + rng.uniform(-0.03, 0.03), cy + rng.uniform(-0.03, 0.03)
        spots = [(cx + 0.045 * k, cy - 0.02 * (k % 2), 0.04 + 0.02 * rng.random()) for k in (-2, -1, 0, 1, 2)]
        puffs(spots, "#4db3e8", 9 * (v - cy))
    for layer, (flat, shade, glow) in enumerate((("#8a5fd6", "#5230a0", "#ffd21f"), ("#2f7be0", "#17418f", "#ffe96b"))):
        edges = np.cumsum(rng.uniform(0.13, 0.2, 9)) - 0.2
        tops = rng.uniform(0.5, 0.72, 10) + 0.13 * layer
        block = np.searchsorted(edges, u)
        left, right, top = np.append(-0.4, edges)[block], np.append(edges, 1.4)[block], tops[block]
        face = (u - left) / (right - left) / 0.74
        body = v > top
        part[body] = 100 + 20 * layer + block[body]
        color_in(body, flat, shade, 1.5 * (v - top))
        cut(body & (face > 1), shade)
        roof = (np.abs(face - 0.45) < 0.22) & (v > top - 0.028) & ~body & (block % 2 == 0)
        cut(roof, flat)
        across, down = face * 4 - 0.2, (v - top - 0.018) / 0.05
        panes = (
            body
            & (face < 0.95)
            & (across > 0)
            & (np.abs(across % 1 - 0.42) < 0.27)
            & (np.abs(down % 1 - 0.4) < 0.26)
            & (down > 0)
        )
        bright = chance(np.floor(across), np.floor(down), block, salt=seed + layer) < 0.6
        color_in(panes & bright, glow)
        color_in(panes & ~bright, "#14204a")

    nose, lean = (rng.uniform(0.68, 0.74), rng.uniform(0.14, 0.2)), rng.uniform(0.3, 0.42)
    c, s = np.cos(lean), np.sin(lean)
    p, q = c * (u - nose[0]) + s * (v - nose[1]), c * (v - nose[1]) - s * (u - nose[0])
    tail = [(nose[0] - s * d - 0.02 * k, nose[1] + c * d) for k, d in enumerate((0.6, 0.68, 0.77, 0.87, 0.97))]
    spots = [
        (cx + e * 0.05, cy + rng.uniform(-0.015, 0.015), 0.035 + 0.011 * k) for k, (cx, cy) in enumerate(tail) for e in (-1, 0, 1)
    ]
    puffs(spots, "#8a8fa8", 0.12 + 1.1 * (v - 0.7) + 0.9 * (u - tail[2][0]))
    for wide, long, flat in ((0.088, 0.3, "#e8261c"), (0.062, 0.22, "#ff8a12"), (0.036, 0.14, "#fff03a")):
        flame = (q > 0.4) & (np.abs(p + 0.006 * np.sin(60 * q)) < wide * np.clip(1 - (q - 0.4) / long, 0, 1) ** 0.7)
        cut(flame, flat)
    for side in (-1, 1):
        fin = (side * p > 0.03) & (side * p < 0.15) & (q > 0.2 + 1.3 * (side * p - 0.03)) & (q < 0.36 + 0.95 * (side * p - 0.03))
        cut(fin, "#e8261c", "#8f0f1c", 0.55 if side > 0 else 0.0)
    hull = 0.088 * np.sqrt(np.clip(1 - ((q - 0.21) / 0.215) ** 2, 0, 1))
    body = (np.abs(p) < hull) & (q < 0.39)
    cut(body, "#f4f6fb", "#5b8fd0", 7 * (p - 0.015))
    cut(body & (p > 0.6 * hull), "#3f62a8")
    cut(body & (q < 0.095), "#e8261c", "#8f0f1c", 9 * p)
    cut(body & (q > 0.33), "#e8261c", "#8f0f1c", 9 * p)
    cut(np.hypot(p, q - 0.18) < 0.05, "#ffc414")
    cut(np.hypot(p, q - 0.18) < 0.032, "#3fc1f0", "#ffffff", 0.8 * (p + q < 0.17))
    for k in np.linspace(-0.16, 0.16, 7):
        ink = np.maximum(ink, (np.abs(p - k) < 0.0022) & (q > 0.47 + 0.3 * abs(k)) & (q < 0.6 + 0.6 * abs(k)) & (part == 0))

    brush = np.clip(0.0056 + 0.0022 * noise(rng, n, 16, 2), 0.003, 0.01)
    frame = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y))
    canvas *= (1 - 0.05 * np.abs(noise(rng, n, 200)))[..., None]
    paint(canvas, blur(np.maximum(outlines(part, brush), ink), 0.0005), "#0c0a14")
    paint(canvas, blur((frame < 0.028).astype(np.float32), 0.0004), "#0c0a14")
    paint(canvas, blur((frame < 0.02).astype(np.float32), 0.0004), "#fbf5e4")
    return finish(canvas, size)
