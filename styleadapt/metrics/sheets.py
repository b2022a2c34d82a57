"""Draws contact sheets with captions, which show the pictures behind the figures."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

_LINE, _FONT_SIZE, _GAP = 18, 13, 4


def captioned_sheet(rows: Sequence[Sequence[tuple[str, Image.Image]]], side: int = 192) -> Image.Image:
    """Rows of pictures with a line of text above each.

    Args:
        rows: captions and "RGB" images; rows may differ in length.
        side: of each picture's square in pixels; pictures keep their proportions.

    Raises:
        ValueError: no rows.

    >>> captioned_sheet([[("photo", Image.new("RGB", (64, 32)))] * 2], side=100).size
    (204, 118)
    """
    if not rows:
        raise ValueError("a contact sheet needs 1 row or more, got none")
    font = ImageFont.load_default(_FONT_SIZE)
    columns = max(len(row) for row in rows)
    sheet = Image.new("RGB", (columns * (side + _GAP) - _GAP, len(rows) * (side + _LINE)), "white")
    draw = ImageDraw.Draw(sheet)
    for y, row in enumerate(rows):
        for x, (caption, image) in enumerate(row):
            left, top = x * (side + _GAP), y * (side + _LINE)
            draw.text((left + 2, top + 1), _fitted(caption, side - 4, font), "black", font)
            scale = side / max(image.size)
            small = image.resize([max(1, round(s * scale)) for s in image.size], Image.Resampling.LANCZOS)
            sheet.paste(small, (left, top + _LINE))
    return sheet


def _fitted(caption: str, width: int, font) -> str:
    if font.getlength(caption) <= width:
        return caption
    while caption and font.getlength(caption + "...") > width:
        caption = caption[:-1]
    return caption + "..."
