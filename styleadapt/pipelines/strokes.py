"""Paints strokes of a chosen size on a photo of any size: the photo is painted small, and finer detail on the enlarged picture.

A generator draws strokes that are about `STROKE_PIXELS` wide, whatever it is given. A photo of 12 megapixels in one pass is
therefore covered with strokes too fine to be seen, and looks tinted. Here the photo is painted at a size at which those
strokes are the wished share of it. Then, level by level up to its own size, the picture is enlarged, given the photo's fine
detail and painted again. What a level changes of the picture before it, seen at that picture's size, is taken back
(back-projection: Irani and Peleg, "Improving resolution by image registration", 1991), or every pass would add outlines and
contrast to what the one before has painted.
"""

import math
from collections.abc import Callable
from numbers import Real
from typing import Literal

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from ..images.resizing import resized_to

StrokeSize = float | Literal["auto"]
Size = tuple[int, int]
Paint = Callable[[Image.Image], Image.Image]

STROKE_PIXELS = 10  # nominal: what a generator draws at its own scale
AUTO: Literal["auto"] = "auto"
AUTO_STROKE_SIZE = STROKE_PIXELS / 1024  # chosen by eye; photos of up to SNAP times 1024 px are painted in one pass
STEP = 2.0  # a level's side, about, as a multiple of the one before
SNAP = 1.25  # levels that differ by less are one
DETAIL_RADIUS = 2.2  # of the blur that the photo's fine detail is told by, in pixels of a level


def check_stroke_size(stroke_size: float | str, name: str = "`stroke_size`") -> StrokeSize:
    """The stroke size, if it is one.

    Args:
        stroke_size: a share of the picture's longer side, above 0 and up to 1, or "auto".
        name: what the message calls it.

    Raises:
        ValueError: it is neither.

    >>> check_stroke_size(0.02), check_stroke_size("auto")
    (0.02, 'auto')
    """
    if isinstance(stroke_size, str):
        if stroke_size == "auto":
            return "auto"
    elif not isinstance(stroke_size, bool) and isinstance(stroke_size, Real) and 0 < stroke_size <= 1:
        return float(stroke_size)
    raise ValueError(f"{name} is {stroke_size!r}; it must be a number above 0 and up to 1, a share of the longer side, or 'auto'")


def read_stroke_size(text: str, name: str = "`stroke_size`") -> StrokeSize:
    """The stroke size that a text says, such as "0.02" or "auto"; raises as `check_stroke_size`.

    >>> read_stroke_size("2e-2"), read_stroke_size("auto")
    (0.02, 'auto')
    """
    try:
        value: float | str = float(text)
    except ValueError:
        value = text
    return check_stroke_size(value, name)


def stroke_levels(size: Size, stroke_size: StrokeSize = AUTO) -> list[Size]:
    """The sizes that a picture is painted at, coarse to fine; the last is its own.

    A stroke size that asks for a larger picture than the photo is, finer strokes than the generator has, gives one pass at the
    photo's own size: an enlargement costs time and memory and shows nothing once it is reduced again.

    Args:
        size: width and height.
        stroke_size: as in `check_stroke_size`.

    >>> stroke_levels((4000, 3000), 0.01), stroke_levels((800, 600), 0.01)
    ([(1000, 750), (2000, 1500), (4000, 3000)], [(800, 600)])
    """
    share = AUTO_STROKE_SIZE if stroke_size == AUTO else float(stroke_size)
    longer = max(size)
    coarse = STROKE_PIXELS / share
    steps = max(1, round(math.log(longer / coarse, STEP))) if longer > SNAP * coarse else 0
    sides = [coarse * (longer / coarse) ** (step / steps) for step in range(steps)]
    return [*(_scaled_to(size, side) for side in sides), size]


def paint_in_levels(photo: Image.Image, paint: Paint, sizes: list[Size], paint_coarsest: Paint | None = None) -> Image.Image:
    """Paints a photo coarse to fine. Between two passes nothing but bytes is kept.

    Args:
        photo: "RGB", of any size; of another than the last of `sizes` it is resized.
        paint: gives the picture of an "RGB" image, of the same size.
        sizes: of the levels, coarse to fine, such as `stroke_levels` gives.
        paint_coarsest: paints the first level in the place of `paint`; later levels keep what it gives, seen at that size.

    Returns:
        The picture, of the last of `sizes`.

    >>> seen = []
    >>> paint_in_levels(Image.new("RGB", (40, 30)), lambda image: seen.append(image.size) or image, [(20, 15), (40, 30)]).size
    (40, 30)
    >>> seen
    [(20, 15), (40, 30)]
    """
    picture = (paint_coarsest or paint)(resized_to(photo, sizes[0]))
    for size in sizes[1:]:
        picture = _kept(paint(_with_detail(picture, resized_to(photo, size))), picture)
    return picture


def _with_detail(picture: Image.Image, photo: Image.Image) -> Image.Image:
    """`picture` enlarged to the photo's size, and the photo's fine detail added."""
    blurred = photo.filter(ImageFilter.GaussianBlur(DETAIL_RADIUS))
    detail = ImageChops.subtract(photo, blurred, 1, 128)
    del blurred
    return ImageChops.add(picture.resize(photo.size, Image.Resampling.BICUBIC), detail, 1, -128)


def _kept(fine: Image.Image, coarse: Image.Image) -> Image.Image:
    """`fine` with what it changed of `coarse`, seen at the size of `coarse`, taken back."""
    change = np.array(coarse, np.float32)
    # by the filter that viewers reduce pictures with: under another one the lines of `coarse` would fade a little at every level
    change -= np.asarray(fine.resize(coarse.size, Image.Resampling.LANCZOS))
    # Halved it has room in bytes, which Pillow enlarges; so it is added twice.
    change = np.rint(change / 2).clip(-128, 127) + 128
    half = Image.fromarray(change.astype(np.uint8)).resize(fine.size, Image.Resampling.LANCZOS)
    return ImageChops.add(ImageChops.add(fine, half, 1, -128), half, 1, -128)


def _scaled_to(size: Size, longer: float) -> Size:
    # halves go up, as in the web page's levels
    width, height = (max(1, math.floor(side * longer / max(size) + 0.5)) for side in size)
    return width, height
