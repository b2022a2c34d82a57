"""Loads images from any source as 8-bit RGB(A), converts them to and from tensors, and saves them atomically."""

import contextlib
import functools
import io
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image, ImageChops, ImageCms

from ..errors import ImageError
from .addresses import fetch_image, is_address
from .formats import identify
from .whole_files import write_whole

# Decoded, so many take 0.8 GB.
MAX_PIXELS = 200_000_000

ImageSource = str | os.PathLike | BinaryIO | bytes | Image.Image | np.ndarray | torch.Tensor

WRITABLE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
_ORIENTATION_TAG = 0x0112
_TURNS = ("FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90")
_UPRIGHT = {orientation: Image.Transpose[turn] for orientation, turn in enumerate(_TURNS, 2)}
# Pillow scales these samples to 8 bits but leaves the PNG's transparent color in the file's own scale.
_KEY_SCALE = {"L;2": 85, "L;4": 17, "RGB;16B": 1 / 256}


def load_image(source: ImageSource, frame: int = 0, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """An image as a viewer would show it: upright, in sRGB, 8 bits a channel.

    Gray of 16 or 32 bits and float is scaled, not clipped: 16-bit values from [0, 65535]; 32-bit integers likewise, or from
    [0, largest value] if that is larger; float files from [0, 1], [0, 255] or [0, 65535], the first that holds half their
    largest value.

    Args:
        source: path, http or https address (a text), binary file object (read from its start, left open), bytes, PIL image
            (left as it is), array `(H, W)`, `(H, W, 1)`, `(H, W, 3)` or `(H, W, 4)`, or tensor `(H, W)`, `(1, H, W)`,
            `(3, H, W)` or `(4, H, W)`. Arrays and tensors hold uint8, uint16, truth values or floats in [0, 1].
        frame: which frame of an animation or page of a TIFF, counted from 0. A PIL image is taken at the frame it stands at
            if this is 0.
        max_pixels: an image with more pixels is refused before it is decoded.

    Returns:
        A new image of mode "RGB", or "RGBA" if the source has an alpha channel or a transparent color that occurs. It carries
        no metadata, since orientation and color profile are already applied.

    Raises:
        ImageError: missing, empty, truncated, foreign or oversize file, no such frame, no pixels, NaN, or an address that gives
            no image, see `images.addresses`.
        TypeError: `source` is none of the above.

    >>> load_image(np.full((2, 3), 65535, np.uint16)).getpixel((0, 0))
    (255, 255, 255)
    """
    if not (isinstance(source, (str, os.PathLike, bytes, Image.Image, np.ndarray, torch.Tensor)) or hasattr(source, "read")):
        raise TypeError(
            f"source is a {type(source).__name__}; load_image takes a path, address, file, bytes, PIL image, array or tensor"
        )
    try:
        if frame < 0:
            raise ImageError(f"has no frame {frame}; frames count from 0")
        if is_address(source):
            return load_image(fetch_image(str(source)), frame, max_pixels)
        if isinstance(source, (str, os.PathLike)):
            with open(source, "rb") as file:
                return _as_shown(*_decode(identify(file), frame, max_pixels))
        if isinstance(source, torch.Tensor):
            source = _as_array(source)
        if isinstance(source, np.ndarray):
            return _as_shown(*_decode(_from_array(source, max_pixels), frame, max_pixels))
        if isinstance(source, Image.Image):
            position = source.tell()
            try:
                return _as_shown(*_decode(source, frame, max_pixels))
            finally:
                if frame:
                    source.seek(position)
        stream = io.BytesIO(source) if isinstance(source, bytes) else source
        return _as_shown(*_decode(identify(stream), frame, max_pixels))
    # Pillow's decoders raise nearly every type of exception on damaged files.
    except Exception as error:
        raise ImageError(f"{_name(source)} {_reason(error)}") from error


def open_image(source: ImageSource) -> Image.Image:
    """An image for training and feature extraction: `load_image`, with transparent pixels composited on white.

    Returns:
        A new image of mode "RGB".

    Raises:
        ImageError: as `load_image`.

    >>> open_image(np.zeros((2, 3, 4), np.uint8)).getpixel((0, 0))
    (255, 255, 255)
    """
    return _on_white(load_image(source))


def split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Colors and alpha of an "RGB" or "RGBA" image; colors under transparent pixels are kept as they are.

    Returns:
        The "RGB" image (`image` itself if it is one) and the alpha band as an "L" image, or None if there is none.

    Raises:
        ImageError: another mode.

    >>> rgb, alpha = split_alpha(Image.new("RGBA", (2, 3), (1, 2, 3, 0)))
    >>> rgb.getpixel((0, 0)), alpha.getpixel((0, 0))
    ((1, 2, 3), 0)
    """
    if image.mode == "RGB":
        return image, None
    if image.mode != "RGBA":
        raise ImageError(f"the image has mode {image.mode}, not RGB or RGBA; load_image converts it")
    return image.convert("RGB"), image.getchannel("A")


def image_to_tensor(image: Image.Image) -> torch.Tensor:
    """An "RGB" image as a float32 tensor `(1, 3, H, W)` in [-1, 1], in channels_last memory of its own.

    Raises:
        ImageError: another mode, or no pixels.

    >>> image_to_tensor(Image.new("RGB", (2, 1), (0, 255, 51)))[0, :, 0, 0]
    tensor([-1.0000,  1.0000, -0.6000])
    """
    if image.mode != "RGB":
        raise ImageError(f"the image has mode {image.mode}, not RGB; open_image converts it")
    if 0 in image.size:
        raise ImageError(f"the image has no pixels ({image.width} x {image.height})")
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float().div_(127.5).sub_(1)


def tensor_to_image(tensor: torch.Tensor) -> list[Image.Image]:
    """The images of a batch, rounded to the nearest of 256 levels; exact inverse of `image_to_tensor`.

    Args:
        tensor: `(B, 3, H, W)` floats of any precision on any device; values outside [-1, 1] are clamped.

    Returns:
        B images of mode "RGB".

    Raises:
        ValueError: another shape or dtype, or NaN.

    >>> tensor_to_image(torch.zeros(2, 3, 4, 5))[1].size
    (5, 4)
    """
    if tensor.ndim != 4 or tensor.shape[1] != 3 or 0 in tensor.shape[2:]:
        raise ValueError(f"tensor has shape {tuple(tensor.shape)}, an image batch is (B, 3, H, W)")
    if not tensor.is_floating_point():
        raise ValueError(f"tensor has dtype {tensor.dtype}, an image batch holds floats in [-1, 1]")
    if not len(tensor):
        return []
    levels = tensor.detach().to("cpu", torch.float32).add(1).mul_(127.5)
    if levels.amin().isnan():
        bad = [n for n, image in enumerate(levels) if image.isnan().any()]
        raise ValueError(f"tensor holds NaN in image {', '.join(map(str, bad))} of {len(levels)}")
    pixels = levels.round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    return [Image.fromarray(image) for image in pixels]


def save_image(image: Image.Image, path: str | os.PathLike, **kwargs: Any) -> None:
    """Writes an image in the format of the path's extension, whole or not at all; the folder is made if missing.

    JPEG is written at quality 95 without chroma subsampling, WebP at quality 95. In JPEG and BMP, which have no transparency,
    transparent pixels are composited on white.

    Args:
        image: any mode the format holds; for JPEG any mode.
        path: ends in .jpg, .jpeg, .png, .webp, .bmp, .tif, .tiff or .gif.
        kwargs: options of Pillow's writer of that format, such as `quality=90`.

    Raises:
        ImageError: unknown extension, or the format cannot hold the image.
        OSError: the file cannot be written; it names `path`, and what stood there still stands.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_image(Image.new("RGB", (2, 3)), f"{folder}/new/black.png")
    ...     open_image(f"{folder}/new/black.png").size
    (2, 3)
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in WRITABLE_EXTENSIONS:
        raise ImageError(f"{path} has the unknown extension {path.suffix!r}; use one of {', '.join(WRITABLE_EXTENSIONS)}")
    kind = Image.registered_extensions()[suffix]
    options = dict(kwargs)
    if kind == "JPEG":
        options = {"quality": 95, "subsampling": 0, **kwargs}
    if (kind == "JPEG" and image.mode not in ("L", "RGB", "CMYK")) or (kind == "BMP" and image.has_transparency_data):
        image = open_image(image)
    if kind == "WEBP":
        options.setdefault("quality", 95)
    if image.info.get("icc_profile"):
        options.setdefault("icc_profile", image.info["icc_profile"])
    # Encoded in memory first: Pillow does not notice a short write on a full disk.
    encoded = io.BytesIO()
    try:
        image.save(encoded, kind, **options)
    except (OSError, ValueError) as error:
        raise ImageError(f"{path} cannot be written as {kind}: {_one_line(error)}") from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    write_whole(path, encoded.getbuffer())


def _name(source: ImageSource) -> str:
    """What an error message calls `source`: its path if it has one."""
    if isinstance(source, (np.ndarray, torch.Tensor)):
        return "the array"
    name: Any = source
    if not isinstance(source, (str, os.PathLike)):
        name = getattr(source, "filename", None) or getattr(source, "name", None)
    if not isinstance(name, (str, os.PathLike)):
        return "the image"
    name = os.fsdecode(name)
    return name if name.isprintable() and name else repr(name)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _reason(error: Exception) -> str:
    """What is wrong, to be read after the name of the image."""
    if isinstance(error, ImageError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, IsADirectoryError):
        return "is a folder, not an image"
    if isinstance(error, MemoryError):
        return "needs more memory than is free"
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be read: {error.strerror}"
    return f"cannot be decoded: {_one_line(error)}"


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"has no pixels ({width} x {height})")
    pixels = width * height
    if pixels > max_pixels:
        raise ImageError(
            f"has {width} x {height} = {pixels:,} pixels, the limit is {max_pixels:,}; "
            f"raise it with load_image(..., max_pixels={pixels})"
        )


