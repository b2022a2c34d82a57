"""Layers that the generators from noise share: equalized learning rate, resampling without aliases, modulated convolutions.

Weights are drawn from a unit Gaussian and scaled when they are used (Karras et al., arXiv 1710.10196, section 4.1), so that an
optimizer that normalizes gradients learns all of them equally fast. Filters are [1, 3, 3, 1] (StyleGAN2, arXiv 1912.04958). Every
operation can be differentiated twice, which R1 and the path-length penalty need.
"""

import math
from typing import Literal

import torch
import torch.nn as nn
import torch.nn.functional as F

# a leaky ReLU of slope 0.2 with this gain keeps the second moment of a Gaussian nearly as it is
LEAKY_GAIN = math.sqrt(2)


def leaky_relu(x: torch.Tensor, gain: float = 1.0, clamp: float | None = None) -> torch.Tensor:
    """sqrt(2) gain max(x, x / 5), and not beyond `clamp` times `gain`.

    >>> leaky_relu(torch.tensor([-5.0, 1.0])).tolist()
    [-1.4142135381698608, 1.4142135381698608]
    """
    x = F.leaky_relu(x, 0.2) * (LEAKY_GAIN * gain)
    return x if clamp is None else x.clamp(-clamp * gain, clamp * gain)


def pixel_norm(x: torch.Tensor) -> torch.Tensor:
    """Each place, or each code, divided by the root of its mean square over dimension 1 (arXiv 1710.10196, section 4.2).

    >>> pixel_norm(torch.tensor([[3.0, 3.0]])).tolist()
    [[1.0, 1.0]]
    """
    return x * torch.rsqrt(_wide(x).square().mean(1, keepdim=True) + 1e-8).to(x.dtype)


def minibatch_deviation(x: torch.Tensor, group: int) -> torch.Tensor:
    """`(B, C, H, W)` -> `(B, C + 1, H, W)`: the last map is the standard deviation over groups of images of the batch, averaged
    over channels and places (arXiv 1710.10196, section 3), by which a discriminator sees a lack of variety.

    Groups are those of StyleGAN2: image n is in group n modulo B / `group`. A batch that `group` does not divide has groups of
    the largest smaller size that does.

    >>> minibatch_deviation(torch.tensor([0.0, 2.0]).view(2, 1, 1, 1), 4)[:, 1].flatten().tolist()
    [1.0, 1.0]
    """
    batch, _, height, width = x.shape
    group = next(size for size in range(min(group, batch), 0, -1) if batch % size == 0)
    grouped = _wide(x).reshape(group, batch // group, *x.shape[1:])
    variance = (grouped - grouped.mean(0)).square().mean(0)
    deviation = (variance + 1e-8).sqrt().mean((1, 2, 3)).to(x.dtype)
    plane = deviation.repeat(group).view(batch, 1, 1, 1).expand(-1, 1, height, width)
    return torch.cat([x, plane], 1)


def fir(x: torch.Tensor, padding: int, stride: int = 1, gain: float = 1.0) -> torch.Tensor:
    """The filter [1, 3, 3, 1] along both axes, of sum `gain`: `(B, C, H, W)` -> `(B, C, H', W')`, H' = (H + 2 padding - 4) //
    stride + 1.

    >>> fir(torch.ones(1, 1, 4, 4), padding=0).item()
    1.0
    """
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], device=x.device)
    kernel = (torch.outer(taps, taps) * (gain / 64)).to(x.dtype).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(x, kernel, padding=padding, stride=stride, groups=x.shape[1])


def upsample(x: torch.Tensor, circular: bool = False) -> torch.Tensor:
    """Twice as large: `(B, C, H, W)` -> `(B, C, 2 H, 2 W)`, zeros put between and filtered. That is bilinear interpolation.

    Args:
        circular: beyond an edge the opposite side goes on, otherwise there are zeros.

    >>> upsample(torch.ones(1, 1, 2, 2), circular=True).unique()
    tensor([1.])
    """
    x = F.pad(x, (1, 1, 1, 1), mode="circular" if circular else "constant")
    return F.interpolate(x, scale_factor=2.0, mode="bilinear")[..., 2:-2, 2:-2]


