"""Draws the crops of content photos that an adaptation trains on."""

import logging
import math
from collections.abc import Sequence

import numpy as np
import torch

from ..data.datasets import random_crop
from ..errors import ImageError
from ..images.images import ImageSource, open_image

logger = logging.getLogger(__name__)


class PhotoCrops:
    """Cuts crops out of photos at random places and scales, dealt evenly; at most one photo is open at a time.

    Args:
        photos: images or files, one at least.
        size: side of the crops in pixels.
        largest_zoom: scales lie between the whole short side in a crop and this enlargement of the photo's pixels.
        seed: of order, places and scales.
    """

    def __init__(self, photos: Sequence[ImageSource], size: int, largest_zoom: float, seed: int):
        self.photos, self.size, self.largest_zoom = list(photos), size, largest_zoom
        self.rng = np.random.default_rng(seed)

    def cut(self, count: int) -> list[torch.Tensor]:
        """Draws `count` crops `(1, 3, size, size)` in [-1, 1]. Photos that cannot be read are left out, with a warning that names
        them.

        Raises:
            ImageError: no photo can be read.
        """
        crops: list[torch.Tensor] = []
        order = [self.photos[i] for i in self.rng.permutation(len(self.photos))]
        while len(crops) < count:
            share = math.ceil((count - len(crops)) / len(order))
            for photo in order[:]:
                try:
                    image = open_image(photo)
                except ImageError as error:
                    logger.warning("left out: %s", error)
                    # `remove` would compare by `==`, which arrays and tensors answer for each of their values
                    order = [other for other in order if other is not photo]
                    continue
                largest = max(self.size, round(self.largest_zoom * min(image.size)))
                crops += [random_crop(image, self.size, (self.size, largest), self.rng)[None] for _ in range(share)]
                if len(crops) >= count:
                    break
            if not order:
                raise ImageError(f"none of the {len(self.photos)} content photos can be read")
        return crops[:count]
