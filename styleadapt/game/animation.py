"""Frames of a sheet as pictures, and as an animation to look at."""

import io
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from PIL import Image

from ..errors import ImageError
from ..images.whole_files import write_whole
from .sheets import Frame

MOST_FRAMES = 256
MOST_PIXELS = 1 << 24
"""Of all frames of an animation together, which are in memory at 4 bytes each."""
_MOST_SIDE = 16383  # of the WebP format


def frame_pictures(image: Image.Image, frames: Sequence[Frame]) -> Iterator[Image.Image]:
    """The frames of a sheet, each whole and upright, "RGBA", one at a time.

    >>> sheet = Image.new("RGB", (4, 2), "red")
    >>> [picture.size for picture in frame_pictures(sheet, [Frame("a", (0, 0, 1, 2), rotated=True, size=(3, 3), offset=(1, 1))])]
    [(3, 3)]
    """
    sheet = image.convert("RGBA")
    for frame in frames:
        part = sheet.crop(frame.box)
        whole = Image.new("RGBA", frame.size)
        whole.paste(part.transpose(Image.Transpose.ROTATE_90) if frame.rotated else part, frame.offset)
        yield whole


def write_animation(frames: Iterable[Image.Image], path: Path, milliseconds: int = 120, least_side: int = 256) -> None:
    """Writes frames as a WebP file that repeats, without loss, small ones enlarged by a whole number.

    Args:
        frames: the first 256 of them are written, fewer if they have more than 16 megapixels together, but never less than two.
            An iterator is not read to its end.
        path: of the file.
        milliseconds: that a frame is shown.
        least_side: frames are enlarged so that the longer side comes near to it, less if all would have more than 16 megapixels.

    Raises:
        ImageError: less than two frames, frames of several sizes, or larger ones than WebP has.
        OSError: it cannot be written.
    """
    first: list[Image.Image] = []
    pixels = 0
    for frame in itertools.islice(frames, MOST_FRAMES):
        pixels += frame.width * frame.height
        if len(first) >= 2 and pixels > MOST_PIXELS:
            break
        first.append(frame)
    sizes = sorted({frame.size for frame in first})
    if len(first) < 2:
        raise ImageError("an animation has two frames at least")
    if len(sizes) > 1:
        told = ", ".join(f"{width} x {height}" for width, height in sizes[:5])
        raise ImageError(f"an animation cannot have frames of several sizes ({told}); give them one size")
    width, height = sizes[0]
    if max(width, height) > _MOST_SIDE:
        raise ImageError(
            f"an animation cannot have frames of {width} x {height}; {_MOST_SIDE} is the longest side of a WebP file"
        )
    room = math.isqrt(MOST_PIXELS // (len(first) * width * height))
    times = max(1, min(least_side // max(width, height), room))
    shown = [f.convert("RGBA").resize((width * times, height * times), Image.Resampling.NEAREST) for f in first]
    encoded = io.BytesIO()
    shown[0].save(encoded, "WEBP", save_all=True, append_images=shown[1:], duration=milliseconds, loop=0, lossless=True)
    write_whole(path, encoded.getbuffer())
