"""Lists the style images that are drawn by code, and so are free of rights: deterministic by seed, and of any size."""

from collections.abc import Callable

from PIL import Image

from .abstracts import planes, shapes
from .paintings import pointillism, swirls, watercolor
from .prints import comic, hatching, woodcut
from .tiles import mosaic, stained_glass

STYLES: dict[str, Callable[[int, int], Image.Image]] = {
    "comic": comic,
    "hatching": hatching,
    "mosaic": mosaic,
    "planes": planes,
    "pointillism": pointillism,
    "shapes": shapes,
    "stained_glass": stained_glass,
    "swirls": swirls,
    "watercolor": watercolor,
    "woodcut": woodcut,
}
SMALLEST, LARGEST = 32, 4096


def draw_style(name: str, size: int = 512, seed: int = 0) -> Image.Image:
    """Draws one of the `STYLES`.

    Args:
        name: a key of `STYLES`.
        size: side of the square image in pixels, 32 to 4096. A style looks alike at every size; at 512 it takes two to
            four seconds and some 300 MB, both growing with the area.
        seed: 0 or more; it moves the composition about and deals strokes, stones and panes anew.

    Returns:
        An RGB image of `size` x `size` pixels, the same for the same arguments.

    Raises:
        ValueError: unknown `name`, or `size` or `seed` out of range.

    >>> draw_style("mosaic", size=48, seed=3).size
    (48, 48)
    """
    if name not in STYLES:
        raise ValueError(f"no drawn style is called {name!r}; choose one of {', '.join(STYLES)}")
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(f"size must be {SMALLEST} to {LARGEST} pixels, not {size}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}")
    return STYLES[name](size, seed)
