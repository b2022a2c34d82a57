"""Distributes the refinement that a call of the style transfer pipeline asks for among its photos and styles."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import nn

from ..adaptation.refinement import RefinementConfig, RefinementProgress, refine
from ..adaptation.refinement_budget import RefinementBudget
from ..images.images import load_image, open_image, split_alpha
from ..losses.features import VGG16, build_feature_network
from .image_io import ImageLike

Callback = Callable[[RefinementProgress], object]


@dataclass(frozen=True)
class Refinement:
    """The refinement of one painting.

    Args:
        budget: of this painting.
        styles, style_weights: whose Gram matrices are reached.
        start: a picture that was refined before; the generator's if left out.
        config, callback: as in `refine`.
    """

    budget: RefinementBudget
    styles: Sequence[Image.Image]
    style_weights: Sequence[float] | None = None
    start: Image.Image | None = None
    config: RefinementConfig | None = None
    callback: Callback | None = None

    def paint(
        self, photo: Image.Image, render: Callable[[Image.Image], Image.Image], strength: float, device: torch.device
    ) -> Image.Image:
        """The refined picture of an "RGB" photo, of the same size.

        Args:
            render: gives the generator's picture of a photo.
            device: where the feature network works.
        """
        picture = self.start or render(photo)
        with torch.inference_mode(False), torch.enable_grad():
            return refine(
                picture,
                photo,
                self.styles,
                _feature_network(device),
                self.budget,
                style_weights=self.style_weights,
                strength=strength,
                resume=self.start is not None,
                config=self.config,
                callback=self.callback,
            )


def read_refinements(
    wanted: int | float | str | None,
    start: Sequence[ImageLike] | None,
    callback: Callback | None,
    config: RefinementConfig | None,
    *,
    styles: Sequence[ImageLike] | None,
    style_weights: Sequence[float] | None,
    photos: int,
    regions: int,
) -> list[list[Refinement | None]]:
    """The refinements of a call: for every photo a list of one for each style that has a region, or of one for all together.

    Args:
        wanted: as `RefinementBudget.read`.
        start: one picture a photo.
        regions: styles that are painted apart from each other; 1 without masks.

    Raises:
        ValueError: no such budget; refinement without a style image; another number of pictures to start from than of photos, or
            pictures without refinement.

    >>> read_refinements(0, None, None, None, styles=None, style_weights=None, photos=2, regions=1)
    [[None], [None]]
    """
    budget = RefinementBudget.read(wanted)
    if budget is None:
        if start is not None:
            raise ValueError(f"`refine_from` is given and `refine` is {wanted!r}; say how long to refine, such as refine='30s'")
        return [[None] * regions] * photos
    if styles is None:
        raise ValueError(
            "`refine` needs the pixels of the style, which an adapter does not hold; pass `style=` the images that it was made of"
        )
    if start is not None and len(start) != photos:
        raise ValueError(f"`refine_from` has {len(start)} pictures for {photos} photos; give one for each")
    images = [open_image(style) for style in styles]
    parts = [[image] for image in images] if regions > 1 else [images]
    starts = [None] * photos if start is None else [split_alpha(load_image(picture))[0] for picture in start]
    shared = budget.shared(len(parts))
    return [[Refinement(shared, part, style_weights, picture, config, callback) for part in parts] for picture in starts]


@functools.lru_cache(maxsize=1)
def _feature_network(device: torch.device) -> nn.Module:
    """VGG-16, in bfloat16 where that is faster: loaded once, and changed by nothing."""
    return build_feature_network(VGG16, device=device)
