"""Saves results of restoration, including 16-bit color, which Pillow cannot write, and gray, with the source's metadata."""

import io
import os
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from ..errors import ImageError
from ..images.deep_tiff import encode_deep_tiff
from ..images.formats import identified
from ..images.images import load_image, save_image
from ..images.metadata import ImageMetadata
from ..images.whole_files import write_whole

PictureResult = Image.Image | np.ndarray
"""What `Picture.result` gives: a picture, or the uint16 samples `(H, W, 3)` or `(H, W, 4)` of one that Pillow has no mode for."""

DEEP_FORMATS = (".png", ".tif", ".tiff")
_AFTER_HEADER = 8 + 25  # the signature and the chunk IHDR of a PNG file
_CARRIED_CHUNKS = (b"iCCP", b"pHYs", b"eXIf")


def is_deep(picture: PictureResult) -> bool:
    """Whether a picture has 16 bits a channel.

    >>> is_deep(Image.new("I;16", (2, 2))), is_deep(Image.new("L", (2, 2)))
    (True, False)
    """
    return isinstance(picture, np.ndarray) or picture.mode.startswith("I;16")


def viewable(picture: PictureResult) -> Image.Image:
    """A picture as an 8-bit "RGB" or "RGBA" image, to be looked at.

    >>> viewable(np.full((2, 3, 3), 65535, np.uint16)).getpixel((0, 0))
    (255, 255, 255)
    """
    return load_image(picture)


def picture_size(picture: PictureResult) -> tuple[int, int]:
    """Width and height.

    >>> picture_size(np.zeros((2, 3, 4), np.uint16))
    (3, 2)
    """
    return (picture.shape[1], picture.shape[0]) if isinstance(picture, np.ndarray) else picture.size


def has_alpha(picture: PictureResult) -> bool:
    """Whether a picture has transparency.

    >>> has_alpha(np.zeros((2, 3, 4), np.uint16)), has_alpha(Image.new("L", (2, 2)))
    (True, False)
    """
    return picture.shape[2] == 4 if isinstance(picture, np.ndarray) else picture.mode in ("LA", "RGBA")


def own_profile(source: str | os.PathLike | bytes) -> bytes | None:
    """The color profile of an image file, or of its bytes, as it stands there; None if there is none that can be read.

    >>> own_profile(b"no image") is None
    True
    """
    try:
        with identified(source) as image:
            return image.info.get("icc_profile") or None
    # whether the image can be used is said by `load_image`
    except Exception:
        return None


def save_picture(
    picture: PictureResult,
    path: str | os.PathLike,
    metadata: ImageMetadata | None = None,
    source: str | os.PathLike | bytes | None = None,
    **options: Any,
) -> None:
    """Writes a picture as `save_image` does, in the depth that the format of the path's extension holds.

    16 bits a channel stay 16 bits in PNG and TIFF files; other files hold 8.

    Args:
        picture: 8 bits a channel in sRGB, or 16 bits in the color space of its photo.
        path: as of `save_image`.
        metadata: of the photo, which the file gets as far as its format holds it.
        source: the photo's file or bytes, whose own color profile a picture of 16 bits gets.
        options: of the writer, see `save_image`.

    Raises:
        ImageError, OSError: as `save_image`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_picture(np.full((2, 3, 3), 1000, np.uint16), f"{folder}/deep.png")
    ...     int(cv2.imread(f"{folder}/deep.png", cv2.IMREAD_UNCHANGED).max())
    1000
    """
    suffix = Path(path).suffix.lower()
    options = {**options, **(metadata or ImageMetadata()).options(suffix, picture_size(picture))}
    deep = is_deep(picture)
    if deep:
        options.pop("icc_profile", None)
        profile = own_profile(source) if source is not None else None
        if profile and suffix in (*DEEP_FORMATS, ".jpg", ".jpeg", ".webp"):
            options["icc_profile"] = profile
    if isinstance(picture, np.ndarray):
        if suffix in DEEP_FORMATS:
            encode = _encode_deep_png if suffix == ".png" else encode_deep_tiff
            _write(encode(picture, **options), Path(path))
        else:
            save_image(viewable(picture), path, **options)
        return
    if deep and suffix not in DEEP_FORMATS:
        picture = viewable(picture).convert("L")
    if picture.mode in ("L", "LA") and not deep:
        # that of sRGB is one of color, which a gray file must not have
        options.pop("icc_profile", None)
    if picture.mode == "LA" and suffix != ".png":
        picture = picture.convert("RGBA")
    save_image(picture, path, **options)


def _write(data: bytes, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    write_whole(path, data)


def _encode_deep_png(levels: np.ndarray, compress_level: int = 6, **options: Any) -> bytes:
    order = cv2.COLOR_RGBA2BGRA if levels.shape[2] == 4 else cv2.COLOR_RGB2BGR
    written, encoded = cv2.imencode(".png", cv2.cvtColor(levels, order), [cv2.IMWRITE_PNG_COMPRESSION, compress_level])
    if not written:
        raise ImageError(f"a picture of {levels.shape[1]} x {levels.shape[0]} pixels cannot be written as PNG")
    data = encoded.tobytes()
    # Pillow knows how these chunks are written, and OpenCV the pixels
    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, "PNG", **options)
    return data[:_AFTER_HEADER] + _carried_chunks(file.getvalue()) + data[_AFTER_HEADER:]


def _carried_chunks(png: bytes) -> bytes:
    found, position = b"", _AFTER_HEADER
    while position < len(png):
        length, kind = struct.unpack_from(">I4s", png, position)
        if kind in _CARRIED_CHUNKS:
            found += png[position : position + length + 12]
        position += length + 12
    return found