def _as_array(tensor: torch.Tensor) -> np.ndarray:
    """The array `(H, W)` or `(H, W, C)` of a tensor `(H, W)` or `(C, H, W)`."""
    tensor = tensor.detach().cpu()
    if tensor.ndim not in (2, 3) or (tensor.ndim == 3 and tensor.shape[0] not in (1, 3, 4)):
        raise ImageError(f"has shape {tuple(tensor.shape)}, an image as a tensor is (H, W) or (1, H, W), (3, H, W), (4, H, W)")
    if tensor.is_floating_point():
        tensor = tensor.float()
    return (tensor if tensor.ndim == 2 else tensor.permute(1, 2, 0)).numpy()


def _from_array(array: np.ndarray, max_pixels: int) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise ImageError(f"has shape {array.shape}, an image is (H, W) or (H, W, 1), (H, W, 3), (H, W, 4)")
    _check_size((array.shape[1], array.shape[0]), max_pixels)
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    elif array.dtype.newbyteorder("=") == np.uint16:
        array = _to_bytes(array, 65535)
    elif np.issubdtype(array.dtype, np.floating):
        low, high = float(array.min()), float(array.max())
        if np.isnan(low):
            raise ImageError("holds NaN")
        if low < -1e-3 or high > 1 + 1e-3:
            way = "; divide it by 255" if high > 2 else "; bring it there with (x + 1) / 2" if low >= -1 - 1e-3 else ""
            raise ImageError(f"holds values from {low:.4g} to {high:.4g}, a float image lies in [0, 1]{way}")
        array = _to_bytes(array, 1)
    elif array.dtype != np.uint8:
        raise ImageError(f"has dtype {array.dtype}, an image is uint8, uint16 or float in [0, 1]")
    return Image.fromarray(np.ascontiguousarray(array))


