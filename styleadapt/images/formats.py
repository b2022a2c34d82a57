"""Lists the image formats that are read, recognizes a file's format, and explains why another one is refused."""

import contextlib
import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from ..errors import ImageError
from .png_chunks import SIGNATURE, without_oversized_chunks

# Only raster formats with a size in the header; Pillow knows others that call programs (EPS) or accept any bytes (TGA).
_READABLE = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM")
# Pillow would name them as well, but only after it has imported all of its plugins.
READABLE_EXTENSIONS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo", ".png", ".apng", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".dib"),
    *(".avif", ".avifs", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
)
_HEIF = (".heic", ".heif", ".hif", ".heics", ".heifs")
_RAW = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".nef"),
    *(".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
)
_OTHERS = (
    *(".psd", ".psb", ".xcf", ".kra", ".jxl", ".jxr", ".hdp", ".wdp", ".exr", ".hdr", ".tga", ".pcx", ".ico", ".icns", ".cur"),
    *(".qoi", ".dds", ".sgi", ".xbm", ".xpm", ".svg", ".svgz"),
)
# What people take for an image: a file that is listed, and read or reported.
IMAGE_EXTENSIONS = (*READABLE_EXTENSIONS, *_HEIF, *_RAW, *_OTHERS)

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
_RAW_HINT = "is a camera's raw file; develop it to JPEG or TIFF first"
_HEIF_HINT = "is a HEIC picture, which needs the package pillow-heif: pip install pillow-heif"


def identify(file: BinaryIO) -> Image.Image:
    """The undecoded image in `file`, known by its first bytes: `Image.open` without Pillow's pixel limit, which is global.

    HEIC is read where the package pillow-heif is installed.

    Args:
        file: binary; it is read from its start. Its `name` tells raw files of cameras, whose first picture is a small preview.

    Raises:
        ImageError: the file is empty or of no readable format. Pillow's decoders raise many other types on a damaged file.
    """
    name = getattr(file, "name", None)
    suffix = Path(os.fsdecode(name)).suffix.lower() if isinstance(name, (str, bytes, os.PathLike)) else ""
    if suffix in _RAW:
        raise ImageError(_RAW_HINT)
    if not (hasattr(file, "seekable") and file.seekable()):
        file = io.BytesIO(file.read())
    Image.init()
    file.seek(0)
    prefix = file.read(16)
    if not prefix:
        raise ImageError("is empty")
    if prefix.startswith(SIGNATURE):
        file = without_oversized_chunks(file)
    failure: Exception | None = None
    for factory, accept in (Image.OPEN[kind] for kind in _READABLE if kind in Image.OPEN):
        try:
            if accept is None or accept(prefix) is True:
                file.seek(0)
                return factory(file, "")
        except (SyntaxError, IndexError, TypeError, struct.error) as error:
            failure = error
    if prefix[4:8] == b"ftyp" and prefix[8:12] in _HEIF_BRANDS:
        return _identify_heif(file)
    if failure is not None:
        raise failure
    if suffix in _HEIF:
        raise ImageError(_HEIF_HINT)
    hint = f"; save it in one of them instead of {suffix}" if suffix in _OTHERS else ""
    raise ImageError(f"is not an image of a known format ({', '.join(_READABLE)}){hint}")


@contextlib.contextmanager
def identified(source: str | os.PathLike | bytes) -> Iterator[Image.Image]:
    """The undecoded image in a file, given by its path or as bytes, until the block ends: see `identify`.

    Raises:
        ImageError, OSError: as `identify`, or the file cannot be read.
    """
    with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
        yield identify(file)


def _identify_heif(file: BinaryIO) -> Image.Image:
    try:
        import pillow_heif
    except ImportError:
        raise ImageError(_HEIF_HINT) from None
    pillow_heif.register_heif_opener()
    file.seek(0)
    return Image.OPEN["HEIF"][0](file, "")
