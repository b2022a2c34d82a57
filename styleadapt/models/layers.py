"""Layers that several of our models use: AdaLIN, its residual block, class activation maps."""

from collections.abc import Callable

import torch
import torch.nn as nn
import torch.nn.functional as F


def channel_moments(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and (biased) variance of every channel in float32: `(B, C, H, W)` -> two of `(B, C)`."""
    if _one_by_one(x):
        return _Moments.apply(x)
    # as E[x^2] - E[x]^2: on a CPU and in channels_last `torch.var_mean` takes ten times as long as these two means
    x = x.float()
    mean = x.mean((2, 3))
    return mean, ((x * x).mean((2, 3)) - mean * mean).clamp_min(0)


def scale_channels(x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """`x * scale + shift` with one of each a channel: `(B, C, H, W)`, two of `(B, C)` in float32 -> the same shape as `x`."""
    if _one_by_one(x):
        return _Scaled.apply(x, scale, shift)
    return torch.addcmul(shift[:, :, None, None].to(x.dtype), x, scale[:, :, None, None].to(x.dtype))


def _one_by_one(x: torch.Tensor) -> bool:
    """Whether `x` is a single map on a CPU, whose statistics are those of a batch, so that batch normalization's vectorized code
    serves it. With its gradients a step of adaptation spends a third less time in the generator."""
    return x.device.type == "cpu" and x.shape[0] == 1 and x[0, 0].numel() > 1 and not torch.compiler.is_compiling()


class _Moments(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mean, variance = (torch.zeros(x.shape[1], dtype=torch.float32) for _ in range(2))
        # with a momentum of 1 the running statistics, which keep their precision, are those of this map
        torch.batch_norm_update_stats(x, mean, variance, 1.0)
        count = x.shape[2] * x.shape[3]
        variance *= (count - 1) / count
        ctx.save_for_backward(x, mean)
        return mean[None], variance[None]

    @staticmethod
    def backward(ctx, mean_gradient: torch.Tensor, variance_gradient: torch.Tensor) -> torch.Tensor:
        x, mean = ctx.saved_tensors
        count = x.shape[2] * x.shape[3]
        scale = 2 / count * variance_gradient[0]
        return _batch_norm(x, scale, mean_gradient[0] / count - scale * mean)


class _Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x, scale)
        return _batch_norm(x, scale[0], shift[0])

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x, scale = ctx.saved_tensors
        nothing, one = torch.zeros_like(scale[0]), torch.ones_like(scale[0])
        of_x, of_scale, of_shift = torch.ops.aten.native_batch_norm_backward(
            gradient, x, scale[0], nothing, one, None, None, False, 1e-12, [True, True, True]
        )
        return of_x, of_scale[None], of_shift[None]


def _batch_norm(x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    return F.batch_norm(x, torch.zeros_like(scale), torch.ones_like(scale), scale, shift, eps=1e-12)


def instance_coefficients(mean: torch.Tensor, var: torch.Tensor, eps: float = 1e-4) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and shift of instance normalization from the channels' means and variances: two of `(B, C)` -> two of `(B, C)`."""
    scale = torch.rsqrt(var + eps)
    return scale, -mean * scale


class AdaLIN(nn.Module):
    """Adaptive layer-instance normalization, driven by a style code (U-GAT-IT, arXiv 1907.10830, eq. 1).

        y = gamma(s) * (rho * IN(x) + (1 - rho) * LN(x)) + beta(s),   rho in [0, 1], one a channel

    Both normalizations are affine in x once the means and variances of the channels are known, and the layer's mean and
    variance follow from those of its channels. So the whole is one reduction and one multiply-add with a per-channel
    scale and shift, instead of four passes over the map.

    Args:
        channels (int): channels of the feature map, C.
        code_dim (int): length of the style code, D.
        eps (float): added to variances.

    >>> AdaLIN(8, 4)(torch.randn(2, 8, 5, 7), torch.randn(2, 4)).shape
    torch.Size([2, 8, 5, 7])
    """

    def __init__(self, channels: int, code_dim: int, eps: float = 1e-4):
        super().__init__()
        self.channels = channels
        self.eps = eps
        self.rho = nn.Parameter(torch.full((channels,), 0.9))
        self.affine = nn.Linear(code_dim, 2 * channels)
        nn.init.normal_(self.affine.weight, std=0.5 * code_dim**-0.5)
        nn.init.zeros_(self.affine.bias)

    def forward(self, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        """`(B, C, H, W)`, `(B, D)` -> `(B, C, H, W)`."""
        return scale_channels(x, *self.coefficients(*channel_moments(x), code))

    def coefficients(self, mean: torch.Tensor, var: torch.Tensor, code: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scale and shift of every channel, two of `(B, C)` in float32, from the channels' means and variances, `(B, C)` each."""
        gamma, beta = self.affine(code).float().chunk(2, dim=1)
        layer_mean = mean.mean(1, keepdim=True)
        layer_var = (var + (mean - layer_mean) ** 2).mean(1, keepdim=True)
        rho = self.rho.clamp(0, 1)
        instance = rho * torch.rsqrt(var + self.eps)
        layer = (1 - rho) * torch.rsqrt(layer_var + self.eps)
        gain = 1 + gamma
        return gain * (instance + layer), beta - gain * (instance * mean + layer * layer_mean)


class StyleKernel(nn.Module):
    """Has the kernel of a 3x3 convolution follow the style code: W(s) = W + B diag(m(s)) A.

    A and B are the two factors of a low-rank change as in LoRA (Hu et al., arXiv 2106.09685), shared by all styles, and the
    code says how much of each of its `rank` directions a style takes. Scales and shifts of channels, which is what AdaLIN gives
    a style, leave every kernel as it is; but what a minute of adaptation changes are kernels. (Dynamic convolution, Chen et al.,
    arXiv 1912.03458, mixes whole kernels by attention; this takes a thirtieth of their parameters.)

    Args:
        channels (int): of input and output, C.
        code_dim (int): length of the style code, D.
        rank (int): of the change, R.

    >>> conv = nn.Conv2d(8, 8, 3, padding=1, padding_mode="replicate", bias=False)
    >>> StyleKernel(8, 4, rank=2)(conv, torch.randn(2, 8, 5, 7), torch.randn(2, 4)).shape
    torch.Size([2, 8, 5, 7])
    """

    def __init__(self, channels: int, code_dim: int, rank: int):
        super().__init__()
        self.basis_in = nn.Parameter(torch.empty(rank, channels, 3, 3))
        self.basis_out = nn.Parameter(torch.zeros(channels, rank, 1, 1))  # so that it begins without a change
        self.affine = nn.Linear(code_dim, rank)
        nn.init.kaiming_uniform_(self.basis_in, a=5**0.5)
        nn.init.normal_(self.affine.weight, std=code_dim**-0.5)
        nn.init.zeros_(self.affine.bias)

    def forward(self, conv: nn.Conv2d, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        """`conv` of `(B, C, H, W)` with kernels that follow the codes `(B, D)`."""
        if code.shape[0] == 1:  # not `len`, which a traced export takes for a constant
            return conv._conv_forward(x, self.kernel(conv.weight, code), None)
        # every image has a kernel of its own: the low-rank part as two convolutions, the first beside the common one
        kernels = torch.cat([conv.weight, self.basis_in])
        y, directions = conv._conv_forward(x, kernels, None).split([len(conv.weight), len(self.basis_in)], 1)
        return y + F.conv2d(directions * self.affine(code)[:, :, None, None].to(directions.dtype), self.basis_out)

    def kernel(self, weight: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        """The kernel of one style: the convolution's `(C, C, 3, 3)`, changed by a code `(1, D)`."""
        scaled = self.basis_out.flatten(1) * self.affine(code)
        return weight + (scaled @ self.basis_in.flatten(1)).view_as(weight)


class AdaLINBlock(nn.Module):
    """Residual block with two convolutions and AdaLIN after each (U-GAT-IT's decoder block).

    Args:
        channels (int): of input and output.
        code_dim (int): length of the style code.
        kernel_rank (int): rank at which the kernels follow the style code, see `StyleKernel`; 0 for kernels that do not.

    >>> AdaLINBlock(8, 4)(torch.randn(1, 8, 6, 6), torch.randn(1, 4)).shape
    torch.Size([1, 8, 6, 6])
    """

    def __init__(self, channels: int, code_dim: int, kernel_rank: int = 0):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="replicate", bias=False)
        self.norm1 = AdaLIN(channels, code_dim)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="replicate", bias=False)
        self.norm2 = AdaLIN(channels, code_dim)
        self.kernel1, self.kernel2 = (StyleKernel(channels, code_dim, kernel_rank) if kernel_rank else None for _ in range(2))

    def forward(self, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        y = self.conv1(x) if self.kernel1 is None else self.kernel1(self.conv1, x, code)
        y = F.relu(self.norm1(y, code))
        y = self.conv2(y) if self.kernel2 is None else self.kernel2(self.conv2, y, code)
        return x + self.norm2(y, code)

    def kernels(self, code: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Computes the kernels of both convolutions for one style code `(1, D)`."""
        first, second = (
            conv.weight if follows is None else follows.kernel(conv.weight, code)
            for conv, follows in ((self.conv1, self.kernel1), (self.conv2, self.kernel2))
        )
        return first, second


class StyleNoise(nn.Module):
    """Adds a fixed noise map to features, scaled for each channel by the style code.

    A flat area gives a convolutional network nothing to grow brush strokes from; noise does (Ulyanov et al., arXiv
    1603.03417; StyleGAN, arXiv 1812.04948, section 3.2). The map is one tile, made from a seed and repeated, so that the
    same picture comes out every time; in training the tile is shifted at random, or its first corner would be learned by
    heart.

    >>> float(StyleNoise(8, 4)(torch.zeros(1, 8, 70, 5), torch.randn(1, 4)).abs().sum())  # its gain starts at 0
    0.0
    """

    tile: torch.Tensor

    def __init__(self, channels: int, code_dim: int, tile: int = 64):
        super().__init__()
        self.gain = nn.Linear(code_dim, channels)
        nn.init.zeros_(self.gain.weight)
        nn.init.zeros_(self.gain.bias)
        noise = torch.randn(1, 1, tile, tile, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
        self.register_buffer("tile", noise, persistent=False)

    def forward(self, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        """`(B, C, H, W)`, `(B, D)` -> `(B, C, H, W)`."""
        noise = self.noise(*x.shape[-2:])
        return torch.addcmul(x, noise.to(x.dtype), self.gain(code)[:, :, None, None].to(x.dtype))

    def noise(self, height: int, width: int, top: int = 0) -> torch.Tensor:
        """The map itself from row `top` on, `(1, 1, height, width)`."""
        tile = self.tile
        side = tile.shape[-1]
        if self.training:
            tile = tile.roll(torch.randint(side, (2,)).tolist(), (2, 3))
        # repeated by products with rows of the identity: torch.compile fails on a repeated or indexed tile before a padding
        identity = torch.eye(side, dtype=tile.dtype, device=tile.device)
        rows, columns = (
            identity[torch.arange(start, start + length, device=tile.device) % side]
            for start, length in ((top, height), (0, width))
        )
        return rows @ tile @ columns.T


class ClassActivationMap(nn.Module):
    """CAM attention (U-GAT-IT, section 2.1.1): an auxiliary classifier tells two domains apart from globally pooled
    features, and its weights, one a channel, then scale the features by their importance for that decision.

    Args:
        channels (int): channels of the feature map, C.
        spectral (bool): spectral normalization of the classifiers and of the fusing convolution, as in a discriminator.
    """

    def __init__(self, channels: int, spectral: bool = False):
        super().__init__()
        wrap: Callable = nn.utils.parametrizations.spectral_norm if spectral else (lambda module: module)
        self.average = wrap(nn.Linear(channels, 1, bias=False))
        self.maximum = wrap(nn.Linear(channels, 1, bias=False))
        self.fuse = wrap(nn.Conv2d(2 * channels, channels, 1))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """`(B, C, H, W)` -> attended features `(B, C, H, W)`, logits `(B, 2)` (average, maximum), heat map `(B, 1, H, W)`."""
        average, maximum = F.linear(x.mean((2, 3)), self.average.weight), F.linear(x.amax((2, 3)), self.maximum.weight)
        attended = F.relu(F.conv2d(x, self.folded_kernel(), self.fuse.bias))
        return attended, torch.cat([average, maximum], 1), attended.sum(1, keepdim=True)

    def folded_kernel(self) -> torch.Tensor:
        """Computes the kernel of the 1x1 convolution that equals `fuse(cat(x * w_avg, x * w_max))`, w the class weights: `(C, C,
        1, 1)`."""
        kernel_avg, kernel_max = self.fuse.weight[:, :, 0, 0].chunk(2, 1)
        return (kernel_avg * self.average.weight + kernel_max * self.maximum.weight)[:, :, None, None]
