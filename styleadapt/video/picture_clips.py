"""Writes pictures as a clip: an MP4, WebM or similar file, or an animated GIF."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import VideoError
from ..images.whole_files import write_whole

# by extension: container and encoder
_ENCODERS = {".mp4": ("mp4", "libx264"), ".webm": ("webm", "libvpx-vp9")}


def check_clip_name(target: Path) -> None:
    """Raises `VideoError` for an extension that `write_pictures` does not know.

    >>> check_clip_name(Path("way.gif"))
    """
    if target.suffix.lower() not in (".gif", *_ENCODERS):
        known = ", ".join((".gif", *_ENCODERS))
        raise VideoError(f"{target.name} has the unknown extension {target.suffix!r} for a clip; use one of {known}")


def write_pictures(pictures: Sequence[Image.Image], target: Path, rate: int = 24) -> None:
    """Writes a clip without sound; it appears whole or not at all. A GIF repeats for ever.

    Args:
        pictures: "RGB", all of one size with even sides.
        target: ends in .mp4, .webm or .gif.
        rate: pictures a second.

    Raises:
        VideoError: an unknown extension, no picture, or pictures of different sizes.
        ImportError: PyAV is not installed, which all but GIF need.
        OSError: the file cannot be written.
    """
    check_clip_name(target)
    sizes = {picture.size for picture in pictures}
    if len(sizes) != 1:
        raise VideoError(f"a clip needs pictures of one size, got {len(pictures)} pictures of {len(sizes)} sizes")
    data = io.BytesIO()
    if target.suffix.lower() == ".gif":
        first, *rest = pictures
        # GIF counts in hundredths of a second, and browsers take less than two of them for ten.
        duration = 10 * max(2, round(100 / rate))
        first.save(data, "GIF", save_all=True, append_images=rest, duration=duration, loop=0, optimize=False)
    else:
        import av

        from .writing import as_frame, declare_colors

        container, codec = _ENCODERS[target.suffix.lower()]
        with av.open(data, "w", format=container) as out:
            stream: Any = out.add_stream(codec, rate=rate, options={"crf": "16"})
            stream.width, stream.height = sizes.pop()
            declare_colors(stream.codec_context)
            for picture in pictures:
                out.mux(stream.encode(as_frame(np.asarray(picture.convert("RGB")))))
            out.mux(stream.encode())
    write_whole(target, data.getvalue())
