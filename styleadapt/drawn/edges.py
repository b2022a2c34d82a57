"""Draws photos of a plain area beside a strong edge. Training on them keeps bright rims out of skies."""

import cv2
import numpy as np
import torch

# of the picture. A small front is the hardest: what is normalized over the picture makes it far brighter than its ground.
_LEAST_GROUND, _LEAST_FRONT = 0.25, 0.03


def drawn_edge(size: int, rng: np.random.Generator, photo: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """A plain ground and something of another brightness before it: a half plane, a skyline, a disk or a box.

    Args:
        size: side of the picture in pixels, 64 at least.
        rng: of shape, colors, blur and noise.
        photo: `(3, size, size)` in [-1, 1]; what stands before the ground is made of it, darkened or lightened, instead of being
            plain as well.

    Returns:
        The picture, `(3, size, size)` in [-1, 1], and `(size, size)` the distance of every pixel of a plain ground from the edge
        in pixels, below 0 on the other side of the edge if that is plain too, and 0 where nothing is plain.

    >>> picture, distance = drawn_edge(96, np.random.default_rng(0))
    >>> picture.shape, bool(distance.max() > 20)
    (torch.Size([3, 96, 96]), True)
    """
    ground = _ground(size, rng)
    share = ground.mean()
    if not _LEAST_GROUND <= share <= 1 - _LEAST_FRONT:
        ground = np.add.outer(np.arange(size), np.zeros(size)) < size * rng.uniform(0.4, 0.6)
    light, dark = rng.uniform(0.45, 1.0), rng.uniform(0.0, 0.35)
    colors = [np.clip(value + rng.uniform(-0.25, 0.25, 3), 0, 1) * 2 - 1 for value in (light, dark)]
    if rng.random() < 0.5:
        colors.reverse()
    front = np.broadcast_to(colors[1], (size, size, 3))
    if photo is not None:
        front = np.clip(0.6 * photo.permute(1, 2, 0).numpy() + 0.6 * colors[1], -1, 1)
    picture = np.where(ground[..., None], colors[0], front).astype(np.float32)
    if rng.random() < 0.7:
        picture[:] = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.5))
    picture += rng.normal(0, rng.uniform(0, 0.02), picture.shape)
    inside, outside = (
        cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for mask in (ground, ~ground)
    )
    distance = inside - (outside if photo is None else 0)
    return torch.from_numpy(picture.clip(-1, 1)).permute(2, 0, 1).contiguous(), torch.from_numpy(distance.astype(np.float32))


def _ground(size: int, rng: np.random.Generator) -> np.ndarray:
    """Where the plain ground is, `(size, size)` of booleans."""
    rows, columns = np.mgrid[0:size, 0:size] / size - 0.5
    kind = rng.integers(5)
    if kind <= 1:
        angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else rng.integers(4) * np.pi / 2
        return np.cos(angle) * columns + np.sin(angle) * rows < rng.uniform(-0.12, 0.12)
    if kind == 2:
        steps = int(rng.integers(3, 9))
        heights = np.repeat(rng.uniform(-0.05, 0.3, steps), -(-size // steps))[:size]
        return rows < heights[None]
    left, top = rng.uniform(-0.2, 0.2, 2)
    if kind == 3:
        return np.hypot(rows - top, columns - left) > rng.uniform(0.1, 0.38)
    return np.maximum(abs(rows - top) / rng.uniform(0.5, 1), abs(columns - left)) > rng.uniform(0.1, 0.35)
