"""An asset cut into what a network paints, and put together again: frames, without what lies hidden, in the pixels of the art."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from ..errors import ImageError
from ..images.images import split_alpha
from .sheets import Box, Frame
from .sprites import bleed, pixel_scale

MAX_PIECE_PIXELS = 1 << 24  # 4096 x 4096
_MULTIPLE = 8


@dataclass(frozen=True)
class Asset:
    """A picture of a game, and how it is used.

    Args:
        image: "RGB" or "RGBA", see `images.images.load_image`.
        frames: of a sheet; the whole picture if left out.
        tile: it, or each of its frames, repeats in both directions.
        key: a color that stands for transparency, and stays.
    """

    image: Image.Image
    frames: Sequence[Frame] = ()
    tile: bool = False
    key: tuple[int, int, int] | None = None

    @property
    def keyed(self) -> np.ndarray:
        """`(H, W)`, where the picture has the color that stands for transparency."""
        if self.key is None:
            return np.zeros(self.image.size[::-1], bool)
        return (np.asarray(self.image)[..., :3] == self.key).all(2)


@dataclass(frozen=True)
class Piece:
    """
    Args:
        pixels: `(H, W, 3)` bytes in the pixels of the art.
        seen: `(H, W)`, which of them are not transparent.
        tile: it repeats.
        repeats: how often it does within the asset's own texture, down and to the right.
    """

    pixels: np.ndarray
    seen: np.ndarray
    tile: bool
    repeats: tuple[int, int] = (1, 1)

    def enlarged(self, times: int) -> "Piece":
        """The piece so many times as wide and high; a texture that repeats to the next multiples of 8."""
        pixels, seen = (values.repeat(times, 0).repeat(times, 1) for values in (self.pixels, self.seen))
        if self.tile:
            width, height = (-(-side // _MULTIPLE) * _MULTIPLE for side in pixels.shape[1::-1])
            pixels = resized_around(pixels, (width, height))
            seen = np.asarray(Image.fromarray(seen).resize((width, height), Image.Resampling.NEAREST))
        return Piece(pixels, seen, self.tile)

    def reduced(self, painted: np.ndarray, times: int) -> np.ndarray:
        """What was painted over the enlarged piece, in the pixels of the art: the mean of as many as each of them became."""
        height, width = self.pixels.shape[:2]
        whole = resized_around(painted, (width * times, height * times)).astype(np.float32)
        reduced = np.rint(whole.reshape(height, times, width, times, 3).mean((1, 3))).astype(np.uint8)
        return np.tile(reduced, (*self.repeats, 1))


@dataclass(frozen=True)
class _Place:
    """Where a piece goes.

    Args:
        box: in the asset.
        part: of the piece in the pixels of the asset.
        rotated: by 90 degrees clockwise.
        scale: pixels of the asset that one of the piece is wide.
    """

    box: Box
    part: Box
    rotated: bool
    scale: int


@dataclass(frozen=True)
class CutAsset:
    """The pieces of an asset, in the order in which they are put together. Of frames in one place there is one."""

    asset: Asset
    pieces: list[Piece] = field(default_factory=list)
    places: list[_Place] = field(default_factory=list)

    def assembled(self, finished: Sequence[np.ndarray], canvas: np.ndarray) -> np.ndarray:
        """The whole picture of its pieces.

        Args:
            finished: for every piece an array `(h, w, ...)` of its size.
            canvas: `(H, W, ...)` that they are put on, which is changed.
        """
        for values, place in zip(finished, self.places):
            whole = values.repeat(place.scale, 0).repeat(place.scale, 1)
            part = _crop(whole, place.part)
            left, top, right, bottom = place.box
            canvas[top:bottom, left:right] = np.rot90(part, -1) if place.rotated else part
        return canvas


def cut_asset(asset: Asset, pixel_art: bool = True) -> CutAsset:
    """Cuts an asset into pieces.

    A sheet's frames become pieces of their whole size, upright and at their place if they were turned and trimmed, so that what
    stands still in an animation is painted alike. What is seen of a sheet outside of its frames is painted once, as one picture.
    Frames without a visible pixel are left out, and do not count for the pixels of the art, which are those of all other frames.
    Of a texture that repeats within itself one period is painted.

    Args:
        asset: its frames lie within it.
        pixel_art: enlarged pixel art is taken in its own pixels, see `sprites.pixel_scale`.

    Raises:
        ImageError: a picture of one pixel, or more pixels than can be painted in the picture or in a frame.

    >>> cut_asset(Asset(Image.new("RGB", (20, 12), "red"))).pieces[0].pixels.shape
    (12, 20, 3)
    """
    width, height = asset.image.size
    if width * height == 1:
        raise ImageError("is 1 x 1 pixel, in which there is nothing to paint; keep it out of the set")
    if width * height > MAX_PIECE_PIXELS:
        raise ImageError(f"has {width} x {height} pixels, the limit is {MAX_PIECE_PIXELS:,}; divide it, or make it smaller")
    for frame in asset.frames:
        if math.prod(frame.size) > MAX_PIECE_PIXELS:
            raise ImageError(
                f"has a frame {frame.name!r} of {frame.size[0]} x {frame.size[1]} pixels, the limit is {MAX_PIECE_PIXELS:,}; "
                "make it smaller"
            )
    color, band = split_alpha(asset.image)
    rgb = np.asarray(color)
    alpha = np.full((height, width), 255, np.uint8) if band is None else np.array(band)
    alpha[asset.keyed] = 0
    frames = list({frame.box: frame for frame in asset.frames}.values())
    whole = (rgb, alpha, Frame("", (0, 0, width, height)))
    raw = [(*_upright(rgb, alpha, frame), frame) for frame in frames] or [whole]
    visible = [entry for entry in raw if entry[1].any()]
    scales = [_common_scale(visible) if pixel_art else 1] * len(visible)
    if frames:
        outside = alpha.copy()
        for frame in frames:
            outside[frame.box[1] : frame.box[3], frame.box[0] : frame.box[2]] = 0
        if outside.any():
            visible.insert(0, whole)
            # frames may stand where no pixel of enlarged art would, and what is around them may be finer
            scales.insert(0, _common_scale([whole]) if pixel_art else 1)
    cut = CutAsset(asset)
    for (colors, opacity, frame), own in zip(visible, scales):
        pixels, seen = bleed(colors, opacity)[::own, ::own], opacity[::own, ::own]
        repeats = (1, 1)
        if asset.tile:
            both = np.dstack([pixels, seen])
            repeats = _repeats(both), _repeats(both.swapaxes(0, 1))
        height, width = (side // times for side, times in zip(seen.shape, repeats))
        cut.pieces.append(Piece(pixels[:height, :width], seen[:height, :width] > 0, asset.tile, repeats))
        left, top = frame.offset
        part = (left, top, left + frame.box_size[0], top + frame.box_size[1])
        cut.places.append(_Place(frame.box, part, frame.rotated, own))
    return cut


def resized_around(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A texture that repeats in another size (width, height); what lies beyond an edge comes in from the other side.

    >>> resized_around(np.zeros((3, 5, 3), np.uint8), (8, 16)).shape
    (16, 8, 3)
    """
    height, width = pixels.shape[:2]
    if size == (width, height):
        return pixels
    around = Image.fromarray(np.tile(pixels, (3, 3, 1)))
    around = around.resize((3 * size[0], 3 * size[1]), Image.Resampling.BICUBIC)
    return np.asarray(around.crop((size[0], size[1], 2 * size[0], 2 * size[1])))


