"""Frames of a sheet as pictures, and as an animation to look at."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ..errors import ImageError
from ..images.whole_files import write_whole
from .sheets import Frame


def frame_pictures(image: Image.Image, frames: Sequence[Frame]) -> list[Image.Image]:
    """The frames of a sheet, each whole and upright, "RGBA".

    >>> sheet = Image.new("RGB", (4, 2), "red")
    >>> [picture.size for picture in frame_pictures(sheet, [Frame("a", (0, 0, 1, 2), rotated=True, size=(3, 3), offset=(1, 1))])]
    [(3, 3)]
    """
    sheet = image.convert("RGBA")
    pictures = []
    for frame in frames:
        part = sheet.crop(frame.box)
        whole = Image.new("RGBA", frame.size)
        whole.paste(part.transpose(Image.Transpose.ROTATE_90) if frame.rotated else part, frame.offset)
        pictures.append(whole)
    return pictures


def write_animation(frames: Sequence[Image.Image], path: Path, milliseconds: int = 120, least_side: int = 256) -> None:
    """Writes frames as a WebP file that repeats, without loss, small ones enlarged by a whole number.

    Raises:
        ImageError: less than two frames, or frames of several sizes.
        OSError: it cannot be written.
    """
    sizes = sorted({frame.size for frame in frames})
    if len(frames) < 2:
        raise ImageError("an animation has two frames at least")
    if len(sizes) > 1:
        told = ", ".join(f"{width} x {height}" for width, height in sizes[:5])
        raise ImageError(f"an animation cannot have frames of several sizes ({told}); give them one size")
    times = max(1, least_side // max(sizes[0]))
    shown = [f.convert("RGBA").resize((f.width * times, f.height * times), Image.Resampling.NEAREST) for f in frames]
    encoded = io.BytesIO()
    shown[0].save(encoded, "WEBP", save_all=True, append_images=shown[1:], duration=milliseconds, loop=0, lossless=True)
    write_whole(path, encoded.getbuffer())
