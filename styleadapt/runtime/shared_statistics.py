"""Inference of the style generator on a set of pictures with statistics in common, and on textures that repeat.

Every normalization of `StyleGenerator` takes means and variances of the picture at hand, so that two pictures of a set, each
stylized for itself, drift apart in color and contrast. Here statistics are also taken once over all pieces of a set, layer by
layer, each layer after the normalization of the one before, and a piece is normalized by a mixture of the set's and its own. By
the set's alone, dark or plain pieces lie where the generator has never been, and half of a set of textures is painted while the
other half is hardly touched; by its own alone, everything becomes equally bright. If nothing else is asked for, textures that
repeat are normalized by half of each. Sprites have the set's alone: they are much alike as they come, and frames of an animation
flicker less by what all of them have in common. Given the set's statistics, a piece's picture depends on nothing but the piece:
it is the same alone, in a sheet, and in any order.

A texture that repeats is a torus: convolutions, enlargement and noise go around its edges. The noise of `StyleNoise`, which else
has its place on the canvas, then has its place on the texture (see `anchors`), so that a texture rolled by multiples of 8 pixels,
the generator's stride, gives the same picture rolled.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from ..models.generator import StyleGenerator, double, padding
from ..models.layers import AdaLIN, AdaLINBlock, StyleNoise, instance_coefficients, scale_channels

STRIDE = 8
_BAND_PIXELS = 1 << 20  # at full resolution
_MOST_TIES = 256

Moments = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Pieces:
    """Pictures of one size.

    Args:
        pixels: `(B, H, W, 3)` bytes.
        tile: they repeat in both directions; height and width are then multiples of 8.
        seen: `(B, H, W)` truth values, which pixels the statistics are taken of; all if left out. Around a sprite lies so much
            that nobody sees that it would decide them.

    Raises:
        ValueError: another shape, or a texture of another size.
    """

    pixels: torch.Tensor
    tile: bool = False
    seen: torch.Tensor | None = None

    def __post_init__(self) -> None:
        shape = tuple(self.pixels.shape)
        if len(shape) != 4 or shape[3] != 3 or 0 in shape:
            raise ValueError(f"`pixels` has shape {shape}; pieces are (B, H, W, 3)")
        if self.seen is not None and self.seen.shape != self.pixels.shape[:3]:
            raise ValueError(f"`seen` has shape {tuple(self.seen.shape)} beside pixels {shape}; it is (B, H, W)")
        if self.tile and (shape[1] % STRIDE or shape[2] % STRIDE):
            raise ValueError(f"a texture of {shape[2]} x {shape[1]} cannot repeat: both sides must be multiples of {STRIDE}")


@torch.inference_mode()
def collect_statistics(
    generator: StyleGenerator, pieces: Sequence[Pieces], code: torch.Tensor, share: float | None = None
) -> list[Moments]:
    """Means and variances of the channels at every normalization, over all pixels of all pieces that are seen.

    Args:
        generator: in evaluation mode.
        pieces: of the set; what they hold is in memory at once, at 1/4 of their size 48 channels.
        code: style code `(1, code_dim)`.
        share: the set's share in the statistics that pieces are normalized by, 0 to 1; the rest is their own. Half for textures
            that repeat and all for other pieces, if left out.

    Returns:
        For each normalization, in the order of the forward pass, two of `(1, C)` in float32.

    Raises:
        ValueError: no piece, nothing that is seen, or maps that hold NaN or infinite values.

    >>> generator = StyleGenerator(channels=(8, 8), blocks=(1, 1), half_channels=4, full_channels=4, code_dim=16).eval()
    >>> pieces = [Pieces(torch.zeros(2, 16, 24, 3, dtype=torch.uint8)), Pieces(torch.zeros(1, 8, 8, 3).byte(), tile=True)]
    >>> len(collect_statistics(generator, pieces, torch.zeros(1, 16)))
    7
    """
    if not any(batch.seen is None or batch.seen.any() for batch in pieces):
        raise ValueError("there is no piece to take statistics of")
    statistics: list[Moments] = []
    seen = [_seen(batch, generator.device) for batch in pieces]

    def measure(maps: list[torch.Tensor]) -> list[Moments]:
        own = [_moments(m, shares) for m, shares in zip(maps, seen)]
        weights = torch.cat([pixels for pixels, _ in own])
        means, variances = (torch.cat([moments[n] for _, moments in own]) for n in (0, 1))
        mean = (weights * means).sum(0, keepdim=True) / weights.sum()
        square = (weights * (variances + means**2)).sum(0, keepdim=True) / weights.sum()
        statistics.append((mean, (square - mean**2).clamp_min(0)))
        mixtures = zip(pieces, own)
        return [_mixed(moments, pixels, statistics[-1], _share(batch, share)) for batch, (pixels, moments) in mixtures]

    _Walk(generator, pieces, code, measure).to_half()
    if not all(bool(values.isfinite().all()) for moments in statistics for values in moments):
        raise ValueError("the generator's maps hold NaN or infinite values: its weights or the style code are damaged")
    return statistics


@torch.inference_mode()
def paint(
    generator: StyleGenerator, pieces: Pieces, code: torch.Tensor, statistics: Sequence[Moments], share: float | None = None
) -> torch.Tensor:
    """Stylizes pieces with the statistics of their set.

    Args:
        generator, code, share: as of `collect_statistics`.
        statistics: what it gave for the same generator.

    Returns:
        `(B, H, W, 3)` bytes, on the CPU. With the statistics of one picture alone, its picture as of `StyleGenerator`.
    """
    given, share = iter(statistics), _share(pieces, share)
    seen = _seen(pieces, generator.device)

    def moments(maps: list[torch.Tensor]) -> list[Moments]:
        shared = next(given)
        if share == 1:
            return [shared]
        pixels, own = _moments(maps[0], seen)
        return [_mixed(own, pixels, shared, share)]

    walk = _Walk(generator, [pieces], code, moments)
    half = walk.to_half()[0]
    return _paint_rows(generator, walk.photos[0], half, pieces, code)


def _share(pieces: Pieces, share: float | None) -> float:
    return share if share is not None else 0.5 if pieces.tile else 1.0


def _moments(m: torch.Tensor, seen: torch.Tensor | None) -> tuple[torch.Tensor, Moments]:
    """How many pixels of each map `(B, C, h, w)` are seen, `(B, 1)`, and the means and variances over them, two of `(B, C)`."""
    m = m.float()
    if seen is None:
        variance, mean = torch.var_mean(m, (2, 3), correction=0)
        return m.new_full((len(m), 1), m.shape[2] * m.shape[3]), (mean, variance)
    w = F.adaptive_avg_pool2d(seen, (m.shape[2], m.shape[3])).flatten(2).mT
    pixels = w.sum(1)
    w = w / pixels[:, None].clamp_min(1e-6)
    m = m.flatten(2)
    mean = m @ w
    # of the distances from the mean: a difference of large sums would be noise where a piece is plain
    return pixels, (mean[..., 0], ((m - mean).square_() @ w)[..., 0])


def _mixed(own: Moments, pixels: torch.Tensor, shared: Moments, share: float) -> Moments:
    """Means and deviations between a piece's own and the set's; a piece of which nothing is seen has the set's."""
    if share == 1:
        return shared
    weight = torch.where(pixels > 0, share, 1.0)
    mean = torch.lerp(own[0], shared[0].expand_as(own[0]), weight)
    deviation = torch.lerp(own[1].sqrt(), shared[1].sqrt().expand_as(own[1]), weight)
    return mean, deviation.square()


