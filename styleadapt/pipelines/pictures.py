"""Loads and holds pictures for restoration without loss: 16 bits, gray, alpha, and noise beyond white."""

import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import ExifTags, Image

from ..errors import ImageError
from ..images.formats import identified
from ..images.images import MAX_PIXELS, ImageSource, load_image, split_alpha

# noise on a float image goes beyond [0, 1]; a largest value above this is one of another scale
_FLOAT_LIMITS = (-2.0, 3.0)
_DEEP_SIGNATURES = (b"\x89PNG", b"II*\0", b"MM\0*")


@dataclass(frozen=True)
class Picture:
    """
    Args:
        pixels: float32 `(H, W, 3)` with black at -1 and white at 1.
        alpha: `(H, W)` of the source's depth, or None.
        gray: the source has no color, and the result shall have none.
        deep: the source has 16 bits a channel.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    gray: bool = False
    deep: bool = False

    def result(self, pixels: np.ndarray) -> Image.Image | np.ndarray:
        """A picture of other pixels in the form of this one: "L", "LA", "RGB" or "RGBA" of 8 bits; of 16 bits "I;16" if it is
        gray, else, since Pillow has no such images, an array `(H, W, 3)` or `(H, W, 4)` of uint16."""
        scale, dtype = (65535, np.uint16) if self.deep else (255, np.uint8)
        shown = pixels.mean(-1, keepdims=True) if self.gray else pixels
        levels = np.clip(np.rint((shown + 1) * (scale / 2)), 0, scale).astype(dtype)
        if self.alpha is not None:
            levels = np.concatenate([levels, self.alpha[..., None]], -1)
        levels = levels[..., 0] if levels.shape[-1] == 1 else levels
        return levels if self.deep and levels.ndim == 3 else Image.fromarray(levels)


def read_picture(source: ImageSource) -> Picture:
    """A picture for restoration.

    Args:
        source: what `images.images.load_image` takes. 16 bits a channel are kept of PNG and TIFF files that are given by their
            paths or as bytes, upright but in their own color space; of "I;16" images, and of uint16 arrays. Arrays and tensors of
            floats, and "F" images, have black at 0 and white at 1, and may go beyond.

    Raises:
        ImageError: as `load_image`; NaN, infinite values, or floats on another scale.
        TypeError: `source` is none of the above.

    >>> read_picture(np.full((2, 3, 3), 1.2, np.float32)).pixels.max().round(1)
    np.float32(1.4)
    """
    floats = _float_array(source)
    if floats is not None:
        return _of_floats(floats)
    deep = _deep_array(source)
    if deep is not None:
        return _of_levels(deep)
    gray = _is_gray(source)
    rgb, alpha = split_alpha(load_image(source))
    # a profile or a conversion may have tinted it
    array = np.asarray(rgb.convert("L").convert("RGB") if gray else rgb)
    pixels = array.astype(np.float32)
    pixels /= 127.5
    pixels -= 1
    return Picture(pixels, None if alpha is None else np.asarray(alpha), gray)


def _float_array(source: ImageSource) -> np.ndarray | None:
    """The samples `(H, W)` or `(H, W, C)` of a source of floats; None of any other."""
    if isinstance(source, torch.Tensor) and source.is_floating_point():
        planes = source.detach().to("cpu", torch.float32)
        return (planes.permute(1, 2, 0) if planes.ndim == 3 else planes).numpy()
    if isinstance(source, Image.Image):
        return np.asarray(source) if source.mode == "F" else None
    return source if isinstance(source, np.ndarray) and source.dtype.kind == "f" else None


def _is_gray(source: ImageSource) -> bool:
    if isinstance(source, Image.Image):
        return source.mode in ("1", "L", "LA", "La")
    if isinstance(source, np.ndarray):
        return source.ndim == 2 or source.shape[-1] == 1
    if isinstance(source, torch.Tensor):
        return source.ndim == 2 or source.shape[0] == 1
    if isinstance(source, (str, os.PathLike, bytes)):
        try:
            with identified(source) as image:
                return image.mode in ("1", "L", "LA", "La")
        # `load_image` says what is wrong with it
        except Exception:
            return False
    return False


def _deep_array(source: ImageSource) -> np.ndarray | None:
    """The samples of a source with 16 bits a channel, red first; None of any other."""
    if isinstance(source, np.ndarray):
        return source if source.dtype == np.uint16 else None
    if isinstance(source, Image.Image):
        return np.asarray(source).astype(np.uint16) if source.mode.startswith("I;16") else None
    if isinstance(source, bytes):
        return _deep_file(source) if source.startswith(_DEEP_SIGNATURES) else None
    if isinstance(source, (str, os.PathLike)) and Path(source).suffix.lower() in (".png", ".tif", ".tiff"):
        try:
            return _deep_file(Path(source).read_bytes())
        # `load_image` says what is wrong with it
        except OSError:
            return None
    return None


def _deep_file(data: bytes) -> np.ndarray | None:
    """Decoded by OpenCV, since Pillow makes 8 bits of color with 16."""
    try:
        with identified(data) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    # `load_image` says what is wrong with it
    except Exception:
        return None
    if array is None or array.dtype != np.uint16:
        return None
    array = _upright(array, orientation)
    if array.ndim == 2:
        return array
    return cv2.cvtColor(array, cv2.COLOR_BGRA2RGBA if array.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def _upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """As a viewer turns it: EXIF 2.32, section 4.6.4, tag Orientation."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)


def _of_levels(levels: np.ndarray) -> Picture:
    _check_shape(levels)
    channels = levels.reshape(*levels.shape[:2], -1)
    alpha = channels[..., 3] if channels.shape[-1] == 4 else None
    pixels = channels[..., :3].astype(np.float32) / 32767.5 - 1
    gray = channels.shape[-1] == 1
    return Picture(np.repeat(pixels, 3, -1) if gray else pixels, alpha, gray, deep=True)


def _of_floats(values: np.ndarray) -> Picture:
    _check_shape(values)
    if not np.isfinite(values).all():
        raise ImageError("the array holds NaN or infinite values; replace them, or pass them as the mask of task='inpaint'")
    low, high = float(values.min()), float(values.max())
    if low < _FLOAT_LIMITS[0] or high > _FLOAT_LIMITS[1]:
        raise ImageError(
            f"the array holds values from {low:.4g} to {high:.4g}; a float image has black at 0 and white at 1, and noise "
            "somewhat beyond: divide by 255, or pass uint8"
        )
    channels = values.reshape(*values.shape[:2], -1).astype(np.float32)
    alpha = None
    if channels.shape[-1] == 4:
        alpha = np.clip(np.rint(channels[..., 3] * 255), 0, 255).astype(np.uint8)
    pixels = channels[..., :3] * 2 - 1
    gray = channels.shape[-1] == 1
    return Picture(np.repeat(pixels, 3, -1) if gray else pixels, alpha, gray)


def _check_shape(array: np.ndarray) -> None:
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3, 4))
    if not fits or 0 in array.shape:
        raise ImageError(f"the array has shape {array.shape}, an image is (H, W) or (H, W, 1), (H, W, 3), (H, W, 4)")
    if array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise ImageError(f"the array has {array.shape[1]} x {array.shape[0]} pixels, the limit is {MAX_PIXELS:,}")
