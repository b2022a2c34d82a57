"""Puts rows of images together on a contact sheet."""

import torch
from PIL import Image

from ..images.images import tensor_to_image


def contact_sheet(rows: list[list[torch.Tensor]], columns: int = 1, gap: int = 6) -> Image.Image:
    """One picture of many, all of the first one's size.

    Args:
        rows: each a list of `(1, 3, H, W)` tensors in [-1, 1], shown side by side.
        columns: how many rows stand next to each other.
        gap: pixels between columns.

    >>> contact_sheet([[torch.zeros(1, 3, 4, 4)] * 3] * 4, columns=2, gap=0).size
    (24, 8)
    """
    height, width = rows[0][0].shape[-2:]
    row_width = width * max(len(row) for row in rows) + gap
    lines = -(-len(rows) // columns)
    sheet = Image.new("RGB", (row_width * columns - gap, height * lines), "white")
    for i, row in enumerate(rows):
        left, top = (i % columns) * row_width, (i // columns) * height
        for j, image in enumerate(row):
            sheet.paste(tensor_to_image(image)[0].resize((width, height)), (left + j * width, top))
    return sheet