def _to_bytes(values: np.ndarray, full_scale: float) -> np.ndarray:
    """uint8 of [0, full_scale], rounded to the nearest."""
    scaled = values.astype(np.float32)
    scaled *= 255 / full_scale
    scaled += 0.5
    return scaled.clip(0, 255, out=scaled).astype(np.uint8)


def _decode(image: Image.Image, frame: int, max_pixels: int) -> tuple[Image.Image, Any]:
    """The image with `frame` decoded, and its transparent color in the scale of the decoded pixels, or None."""
    _check_size(image.size, max_pixels)
    # Step by step, since a later GIF frame may enlarge the canvas and is decoded by the seek that passes it.
    for position in range(1, frame + 1):
        try:
            image.seek(position)
        except EOFError:
            raise ImageError(f"has no frame {frame}, only {position}, counted from 0") from None
        _check_size(image.size, max_pixels)
    key = image.info.get("transparency")
    tile = getattr(image, "tile", None)
    scale = _KEY_SCALE.get(tile[0].args) if tile and isinstance(tile[0].args, str) else None
    if scale and key is not None:
        key = tuple(int(k * scale) for k in key) if isinstance(key, tuple) else int(key * scale)
    if tile and image.format == "TIFF" and not getattr(image, "use_load_libtiff", True):
        # Memory that is there already spares Pillow's reader its own global pixel limit.
        image.im = Image.core.new(image.mode, getattr(image, "_tile_size", image.size))
    image.load()
    return image, key


