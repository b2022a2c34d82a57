"""Computes sizes that a network can take, and resizes images to them."""

import math

from PIL import Image

from ..errors import ImageError


def resize_within(image: Image.Image, pixels: int, least: int) -> Image.Image:
    """Shrinks or enlarges `image` to at most `pixels` pixels and a shorter side of `least` at least; a very long side ends at 16
    times `least`, so that a strip one pixel high does not become a thousand times larger.

    >>> resize_within(Image.new("RGB", (400, 200)), 100 * 50, 10).size
    (100, 50)
    >>> resize_within(Image.new("RGB", (5000, 1)), 512 * 512, 64).size
    (1024, 64)
    """
    scale = max(min(1.0, math.sqrt(pixels / (image.width * image.height))), least / min(image.size))
    if scale == 1:
        return image
    bound = max(16 * least, math.isqrt(pixels))
    sides = [min(max(least, round(side * scale)), bound) for side in image.size]
    return image.resize(sides, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)


def working_size(photo: Image.Image, max_size: int | None, most_pixels: int) -> Image.Image:
    """Shrinks `photo` to sides of at most `max_size`; the result is to be scaled back.

    Raises:
        ImageError: more than `most_pixels` pixels are left.

    >>> working_size(Image.new("RGB", (300, 200)), 30, 1000).size
    (30, 20)
    """
    if max_size is not None and max(photo.size) > max_size:
        scale = max_size / max(photo.size)
        photo = photo.resize([max(1, round(side * scale)) for side in photo.size], Image.Resampling.LANCZOS)
    if photo.width * photo.height > most_pixels:
        side = 1 << (math.isqrt(most_pixels).bit_length() - 1)
        raise ImageError(
            f"the image has {photo.width} x {photo.height} pixels, more than the {most_pixels:,} that are worked on at once; "
            f"pass `max_size=`, for instance {side}, to work at a smaller size and scale back"
        )
    return photo


def resized_to(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Resizes `image` to exactly this width and height by Lanczos' filter; returns it unchanged if it has them.

    >>> resized_to(Image.new("RGB", (8, 4)), (4, 4)).size
    (4, 4)
    """
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
