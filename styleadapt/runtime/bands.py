"""Runs the style generator on a photo of any size in little memory: `StyleGenerator.forward`, in bands of rows.

The generator's normalizations take their statistics over the whole picture, so a photo that is cut into tiles, each stylized for
itself, shows the cuts. Here every convolution is calculated in bands that overlap by the row it sees beyond them, and the
statistics of all bands are taken together before any is normalized. What comes out is what `forward` gives, but for rounding; and
no more than three maps at 1/4, or one of them and one at 1/2, are held at a time. Those of the full resolution never are.

It is also the faster way on a CPU without a compiler: nothing is kept for gradients, the photo stays in bytes, and sums and
normalizations are those of batch normalization, which for a single photo are the same, and vectorized in bfloat16 too.
"""

from collections.abc import Callable, Iterable, Iterator

import torch
import torch.nn as nn
import torch.nn.functional as F

from ..devices.cpu import release_memory
from ..models.generator import StyleGenerator, double, padding
from ..models.layers import AdaLINBlock, StyleNoise, channel_moments, instance_coefficients

BAND_PIXELS = 5 << 18  # at full resolution; fewer repeat more rows, more take more memory
LARGE = 1 << 23  # pixels of photos after which memory is given back: below, keeping it saves time

Moments = tuple[torch.Tensor, torch.Tensor]