def spread_order(count: int) -> list[int]:
    """Numbers from 0 to `count` - 1, such that any first part of them is spread evenly: van der Corput's sequence.

    >>> spread_order(6)
    [0, 4, 2, 1, 5, 3]
    """
    bits = max(1, (count - 1).bit_length())
    return [n for n in (int(f"{k:0{bits}b}"[::-1], 2) for k in range(1 << bits)) if n < count]


def _repeats(values: np.ndarray) -> int:
    """How often a texture repeats from top to bottom, in periods of 8 pixels at least: strokes on a plain one need room."""
    height = len(values)
    periods = (p for p in range(1, height) if height % p == 0 and (values[p:] == values[:-p]).all())
    shortest = next(periods, height)
    return height // shortest if shortest >= _MULTIPLE else 1


def _upright(rgb: np.ndarray, alpha: np.ndarray, frame: Frame) -> tuple[np.ndarray, np.ndarray]:
    """Colors and alpha of a whole frame."""
    colors, opacity = _crop(rgb, frame.box), _crop(alpha, frame.box)
    if frame.rotated:
        colors, opacity = np.rot90(colors), np.rot90(opacity)
    if frame.size == frame.box_size:
        return colors, opacity
    (width, height), (left, top) = frame.size, frame.offset
    whole, seen = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
    area = slice(top, top + opacity.shape[0]), slice(left, left + opacity.shape[1])
    whole[area], seen[area] = colors, opacity
    return whole, seen


def _common_scale(raw: Sequence[tuple[np.ndarray, np.ndarray, Frame]]) -> int:
    # 0 of a frame without an edge, which fits any scale
    scale = math.gcd(*(pixel_scale(colors, alpha) for colors, alpha, _ in raw))
    return math.gcd(scale, *(side for colors, _, _ in raw for side in colors.shape[:2])) if scale else 1


def _crop(values: np.ndarray, box: Box) -> np.ndarray:
    return values[box[1] : box[3], box[0] : box[2]]