def _as_shown(image: Image.Image, key: Any) -> Image.Image:
    """A new "RGB" or "RGBA" image, upright and in sRGB, of a decoded one with the transparent color `key`."""
    base, alpha = _base_and_alpha(image, key)
    profile = image.info.get("icc_profile")
    transform = _srgb_transform(profile, base.mode) if isinstance(profile, bytes) else None
    shown = transform.apply(base) if transform else base.convert("RGB")
    if alpha is not None:
        shown.putalpha(alpha)
    shown.info = {}
    turn = None
    # Damaged EXIF data is no damage to the picture.
    with contextlib.suppress(Exception):
        turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION_TAG, 1))
    return shown if turn is None else shown.transpose(turn)


def _base_and_alpha(image: Image.Image, key: Any) -> tuple[Image.Image, Image.Image | None]:
    """An image of mode "L", "RGB" or "CMYK", in which its color profile applies, and its alpha band if it has one."""
    mode = image.mode
    if mode in ("RGB", "L", "CMYK", "1"):
        base = image.convert("L") if mode == "1" else image
        return base, _keyed_alpha(base, key)
    if mode == "F" or mode.startswith("I"):
        values = np.asarray(image)
        alpha = None
        if isinstance(key, int) and (values == key).any():
            alpha = Image.fromarray(np.where(values == key, np.uint8(0), np.uint8(255)))
        return Image.fromarray(_to_bytes(values, _full_scale(values))), alpha
    if mode in ("LA", "La"):
        pair = image.convert("LA")
        return pair.getchannel("L"), pair.getchannel("A")
    if mode in ("RGBA", "RGBa", "PA") or (mode == "P" and image.has_transparency_data):
        colors = image.convert("RGBA")
        alpha = colors.getchannel("A")
        used = mode != "P" or alpha.getextrema() != (255, 255)
        return colors.convert("RGB"), alpha if used else None
    return image.convert("RGB"), None


def _full_scale(values: np.ndarray) -> float:
    peak = float(values.max())
    if values.dtype.kind != "f":
        return max(65535.0, peak)
    if not np.isfinite(values).all():
        raise ImageError("holds NaN or infinite values")
    return next((scale for scale in (1.0, 255.0, 65535.0) if peak <= 2 * scale), peak)


def _keyed_alpha(image: Image.Image, key: Any) -> Image.Image | None:
    """Alpha of an image in which one color is transparent; None if that color does not occur."""
    key = (key,) if isinstance(key, int) else key
    if not isinstance(key, tuple) or len(key) != len(image.getbands()):
        return None
    differs = [band.point([255 * (level != k) for level in range(256)]) for band, k in zip(image.split(), key)]
    alpha = functools.reduce(ImageChops.lighter, differs)
    return alpha if alpha.getextrema() != (255, 255) else None


@functools.lru_cache(maxsize=16)
def _srgb_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Transform from an ICC profile to sRGB; None if the profile is broken, not for `mode`, or sRGB but for rounding."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None
    cube = np.indices((18, 18, 18), np.uint8).reshape(3, -1, 1).T * np.uint8(15)
    probe = Image.fromarray(np.ascontiguousarray(cube)).convert(mode)
    moved = ImageChops.difference(transform.apply(probe), probe.convert("RGB"))
    return transform if np.asarray(moved).max() > 2 else None


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(image, mask=image.getchannel("A"))
    return canvas