@torch.inference_mode()
def render(
    generator: StyleGenerator,
    photo: torch.Tensor,
    code: torch.Tensor,
    dtype: torch.dtype | None = None,
    band_pixels: int = BAND_PIXELS,
) -> torch.Tensor:
    """Stylizes one photo.

    Args:
        generator: in evaluation mode.
        photo: `(H, W, 3)` bytes, any H and W from 1 up.
        code: style code, `(1, code_dim)`.
        dtype: of the maps; the generator's own if left out. Style code, statistics and weights keep theirs.
        band_pixels: about so many pixels are painted at a time, but 64 rows at least.

    Returns:
        `(H, W, 3)` bytes, on the CPU.

    Raises:
        ValueError: the maps hold NaN or infinite values.

    >>> generator = StyleGenerator(channels=(8, 8), blocks=(1, 1), half_channels=4, full_channels=4, code_dim=16).eval()
    >>> render(generator, torch.zeros(37, 50, 3, dtype=torch.uint8), torch.zeros(1, 16)).shape
    torch.Size([37, 50, 3])
    """
    source = _PaddedPhoto(photo, generator.device, dtype or generator.dtype)
    rows = max(64, band_pixels // source.width // 8 * 8)
    large = source.height * source.width > LARGE
    h = _at_quarter(generator, source, code, rows)
    if large:
        release_memory()  # the blocks of 1/4 are of no use for a map of another size
    half, moments = _at_half(generator, h, code, rows)
    del h
    scale, shift = generator.norm2.coefficients(*moments, code)
    if not (scale.isfinite().all() and shift.isfinite().all()):
        raise ValueError("the generator's maps hold NaN or infinite values: its weights or the style code are damaged")
    gain = generator.pixel_gain(code)[0]
    weight, bias = generator.pixels.weight * gain[:, None, None, None], generator.pixels.bias * gain
    painted = torch.empty(photo.shape, dtype=torch.uint8)
    for start, stop, low, high in _bands(half.shape[2], rows // 2):
        band = double(_conv(generator.up1, _scaled(half[:, :, low:high], scale, shift).relu_()))
        pixels = source.rows(2 * low, 2 * high)
        band.add_(F.conv2d(pixels, weight.to(pixels.dtype), bias.to(pixels.dtype), padding=1)).relu_()
        band = _conv(generator.to_rgb, band).tanh_()[0, :, 2 * (start - low) : 2 * (stop - low)]
        source.crop_into(painted, band, 2 * start)
    if large:
        del half
        release_memory()
    return painted


def _at_quarter(generator: StyleGenerator, source: "_PaddedPhoto", code: torch.Tensor, rows: int) -> torch.Tensor:
    def enter(low: int, high: int) -> torch.Tensor:
        pixels = F.pixel_unshuffle(source.rows(4 * low, 4 * high), 4)
        return _conv(generator.enter, pixels.contiguous(memory_format=torch.channels_last))

    def attend(low: int, high: int) -> torch.Tensor:
        return double(_conv(generator.up4, h8[:, :, low:high]))

    h4, moments = _in_bands(enter, source.height // 4, rows // 4)
    _scale_(h4, *instance_coefficients(*moments)).relu_()
    h8 = _conv(generator.down8, h4)
    _scale_(h8, *instance_coefficients(*_moments(h8))).relu_()
    h8 = F.conv2d(h8, generator.cam.folded_kernel().to(h8.dtype), generator.cam.fuse.bias.to(h8.dtype)).relu_()
    _add_noise_(generator.noise8, h8, code)
    _blocks_(generator.blocks8, h8, code, rows // 8)
    for start, stop, low, high in _bands(h8.shape[2], rows // 8):
        h4[:, :, 2 * start : 2 * stop] += attend(low, high)[:, :, 2 * (start - low) : 2 * (stop - low)]
    _add_noise_(generator.noise4, h4, code)
    _blocks_(generator.blocks4, h4, code, rows // 4)
    return h4


def _at_half(generator: StyleGenerator, h4: torch.Tensor, code: torch.Tensor, rows: int) -> tuple[torch.Tensor, Moments]:
    def fuse(low: int, high: int) -> torch.Tensor:
        band = _conv(generator.fuse2, double(_conv(generator.up2, h4[:, :, low:high])))
        _add_noise_(generator.noise2, band, code, 2 * low)
        return band

    return _in_bands(fuse, h4.shape[2], rows // 4, scale=2)


def _blocks_(blocks: Iterable[nn.Module], x: torch.Tensor, code: torch.Tensor, rows: int) -> None:
    """Residual AdaLIN blocks, in place."""
    for block in blocks:
        assert isinstance(block, AdaLINBlock)
        _block_(block, x, code, rows)


def _block_(block: AdaLINBlock, x: torch.Tensor, code: torch.Tensor, rows: int) -> None:
    kernel1, kernel2 = (kernel.to(x.dtype) for kernel in block.kernels(code))

    def first(low: int, high: int) -> torch.Tensor:
        return block.conv1._conv_forward(x[:, :, low:high], kernel1, None)

    def second(low: int, high: int) -> torch.Tensor:
        return block.conv2._conv_forward(_scaled(y[:, :, low:high], *affine).relu_(), kernel2, None)

    y, moments = _in_bands(first, x.shape[2], rows)
    affine = block.norm1.coefficients(*moments, code)
    y, moments = _in_bands(second, x.shape[2], rows)
    affine = block.norm2.coefficients(*moments, code)
    for start, stop, _, _ in _bands(x.shape[2], rows):
        x[:, :, start:stop] += _scaled(y[:, :, start:stop], *affine)


class _PaddedPhoto:
    """A photo with the border that `StyleGenerator.forward` gives it, read by rows in [-1, 1], and pictures without it."""

    def __init__(self, photo: torch.Tensor, device: torch.device, dtype: torch.dtype):
        self.photo, self.device, self.dtype = photo, device, dtype
        height, width = photo.shape[:2]
        (self.top, bottom), (self.left, right) = padding(height), padding(width)
        self.height, self.width = self.top + height + bottom, self.left + width + right
        self.columns = (torch.arange(self.width) - self.left).clamp_(0, width - 1)

    def rows(self, start: int, stop: int) -> torch.Tensor:
        """`(1, 3, stop - start, width)`."""
        rows = (torch.arange(start, stop) - self.top).clamp_(0, self.photo.shape[0] - 1)
        pixels = self.photo[rows].index_select(1, self.columns).to(self.device)
        return pixels.permute(2, 0, 1)[None].to(self.dtype).div_(127.5).sub_(1)

    def crop_into(self, painted: torch.Tensor, rows: torch.Tensor, start: int) -> None:
        """Writes `(3, H, width)` in [-1, 1], whose first row is row `start` with the border."""
        start -= self.top
        first, stop = max(0, -start), min(rows.shape[1], painted.shape[0] - start)
        if first < stop:
            inner = rows[:, first:stop, self.left : self.left + painted.shape[1]].float()
            painted[start + first : start + stop] = inner.add(1).mul_(127.5).round_().to("cpu", torch.uint8).permute(1, 2, 0)


def _bands(length: int, rows: int) -> Iterator[tuple[int, int, int, int]]:
    """First and last row of each band, without and with the rows beside it.

    >>> list(_bands(5, 2))
    [(0, 2, 0, 3), (2, 4, 1, 5), (4, 5, 3, 5)]
    """
    for start in range(0, length, rows):
        stop = min(start + rows, length)
        yield start, stop, max(0, start - 1), min(length, stop + 1)


def _in_bands(step: Callable[[int, int], torch.Tensor], length: int, rows: int, scale: int = 1) -> tuple[torch.Tensor, Moments]:
    """The map that `step` gives in bands, and its channels' means and variances.

    Args:
        step: gives rows `scale * low` to `scale * high` of the map, of which the outermost `scale` at a cut may be wrong.
        length, rows: of `low` and `high`, in all and in a band.
    """
    whole: torch.Tensor | None = None
    mean = square = torch.zeros((), dtype=torch.float32)
    for start, stop, low, high in _bands(length, rows):
        band = step(low, high)[:, :, scale * (start - low) : scale * (stop - low)]
        band_mean, band_var = _moments(band)
        if stop - start == length:
            return band, (band_mean, band_var)
        if whole is None:
            batch, channels, _, width = band.shape
            whole = band.new_empty(batch, scale * length, width, channels).permute(0, 3, 1, 2)
        whole[:, :, scale * start : scale * stop] = band
        share = (stop - start) / length
        mean = mean + share * band_mean
        square = square + share * (band_var + band_mean**2)
    assert whole is not None
    return whole, (mean, (square - mean**2).clamp_min(0))


def _moments(x: torch.Tensor) -> Moments:
    """Mean and variance of every channel of one map, `(1, C)` each in float32."""
    if x.device.type not in ("cpu", "cuda"):  # where torch has no such operation
        return channel_moments(x)
    mean, var = (torch.zeros(x.shape[1], dtype=torch.float32, device=x.device) for _ in range(2))
    # with a momentum of 1 the running statistics, which keep their precision, are those of this map
    torch.batch_norm_update_stats(x, mean, var, 1.0)
    count = x.shape[2] * x.shape[3]
    return mean[None], var[None] * ((count - 1) / count)


def _scaled(x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """`x * scale + shift` with one of each, `(1, C)`, a channel."""
    return F.batch_norm(x, torch.zeros_like(scale[0]), torch.ones_like(scale[0]), scale[0], shift[0], eps=1e-12)


def _scale_(x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    return torch.addcmul(_as_map(shift, x), x, _as_map(scale, x), out=x)


def _add_noise_(layer: StyleNoise, x: torch.Tensor, code: torch.Tensor, top: int = 0) -> None:
    """`layer` in place, on a map whose first row is row `top`."""
    noise = layer.noise(x.shape[2], x.shape[3], top)
    x.addcmul_(noise.to(x.dtype), _as_map(layer.gain(code), x))


def _as_map(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return values[:, :, None, None].to(like.dtype)


def _conv(layer: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    """`layer` calculated in the precision of `x`."""
    bias = None if layer.bias is None else layer.bias.to(x.dtype)
    return layer._conv_forward(x, layer.weight.to(x.dtype), bias)