def anchors(pieces: Pieces) -> list[tuple[int, int]]:
    """A place on each picture, row and column in multiples of 8, that moves with the picture when it is rolled by such.

    It is the brightest block of 8 x 8 pixels; among several, the one from which on the picture's blocks come last in order. Only
    a texture that repeats within itself has more than one such place.

    >>> texture = torch.zeros(1, 32, 32, 3, dtype=torch.uint8)
    >>> texture[0, 9, 17] = 255
    >>> anchors(Pieces(texture, tile=True)), anchors(Pieces(texture.roll((16, 16), (1, 2)), tile=True))
    ([(8, 16)], [(24, 0)])
    """
    count, height, width, _ = pieces.pixels.shape
    blocks = pieces.pixels.cpu().long().sum(3).view(count, height // STRIDE, STRIDE, width // STRIDE, STRIDE).sum((2, 4)).numpy()
    places = []
    for sums in blocks:
        ties = np.argwhere(sums == sums.max())[:_MOST_TIES]
        row, column = max(ties.tolist(), key=lambda place: np.roll(sums, (-place[0], -place[1]), (0, 1)).astype(">i8").tobytes())
        places.append((STRIDE * row, STRIDE * column))
    return places


class _Walk:
    """The generator's forward pass over several batches side by side; `moments` gives, for the maps that they have at a
    normalization, the statistics of each batch."""

    def __init__(
        self,
        generator: StyleGenerator,
        pieces: Sequence[Pieces],
        code: torch.Tensor,
        moments: Callable[[list[torch.Tensor]], list[Moments]],
    ):
        self.generator, self.pieces, self.code, self.moments = generator, pieces, code, moments
        self.photos = [_photos(batch, generator) for batch in pieces]
        self.anchors = [anchors(batch) if batch.tile else [] for batch in pieces]

    def to_half(self) -> list[torch.Tensor]:
        """The maps at 1/2 after their normalization, `(B, C, H / 2, W / 2)`."""
        g = self.generator
        e4 = self._conv(g.enter, [F.pixel_unshuffle(photo, 4) for photo in self.photos])
        e4 = self._relu(self._instance(e4))
        h = self._relu(self._instance(self._conv(g.down8, e4)))
        kernel, bias = g.cam.folded_kernel(), g.cam.fuse.bias
        h = self._noise(g.noise8, [F.relu(F.conv2d(m, kernel, bias)) for m in h], 8)
        h = self._blocks(g.blocks8, h)
        h = [_double(g.up4(m), batch.tile) + e for m, e, batch in zip(h, e4, self.pieces)]
        h = self._blocks(g.blocks4, self._noise(g.noise4, h, 4))
        h = self._conv(g.fuse2, [_double(g.up2(m), batch.tile) for m, batch in zip(h, self.pieces)])
        return self._relu(self._adalin(g.norm2, self._noise(g.noise2, h, 2)))

    def _blocks(self, blocks: nn.ModuleList, h: list[torch.Tensor]) -> list[torch.Tensor]:
        for block in blocks:
            assert isinstance(block, AdaLINBlock)
            kernel1, kernel2 = block.kernels(self.code)
            y = self._relu(self._adalin(block.norm1, self._conv(block.conv1, h, kernel1)))
            y = self._adalin(block.norm2, self._conv(block.conv2, y, kernel2))
            h = [a + b for a, b in zip(h, y)]
        return h

    def _conv(self, conv: nn.Conv2d, maps: list[torch.Tensor], kernel: torch.Tensor | None = None) -> list[torch.Tensor]:
        weight = conv.weight if kernel is None else kernel
        return [
            F.conv2d(_padded(m, conv, batch.tile), weight, conv.bias, conv.stride)  # type: ignore[arg-type]
            for m, batch in zip(maps, self.pieces)
        ]

    def _instance(self, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        return [scale_channels(m, *instance_coefficients(mean, var)) for m, (mean, var) in zip(maps, self.moments(maps))]

    def _adalin(self, norm: AdaLIN, maps: list[torch.Tensor]) -> list[torch.Tensor]:
        given = [norm.coefficients(mean, var, self.code) for mean, var in self.moments(maps)]
        return [scale_channels(m, *coefficients) for m, coefficients in zip(maps, given)]

    def _noise(self, layer: StyleNoise, maps: list[torch.Tensor], scale: int) -> list[torch.Tensor]:
        gain = layer.gain(self.code)[:, :, None, None]
        out = []
        for m, places in zip(maps, self.anchors):
            noise = layer.noise(*m.shape[-2:])
            if places:
                noise = torch.cat([noise.roll((row // scale, column // scale), (2, 3)) for row, column in places])
            out.append(torch.addcmul(m, noise.to(m.dtype), gain.to(m.dtype)))
        return out

    @staticmethod
    def _relu(maps: list[torch.Tensor]) -> list[torch.Tensor]:
        return [m.relu_() for m in maps]


def _photos(batch: Pieces, generator: StyleGenerator) -> torch.Tensor:
    """`(B, 3, H, W)` in [-1, 1], with the border that `StyleGenerator.forward` gives a photo unless they repeat."""
    x = batch.pixels.to(generator.device).permute(0, 3, 1, 2).to(generator.dtype).div_(127.5).sub_(1)
    if not batch.tile:
        (top, bottom), (left, right) = padding(x.shape[2]), padding(x.shape[3])
        x = F.pad(x, (left, right, top, bottom), mode="replicate")
    return x.contiguous(memory_format=torch.channels_last)


def _seen(batch: Pieces, device: torch.device) -> torch.Tensor | None:
    """`(B, 1, H, W)`, 1 where a piece is seen, with the border of `_photos`; None if all of it is."""
    if batch.seen is None:
        return None
    seen = batch.seen[:, None].to(device, torch.float32)
    if batch.tile:
        return seen
    (top, bottom), (left, right) = padding(seen.shape[2]), padding(seen.shape[3])
    return F.pad(seen, (left, right, top, bottom), mode="replicate")


def _paint_rows(
    generator: StyleGenerator, photos: torch.Tensor, half: torch.Tensor, batch: Pieces, code: torch.Tensor
) -> torch.Tensor:
    """The last, light layers, by bands of rows: they are most of the memory."""
    height, width = batch.pixels.shape[1:3]
    top, left = (0, 0) if batch.tile else (padding(height)[0], padding(width)[0])
    gain = generator.pixel_gain(code)[:, :, None, None]
    painted = torch.empty(batch.pixels.shape, dtype=torch.uint8)
    length = half.shape[2]
    rows = max(32, _BAND_PIXELS // (2 * photos.shape[0] * photos.shape[3]))
    for start in range(0, length, rows):
        stop = min(start + rows, length)
        band = _double(generator.up1(_rows(half, start - 1, stop + 1, batch.tile)), batch.tile)
        pixels = _rows(photos, 2 * start - 2, 2 * stop + 2, batch.tile)
        pixels = F.conv2d(_padded(pixels, generator.pixels, batch.tile), generator.pixels.weight, generator.pixels.bias)
        band = F.relu(torch.addcmul(band, pixels, gain))
        band = F.conv2d(_padded(band, generator.to_rgb, batch.tile), generator.to_rgb.weight, generator.to_rgb.bias)
        first = max(0, 2 * start - top)
        last = min(height, 2 * stop - top)
        offset = top + first - (2 * start - 2)
        band = band[:, :, offset : offset + last - first, left : left + width].tanh().float()
        painted[:, first:last] = band.add_(1).mul_(127.5).round_().to("cpu", torch.uint8).permute(0, 2, 3, 1)
    return painted


def _rows(maps: torch.Tensor, start: int, stop: int, tile: bool) -> torch.Tensor:
    rows = torch.arange(start, stop, device=maps.device)
    return maps[:, :, rows % maps.shape[2] if tile else rows.clamp(0, maps.shape[2] - 1)]


def _padded(x: torch.Tensor, conv: nn.Conv2d, tile: bool) -> torch.Tensor:
    mode = "circular" if tile else "replicate" if conv.padding_mode == "replicate" else "constant"
    return F.pad(x, (1, 1, 1, 1), mode=mode)


def _double(x: torch.Tensor, tile: bool) -> torch.Tensor:
    return double(F.pad(x, (1, 1, 1, 1), mode="circular"))[:, :, 2:-2, 2:-2] if tile else double(x)
