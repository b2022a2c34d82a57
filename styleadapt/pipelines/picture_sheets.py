"""Sheets of pictures of one size, in rows and columns, and pictures repeated as tiles."""

import math
from collections.abc import Sequence

from PIL import Image


def picture_grid(pictures: Sequence[Image.Image], columns: int | None = None) -> Image.Image:
    """All pictures on one sheet, row by row, without gaps.

    Args:
        pictures: of one size, one at least.
        columns: as many as make the sheet about square, if left out.

    >>> picture_grid([Image.new("RGB", (4, 3))] * 5).size
    (12, 6)
    """
    columns = columns or math.ceil(math.sqrt(len(pictures)))
    width, height = pictures[0].size
    sheet = Image.new("RGB", (columns * width, -(-len(pictures) // columns) * height), "white")
    for n, picture in enumerate(pictures):
        sheet.paste(picture, (n % columns * width, n // columns * height))
    return sheet


def repeated(picture: Image.Image, times: int = 3) -> Image.Image:
    """A picture side by side with itself, so many times along both axes, which shows whether it has a seam.

    >>> repeated(Image.new("RGB", (4, 3))).size
    (12, 9)
    """
    return picture_grid([picture] * times**2, times)
