"""Turns masks into the opacities of styled regions with soft borders."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageFilter

from ..errors import ImageError
from ..images.images import ImageSource, load_image, split_alpha

_ROWS = 256  # normalized at a time, to spare memory


def read_mask(source: ImageSource, name: str = "`mask`") -> Image.Image:
    """A mask of mode "L", 255 where the region is: an image's alpha channel if that is not opaque all over, else its brightness.

    Args:
        source: what `load_image` takes; see `truth_as_light`.
        name: what an error message calls the mask.

    Raises:
        ImageError: it cannot be read, or covers nothing.

    >>> read_mask(Image.new("RGB", (4, 3), "white")).getextrema()
    (255, 255)
    """
    colors, alpha = split_alpha(load_image(truth_as_light(source)))
    mask = colors.convert("L") if alpha is None or alpha.getextrema() == (255, 255) else alpha
    if mask.getextrema() == (0, 0):
        raise ImageError(f"{name} is black or transparent all over; paint the region white, or leave the mask out")
    return mask


def truth_as_light(mask: ImageSource) -> ImageSource:
    """A mask as it is, but an array or tensor of uint8 whose largest value is 1 is multiplied by 255: it holds
    truth values, as segmentation gives them. Image files and PIL images stay as they are.

    >>> truth_as_light(np.array([[0, 1]], np.uint8))
    array([[  0, 255]], dtype=uint8)
    """
    if isinstance(mask, np.ndarray) and mask.dtype == np.uint8 and mask.max(initial=0) == 1:
        return mask * np.uint8(255)
    if isinstance(mask, torch.Tensor) and mask.dtype == torch.uint8 and mask.numel() and mask.max() == 1:
        return mask * 255
    return mask


def check_regions(masks: int, styles: int, style_weights: Sequence[float] | None) -> None:
    """Refuses styles that cannot be dealt out to masks.

    Raises:
        ValueError: neither as many styles as masks nor one more, or weights to blend them by.
    """
    if style_weights is not None:
        raise ValueError("`style_weights` blends styles, and with `mask` each has a region of its own; leave one of them out")
    if styles - masks not in (0, 1):
        raise ValueError(
            f"`mask` and `style` are {masks} to {styles}; give each style a mask, or leave out that of the last, which then "
            "takes the rest"
        )


def region_opacities(masks: Sequence[Image.Image], size: tuple[int, int], mask_feather: float) -> list[Image.Image]:
    """Computes the opacity of each region's picture, where the pictures are laid over each other in this order, the first one
    over a ground.

    Every mask is resized and softened. Where the sum of all is more than 255 they are divided by it, and where it is less the
    ground shows by what is missing, so that the order does not matter.

    Args:
        masks: of mode "L" and any size.
        size: width and height of the photo.
        mask_feather: width of the soft border as a share of the photo's longer side.

    Returns:
        An "L" image of `size` for each mask, for `Image.composite`.

    >>> half = Image.new("L", (2, 2), 255)
    >>> [opacity.getpixel((0, 0)) for opacity in region_opacities([half, half], (8, 8), 0)]
    [255, 128]
    """
    width = mask_feather * max(size)
    soft = [np.asarray(_softened(mask.resize(size, Image.Resampling.BILINEAR), width)) for mask in masks]
    opacities = [np.empty_like(mask) for mask in soft]
    for top in range(0, size[1], _ROWS):
        rows = slice(top, top + _ROWS)
        weights = [mask[rows].astype(np.float32) for mask in soft]
        below = np.maximum(255 - sum(weights), 0)
        for opacity, weight in zip(opacities, weights):
            below += weight
            opacity[rows] = np.round(255 * weight / np.maximum(below, 1))
    return [Image.fromarray(opacity) for opacity in opacities]


def _softened(mask: Image.Image, width: float) -> Image.Image:
    """Steps become slopes `width` pixels wide. Two box blurs, whose time does not depend on the width."""
    blur = ImageFilter.BoxBlur(width / 4)
    return mask.filter(blur).filter(blur)
