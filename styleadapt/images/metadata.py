"""Copies metadata (EXIF, resolution, color profile) from an image file to a picture that was made of it.

`load_image` turns a photo upright and into sRGB. So what is carried over says "upright", and a picture of a photo with a color
profile gets the profile of sRGB: it looks right in every viewer, and nothing is lost to a second conversion of 8-bit values.
"""

import functools
import io
import math
import os
import warnings
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from PIL import ExifTags, Image, ImageCms

from .formats import identify
from .png_exif import png_exif

# Of the main directory, what is about the photo; the rest describes how the old file stored its pixels.
_CARRIED = (
    *("ImageDescription", "Make", "Model", "Software", "DateTime", "Artist", "HostComputer", "Copyright", "Rating"),
    *("XPTitle", "XPComment", "XPAuthor", "XPKeywords", "XPSubject"),
)
_CARRIED_TAGS = frozenset(ExifTags.Base[name].value for name in _CARRIED)
# Maker notes point into the old file; the rest of these is written anew or describes the old file.
_LEFT_OUT = frozenset(
    ExifTags.Base[name].value
    for name in ("MakerNote", "ExifInteroperabilityOffset", "ColorSpace", "ExifImageWidth", "ExifImageHeight")
)
_UPRIGHT = _SRGB = 1
_EXIF_FORMATS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff")
_DPI_FORMATS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")
_PROFILE_FORMATS = _EXIF_FORMATS
# The segment of a JPEG file that holds it takes no more.
_MAX_EXIF_BYTES = 65533 - 6


@dataclass(frozen=True)
class ImageMetadata:
    """The metadata that is copied from an image file to its result.

    Args:
        format: Pillow's name of the file's format, None if unknown.
        photo: EXIF entries of the main directory by tag: camera, date, author, description ...
        exposure: those of the Exif directory: lens, exposure, time zone ...
        location: those of the GPS directory.
        dpi: resolution in dots an inch, horizontal and vertical.
        profiled: the file has a color profile.
    """

    format: str | None = None
    photo: tuple[tuple[int, Any], ...] = ()
    exposure: tuple[tuple[int, Any], ...] = ()
    location: tuple[tuple[int, Any], ...] = ()
    dpi: tuple[float, float] | None = None
    profiled: bool = False

    def options(self, suffix: str, size: tuple[int, int]) -> dict[str, Any]:
        """Options of `save_image` that write this metadata.

        Args:
            suffix: of the file to be written, such as ".jpg"; what its format cannot hold is left out.
            size: of the picture.

        >>> ImageMetadata(dpi=(300.0, 300.0)).options(".png", (4, 3))
        {'dpi': (300.0, 300.0)}
        """
        suffix = suffix.lower()
        options: dict[str, Any] = {}
        if suffix in _EXIF_FORMATS and (exif := self._exif(size)):
            options["exif"] = exif
        if suffix in _DPI_FORMATS and self.dpi:
            options["dpi"] = self.dpi
        if suffix in _PROFILE_FORMATS and self.profiled:
            options["icc_profile"] = _srgb_profile()
        return options

    def without_location(self) -> "ImageMetadata":
        """The same without the GPS position.

        >>> ImageMetadata(location=((1, "N"),)).without_location()
        ImageMetadata(format=None, photo=(), exposure=(), location=(), dpi=None, profiled=False)
        """
        return replace(self, location=())

    def _exif(self, size: tuple[int, int]) -> Image.Exif | None:
        """None if there is nothing to say, or too much."""
        if not (self.photo or self.exposure or self.location):
            return None
        exif = Image.Exif()
        exif.update({**_kept(self.photo), ExifTags.Base.Orientation.value: _UPRIGHT})
        width, height = size
        new = {
            ExifTags.Base.ColorSpace.value: _SRGB,
            ExifTags.Base.ExifImageWidth.value: width,
            ExifTags.Base.ExifImageHeight.value: height,
        }
        for directory, entries in (
            (ExifTags.IFD.Exif, {**_kept(self.exposure), **new}),
            (ExifTags.IFD.GPSInfo, _kept(self.location)),
        ):
            if entries:
                exif.get_ifd(directory).update(entries)
                # Pillow's writer of TIFF files takes the directories that are entries too.
                exif[directory] = exif.get_ifd(directory)
        return exif if len(exif.tobytes()) <= _MAX_EXIF_BYTES else None


class _StoredText(str):
    """Text of an EXIF entry whose bytes stay what they were: Pillow reads any bytes as Latin-1, and asks for ASCII to write."""

    def encode(self, *_: object) -> bytes:
        return super().encode("latin-1", "replace")


def _kept(entries: tuple[tuple[int, Any], ...]) -> dict[int, Any]:
    return {tag: _StoredText(value) if isinstance(value, str) else value for tag, value in entries}


def read_metadata(source: str | os.PathLike | bytes) -> ImageMetadata:
    """The metadata of an image file; what is damaged or cannot be written again is left out.

    XMP, maker notes and the preview picture are not carried over: they describe the old pixels.

    Args:
        source: path or the file's bytes.

    >>> image, file = Image.new("RGB", (4, 3)), io.BytesIO()
    >>> image.save(file, "PNG", dpi=(72, 72))
    >>> read_metadata(file.getvalue()).format
    'PNG'
    """
    # Damaged metadata is no damage to the picture, which `load_image` judges.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
                image = identify(file)
                exif = _exif_of(image, file)
                return ImageMetadata(
                    format="JPEG" if image.format == "MPO" else image.format,
                    photo=_writable({tag: value for tag, value in exif.items() if tag in _CARRIED_TAGS}),
                    exposure=_writable(exif.get_ifd(ExifTags.IFD.Exif)),
                    location=_writable(exif.get_ifd(ExifTags.IFD.GPSInfo)),
                    dpi=_dpi(image.info.get("dpi")),
                    profiled=bool(image.info.get("icc_profile")),
                )
    except Exception:
        return ImageMetadata()


def _exif_of(image: Image.Image, file: BinaryIO) -> Image.Exif:
    # Pillow searches a PNG file for EXIF behind its pixels too, but decodes them for it.
    if image.format != "PNG" or "exif" in image.info:
        return image.getexif()
    exif = Image.Exif()
    if found := png_exif(file):
        exif.load(found)
    return exif


def _writable(entries: dict[int, Any]) -> tuple[tuple[int, Any], ...]:
    """The entries that Pillow can write again."""
    kept = []
    for tag, value in entries.items():
        exif = Image.Exif()
        exif[tag] = value
        try:
            exif.tobytes()
        # its writer raises many types on values that a damaged file gave
        except Exception:
            continue
        if tag not in _LEFT_OUT:
            kept.append((tag, value))
    return tuple(kept)


def _dpi(value: Any) -> tuple[float, float] | None:
    try:
        x, y = (float(v) for v in value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    # 1: what Pillow says of a TIFF file without resolution
    return (x, y) if all(math.isfinite(v) and 1 < v < 65536 for v in (x, y)) else None


@functools.cache
def _srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