def downsample(x: torch.Tensor) -> torch.Tensor:
    """Half as large: `(B, C, H, W)` -> `(B, C, H / 2, W / 2)`, filtered and every second place taken; zeros beyond the edges."""
    return fir(x, padding=1, stride=2)


def convolve(x: torch.Tensor, weight: torch.Tensor, up: bool = False, circular: bool = False, groups: int = 1) -> torch.Tensor:
    """A convolution that keeps the size, or doubles it.

    Args:
        x: `(B, C, H, W)`.
        weight: `(D, C / groups, k, k)`, k odd; for `up` it is that of a transposed convolution, with these two axes as they are
            here, and the filter comes after it.
        circular: beyond an edge the opposite side goes on, otherwise there are zeros.

    >>> convolve(torch.ones(1, 2, 4, 4), torch.ones(3, 2, 3, 3), up=True).shape
    torch.Size([1, 3, 8, 8])
    """
    reach = weight.shape[-1] // 2
    if not up:
        if circular and reach:
            return F.conv2d(F.pad(x, (reach,) * 4, mode="circular"), weight, groups=groups)
        return F.conv2d(x, weight, padding=reach, groups=groups)
    if circular:
        # two places are more than the kernel and the filter see together
        x = F.pad(x, (2, 2, 2, 2), mode="circular")
    out, inside, size, _ = weight.shape
    weight = weight.view(groups, out // groups, inside, size, size).transpose(1, 2).flatten(0, 1)
    y = fir(F.conv_transpose2d(x, weight, stride=2, groups=groups), padding=2 - reach, gain=4.0)
    return y[..., 4:-4, 4:-4] if circular else y


def modulated_conv2d(
    x: torch.Tensor,
    weight: torch.Tensor,
    style: torch.Tensor,
    demodulate: bool = True,
    up: bool = False,
    circular: bool = False,
    form: Literal["scaled", "grouped"] = "scaled",
) -> torch.Tensor:
    """A convolution whose weights follow the style of each image (StyleGAN2, arXiv 1912.04958, section 2.2, eq. 1 and 3):

        w' = style_c weight_dckl,   w'' = w' / sqrt(sum over c, k, l of w'^2 + 1e-8)

    Both forms give the same. "scaled" multiplies the input's channels by the style and the output's by the demodulation, around
    one convolution for the whole batch; "grouped" makes the weights of each image, and takes the batch as groups. The first
    is faster on a CPU: forwards and backwards, 0.81 of the time of the second for 16 images of 128 channels at 32 px, 0.48 from
    16 px to 32 px, and 0.17 for 8 images of 256 channels at 8 px.

    Args:
        x: `(B, C, H, W)`.
        weight: `(D, C, k, k)`.
        style: `(B, C)`.
        demodulate: divides as in eq. 3.
        up, circular: see `convolve`.

    >>> x, weight, style = torch.randn(2, 3, 4, 4), torch.randn(5, 3, 3, 3), torch.randn(2, 3)
    >>> scaled, grouped = (modulated_conv2d(x, weight, style, form=form) for form in ("scaled", "grouped"))
    >>> torch.allclose(scaled, grouped, atol=1e-5)
    True
    """
    if demodulate and x.dtype == torch.float16:
        # demodulation takes the scale out again, and half precision does not overflow
        style = style / style.abs().amax(1, keepdim=True).clamp_min(1e-4)
    if form == "scaled":
        y = convolve(x * style[:, :, None, None].to(x.dtype), weight, up, circular)
        return y * _demodulation(weight, style)[:, :, None, None].to(y.dtype) if demodulate else y
    batch, channels = style.shape
    weights = weight[None] * style[:, None, :, None, None]
    if demodulate:
        weights = weights * torch.rsqrt(weights.square().sum((2, 3, 4), keepdim=True) + 1e-8)
    y = convolve(x.reshape(1, batch * channels, *x.shape[2:]), weights.flatten(0, 1).to(x.dtype), up, circular, groups=batch)
    return y.view(batch, len(weight), *y.shape[2:])


def _demodulation(weight: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    with torch.autocast(style.device.type, enabled=False):
        energy = _wide(weight).square().sum((2, 3))
        return torch.rsqrt(style.to(energy.dtype).square() @ energy.T + 1e-8)


def _wide(x: torch.Tensor) -> torch.Tensor:
    """In float32 at least, for sums of squares."""
    return x if x.dtype == torch.float64 else x.float()


class EqualizedLinear(nn.Linear):
    """
    Args:
        activate: a leaky ReLU with gain follows.
        bias: the bias at the start.
        lr_multiplier: how much slower than its optimizer says it learns.

    >>> EqualizedLinear(4, 8)(torch.zeros(1, 4)).shape
    torch.Size([1, 8])
    """

    def __init__(self, c_in: int, c_out: int, activate: bool = False, bias: float = 0.0, lr_multiplier: float = 1.0):
        super().__init__(c_in, c_out)
        self.activate, self.lr_multiplier = activate, lr_multiplier
        nn.init.normal_(self.weight, std=1 / lr_multiplier)
        nn.init.constant_(self.bias, bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(B, c_in)` -> `(B, c_out)`."""
        gain = self.lr_multiplier / math.sqrt(self.in_features)
        x = F.linear(x.to(self.weight.dtype), self.weight * gain, self.bias * self.lr_multiplier)
        return leaky_relu(x) if self.activate else x


class EqualizedConv2d(nn.Conv2d):
    """
    Args:
        kernel: 1 or 3.
        activate: a leaky ReLU with gain follows.
        bias: with one, 0 at the start.
        resample: "up" or "down" for an output twice or half as large.
        clamp: no value of the output is beyond it; for half precision.

    >>> EqualizedConv2d(3, 8, 3, resample="down")(torch.zeros(1, 3, 8, 8)).shape
    torch.Size([1, 8, 4, 4])
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int,
        activate: bool = False,
        bias: bool = True,
        resample: Literal["up", "down"] | None = None,
        clamp: float | None = None,
    ):
        super().__init__(c_in, c_out, kernel, bias=bias)
        self.activate, self.resample, self.clamp, self.circular = activate, resample, clamp, False
        nn.init.normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: torch.Tensor, gain: float = 1.0) -> torch.Tensor:
        """`(B, c_in, H, W)` -> `(B, c_out, H', W')`, times `gain`."""
        weight = self.weight * equalizing(self.weight)
        if self.resample == "down":
            # filtering and taking every second place is all that a 1x1 convolution needs to be done before it
            whole = self.kernel_size == (1, 1)
            y = F.conv2d(downsample(x), weight) if whole else F.conv2d(fir(x, padding=2), weight, stride=2)
        elif self.resample == "up" and self.kernel_size == (1, 1):
            y = upsample(convolve(x, weight), self.circular)
        else:
            y = convolve(x, weight, self.resample == "up", self.circular)
        y = with_bias(y, self.bias)
        return leaky_relu(y, gain, self.clamp) if self.activate else y * gain


def with_bias(x: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """`(B, C, H, W)` with `(C,)` added, if there is a bias, in the type of the former.

    >>> with_bias(torch.zeros(1, 1, 1, 2), torch.ones(1)).flatten().tolist()
    [1.0, 1.0]
    """
    return x if bias is None else x + bias[:, None, None].to(x.dtype)


def equalizing(weight: torch.Tensor) -> float:
    """What weights `(D, C, k, k)` are multiplied by when they are used.

    >>> equalizing(torch.zeros(2, 4, 2, 2))
    0.25
    """
    return 1 / math.sqrt(weight[0].numel())
