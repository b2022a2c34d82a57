"""Paints a whole photo in one or several styles, with a function that renders what a network can take at once."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image

from ..images.images import load_image, split_alpha
from ..images.resizing import working_size
from .image_io import ImageLike
from .refining import Refinement
from .regions import region_opacities
from .strokes import StrokeSize, paint_in_levels, stroke_levels


@dataclass(frozen=True)
class Painting:
    """How the photos of one call are painted.

    Args:
        render: gives the network's picture of an "RGB" photo in the style of a code `(1, D)`, of the photo's size.
        own_code: gives the style code of an "RGB" photo itself.
        max_pixels: that `render` can take at once.
        device: where pictures are refined.
        masks, mask_feather, strength, preserve_color, max_size, stroke_size: as in `StyleTransferPipeline.__call__`; the masks as
            `read_mask` gives them.
    """

    render: Callable[[Image.Image, torch.Tensor], Image.Image]
    own_code: Callable[[Image.Image], torch.Tensor]
    max_pixels: int
    device: torch.device
    masks: Sequence[Image.Image]
    mask_feather: float
    strength: float
    preserve_color: bool
    max_size: int | None
    stroke_size: StrokeSize

    def picture(self, source: ImageLike, codes: Sequence[torch.Tensor], refinements: Sequence[Refinement | None]) -> Image.Image:
        """The picture of a photo, of its size and with its alpha channel.

        Args:
            codes: one style a mask and, if there is one more, the last for what no mask covers.
            refinements: of each style's picture.

        Raises:
            ImageError: the photo cannot be read, or has too many pixels.
        """
        photo, alpha = split_alpha(load_image(source))
        result = photo
        if self.strength > 0:
            parts = list(zip(codes, refinements))
            for part in parts[len(self.masks) :]:
                result = self._in_one_style(photo, *part)
            for part, opacity in zip(parts, region_opacities(self.masks, photo.size, self.mask_feather)):
                result = Image.composite(self._in_one_style(photo, *part), result, opacity)
        if alpha is not None:
            result.putalpha(alpha)
        return result

    def _in_one_style(self, photo: Image.Image, code: torch.Tensor, refinement: Refinement | None) -> Image.Image:
        """The whole of an "RGB" photo in one style."""
        work = working_size(photo, self.max_size, self.max_pixels)
        if self.strength < 1:
            code = torch.lerp(self.own_code(photo), code, self.strength)

        def paint(image: Image.Image) -> Image.Image:
            return self.render(image, code)

        coarse = paint
        if refinement is not None:
            coarse = functools.partial(refinement.paint, render=paint, strength=self.strength, device=self.device)
        result = paint_in_levels(work, paint, stroke_levels(work.size, self.stroke_size), coarse)
        if result.size != photo.size:
            result = result.resize(photo.size, Image.Resampling.BICUBIC)
        # a picture to go on from was blended with the photo when it was made
        if self.strength < 0.5 and (refinement is None or refinement.start is None):
            result = Image.blend(photo, result, 2 * self.strength)
        if self.preserve_color:
            _, *chroma = photo.convert("YCbCr").split()
            result = Image.merge("YCbCr", (result.convert("L"), *chroma)).convert("RGB")
        return result
