"""Reads holes in photos from a mask or from transparency, and fills them around their borders."""

import numpy as np
import torch
import torch.nn.functional as F

from ..errors import ImageError
from ..images.images import ImageSource
from ..models.inpainter import Inpainter
from .pictures import Picture, read_picture
from .regions import truth_as_light

# what is around a hole is looked at as far as the hole is wide, in a picture of this side at most
WORKING_SIDE = 512
_LEAST_CONTEXT = 32


def read_hole(mask: ImageSource | None, picture: Picture) -> np.ndarray:
    """Reads the hole to fill: bool `(H, W)`, true inside it.

    Args:
        mask: light in the hole, of the picture's size; None for where the picture is transparent. An array or
            tensor of truth values may be of uint8, see `truth_as_light`. A black one marks nothing, and there is nothing to fill.
        picture: to be filled.

    Raises:
        ImageError: a mask of another size, or that covers everything, or that is all dark and not black, as masks of 0 and 1 in
            image files are; no mask, and a picture that is opaque.
    """
    height, width = picture.pixels.shape[:2]
    if mask is None:
        if picture.alpha is None:
            raise ImageError("task 'inpaint' needs a hole: pass `mask=`, white in the hole, or a photo that is transparent there")
        hole = picture.alpha < (np.iinfo(picture.alpha.dtype).max + 1) // 2
    else:
        read = read_picture(truth_as_light(mask))
        transparent = read.alpha is not None and read.alpha.min() < np.iinfo(read.alpha.dtype).max
        # a brush paints opaque strokes on a transparent layer
        if transparent and read.alpha is not None:
            light = read.alpha / np.iinfo(read.alpha.dtype).max
        else:
            light = (read.pixels.mean(-1) + 1) / 2
        hole = light > 0.5
        if hole.shape != (height, width):
            raise ImageError(
                f"the mask has {hole.shape[1]} x {hole.shape[0]} pixels and the photo {width} x {height}; "
                "make the mask of the photo's size"
            )
        if light.max() > 0 and not hole.any():
            raise ImageError(
                f"the mask marks nothing: its lightest pixel has {light.max():.2g} of white's light, and a hole more than half; "
                "make the hole white"
            )
    if hole.all():
        raise ImageError("the mask covers the whole photo, and leaves nothing to go by; keep a part of it")
    return hole


@torch.inference_mode()
def fill(inpainter: Inpainter, image: np.ndarray, hole: np.ndarray, dtype: torch.dtype | None = None) -> np.ndarray:
    """The image with its hole filled; all other pixels are the very same.

    What is around the hole is looked at alone, at a smaller scale if it is larger than `WORKING_SIDE`; what was made up there is
    then enlarged.

    Args:
        inpainter: in evaluation mode.
        image: float32 `(H, W, 3)` in [-1, 1].
        hole: bool `(H, W)`, with a pixel in the hole and one outside it at least.
        dtype: to calculate in; the inpainter's own if left out.
    """
    window = _window(hole)
    x = torch.from_numpy(np.ascontiguousarray(image[window])).permute(2, 0, 1)[None].to(inpainter.device)
    mask = torch.from_numpy(hole[window].astype(np.float32))[None, None].to(inpainter.device)
    scale = max(1.0, max(x.shape[-2:]) / WORKING_SIDE)
    small, small_mask = x, mask
    if scale > 1:
        size = [max(1, round(side / scale)) for side in x.shape[-2:]]
        # a cell that lies in the hole in part is of the hole, but its color is that of its known pixels
        known = F.interpolate(1 - mask, size, mode="area")
        small = F.interpolate(x * (1 - mask), size, mode="area") / known.clamp(min=1e-6)
        small_mask = (known < 0.999).float()
        if small_mask.all():
            small_mask = (known < 1e-3).float()
    wanted = dtype or inpainter.dtype
    with torch.autocast(inpainter.device.type, wanted, enabled=wanted != inpainter.dtype):
        made = inpainter(small.to(inpainter.dtype), small_mask.to(inpainter.dtype)).sample.float()
    if scale > 1:
        made = F.interpolate(made, x.shape[-2:], mode="bicubic", align_corners=False)
    made = made[0].permute(1, 2, 0).clamp(-1, 1).cpu().numpy()
    filled = image.copy()
    filled[window][hole[window]] = made[hole[window]]
    return filled


def _window(hole: np.ndarray) -> tuple[slice, slice]:
    """The rows and columns of the hole, and as many again on every side."""
    spans = []
    for axis in (1, 0):
        found = np.flatnonzero(hole.any(axis))
        low, high = int(found[0]), int(found[-1]) + 1
        context = max(_LEAST_CONTEXT, (high - low) // 2)
        spans.append(slice(max(0, low - context), min(hole.shape[1 - axis], high + context)))
    return spans[0], spans[1]
