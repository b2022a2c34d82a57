"""Puts pictures of one photo in a row, to choose from."""

from collections.abc import Sequence

from PIL import Image


def side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures of the same size and mode in a row, from left to right.

    Raises:
        ValueError: no picture.

    >>> side_by_side([Image.new("RGB", (4, 3))] * 5).size
    (20, 3)
    """
    if not pictures:
        raise ValueError("a strip needs 1 picture or more, got none")
    width, height = pictures[0].size
    strip = Image.new(pictures[0].mode, (width * len(pictures), height))
    for position, picture in enumerate(pictures):
        strip.paste(picture, (position * width, 0))
    return strip
