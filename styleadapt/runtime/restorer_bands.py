"""Runs the restorer on a photo of any size in little memory: `Restorer.forward`, in bands of rows that overlap.

The network has no statistics of the whole picture but the levels of damage, which are estimated once. So a pixel depends on those
within its sight alone, and bands that overlap by that much give what the whole picture would give: there are no seams to hide.
"""

import math
from collections.abc import Callable

import numpy as np
import torch

from ..models.restorer import Restorer

BAND_PIXELS = 1 << 20  # fewer repeat more rows, more take more memory
TILE, TILES = 128, 16  # side and number of the squares that levels are estimated on


def sight(restorer: Restorer) -> int:
    """Computes the radius of the network's receptive field in pixels, rounded up to a multiple of its smallest scale.

    >>> sight(Restorer(widths=(8, 16), blocks=(1, 3), estimator_widths=(8,)))
    40
    """
    blocks = restorer.config.blocks
    # two convolutions a block, each of which sees one cell further; all scales but the smallest have their blocks twice
    cells = [4 * count for count in blocks[:-1]] + [2 * blocks[-1]]
    cells[0] += 2
    multiple = 2 ** len(blocks)
    # within its own cell of the smallest scale, a pixel may lie anywhere
    reach = sum(2 ** (n + 1) * count for n, count in enumerate(cells)) + multiple
    return -(-reach // multiple) * multiple


@torch.inference_mode()
def estimate_levels(restorer: Restorer, image: np.ndarray, dtype: torch.dtype | None = None) -> torch.Tensor:
    """Levels of damage of an image: the median over squares that are spread over it, each estimated for itself.

    Args:
        restorer: in evaluation mode.
        image: float32 `(H, W, 3)`, clean ones in [-1, 1].
        dtype: to calculate in; the restorer's own if left out.

    Returns:
        `(3,)` in float32 on the CPU, see `models.restorer`.
    """
    tiles = [_tensor(image[top : top + TILE, left : left + TILE], restorer.device) for top, left in _places(*image.shape[:2])]
    with _precision(restorer, dtype):
        levels = torch.cat([restorer.estimated_levels(tile.to(restorer.dtype)) for tile in tiles])
    return levels.float().cpu().median(0).values


@torch.inference_mode()
def restore(
    restorer: Restorer,
    image: np.ndarray,
    levels: torch.Tensor,
    dtype: torch.dtype | None = None,
    band_pixels: int = BAND_PIXELS,
    advance: Callable[[float], object] | None = None,
) -> np.ndarray:
    """The restored image.

    Args:
        restorer: in evaluation mode.
        image: float32 `(H, W, 3)`, any H and W from 1 up; clean ones lie in [-1, 1].
        levels: of damage, `(3,)`.
        dtype: to calculate in; the restorer's own if left out.
        band_pixels: about so many pixels are restored at a time.
        advance: called after each band with the share of rows that are done.

    Returns:
        float32 `(H, W, 3)`, not clamped.

    Raises:
        ValueError: the result holds NaN or infinite values.

    >>> restorer = Restorer(widths=(8, 16), blocks=(1, 1), estimator_widths=(8,)).eval()
    >>> restore(restorer, np.zeros((37, 50, 3), np.float32), torch.zeros(3)).shape
    (37, 50, 3)
    """
    height, width = image.shape[:2]
    halo = sight(restorer)
    multiple = 2 ** len(restorer.config.blocks)
    rows = max(multiple, band_pixels // width // multiple * multiple)
    restored = np.empty(image.shape, np.float32)
    given = levels.to(restorer.device, torch.float32)[None]
    for top in range(0, height, rows):
        bottom, low = min(top + rows, height), max(0, top - halo)
        band = _tensor(image[low : min(bottom + halo, height)], restorer.device)
        with _precision(restorer, dtype):
            out = restorer(band.to(restorer.dtype), given).sample[0, :, top - low : bottom - low]
        if not out.isfinite().all():
            raise ValueError("the restored image holds NaN or infinite values: the image or the restorer's weights are damaged")
        restored[top:bottom] = out.float().permute(1, 2, 0).cpu().numpy()
        if advance is not None:
            advance(bottom / height)
    return restored


def _places(height: int, width: int) -> list[tuple[int, int]]:
    """Corners of squares, evenly spread and at most `TILES` of them.

    >>> _places(100, 300)
    [(0, 0), (0, 86), (0, 172)]
    """
    most = math.isqrt(TILES)
    tops, lefts = (
        np.linspace(0, max(length - TILE, 0), min(most, -(-length // TILE))).astype(int).tolist() for length in (height, width)
    )
    return [(top, left) for top in tops for left in lefts]


def _tensor(image: np.ndarray, device: torch.device) -> torch.Tensor:
    x = torch.from_numpy(np.ascontiguousarray(image)).to(device)
    return x.permute(2, 0, 1)[None]  # which is channels_last


def _precision(restorer: Restorer, dtype: torch.dtype | None) -> torch.autocast:
    wanted = dtype or restorer.dtype
    return torch.autocast(restorer.device.type, wanted, enabled=wanted != restorer.dtype)
