"""TIFF files of color with 16 bits a channel, which Pillow reads as 8 bits and does not write."""

import io
import zlib
from typing import Any

import numpy as np
from PIL import ExifTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2

# tags of TIFF 6.0, section 8, of its supplement 2 (Deflate), and of ICC.1 (the profile)
_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_OFFSETS, _SAMPLES, _ROWS, _BYTES, _PLANES, _PREDICTOR, _EXTRA, _PROFILE = 273, 277, 278, 279, 284, 317, 338, 34675
_X_RESOLUTION, _Y_RESOLUTION, _UNIT = 282, 283, 296
_RGB, _DEFLATE, _DIFFERENCES, _INCH, _STRAIGHT_ALPHA = 2, 8, 2, 2, 2
_POINTERS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


def encode_deep_tiff(levels: np.ndarray, compress_level: int = 6, **options: Any) -> bytes:
    """A TIFF file of 16 bits a channel, compressed without loss: Deflate of the differences between neighbors.

    Args:
        levels: uint16 `(H, W, 3)`, or `(H, W, 4)` with alpha.
        compress_level: of zlib, 0 to 9.
        options: `exif` as a `PIL.Image.Exif`, `icc_profile` as bytes, and `dpi`, as of Pillow's writer.

    >>> from PIL import Image
    >>> data = encode_deep_tiff(np.full((2, 3, 3), 51400, np.uint16), dpi=(300, 300))
    >>> Image.open(io.BytesIO(data)).size
    (3, 2)
    """
    height, width, channels = levels.shape
    differences = levels.astype("<u2")
    differences[:, 1:] -= levels[:, :-1]
    pixels = zlib.compress(differences.tobytes(), compress_level)
    directory: Any = ImageFileDirectory_v2(b"II\x2a\x00\x00\x00\x00\x00")
    if exif := options.get("exif"):
        for tag, value in exif.items():
            if tag not in _POINTERS:
                directory[tag] = value
        for pointer in _POINTERS:
            if inner := exif.get_ifd(pointer):
                directory[pointer] = dict(inner)
    if options.get("icc_profile"):
        directory.tagtype[_PROFILE] = 7  # bytes without a meaning to TIFF
        directory[_PROFILE] = options["icc_profile"]
    if options.get("dpi"):
        directory[_X_RESOLUTION], directory[_Y_RESOLUTION] = options["dpi"]
        directory[_UNIT] = _INCH
    directory[_WIDTH], directory[_LENGTH], directory[_ROWS] = width, height, height
    directory[_BITS], directory[_SAMPLES] = (16,) * channels, channels
    directory[_COMPRESSION], directory[_PREDICTOR], directory[_PLANES] = _DEFLATE, _DIFFERENCES, 1
    directory[_PHOTOMETRIC] = _RGB
    if channels == 4:
        directory[_EXTRA] = _STRAIGHT_ALPHA
    # counted from the end of the directory, after which the only strip follows
    directory[_OFFSETS], directory[_BYTES] = 0, len(pixels)
    file = io.BytesIO()
    directory.save(file)
    return file.getvalue() + pixels
