"""U-GAT-IT (Kim et al., arXiv 1907.10830): unpaired translation between two image domains.

Whatever is computed here equals the authors' PyTorch code, final version, within rounding; `ugatit_checkpoint.py` brings its
checkpoints along. Three things are done another way, for speed alone: a normalization is one reduction and one multiply-add an
element; the attention's two weighted copies of the features and the convolution over them are one convolution; upsampling
and the convolution after it are one transposed convolution.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config
from diffusers.utils import BaseOutput
from torch.nn.utils import parametrize

from .modeling import ModelMixin, StyleAdaptModel  # noqa: F401  diffusers looks for ModelMixin beside a component


@dataclass
class UGATITGeneratorOutput(BaseOutput):
    """
    Args:
        sample (`torch.Tensor`): `(B, 3, H, W)` in [-1, 1], the translated image.
        cam_logits (`torch.Tensor`): `(B, 2)`, is the input of the source domain? Asked of average and max pooled features.
        attention (`torch.Tensor`): `(B, 1, H / 4, W / 4)`, not negative: the heat map, the attended features' sum.
    """

    # None, since accelerate rebuilds an output from a single dict
    sample: torch.Tensor
    cam_logits: torch.Tensor = None  # type: ignore[assignment]
    attention: torch.Tensor = None  # type: ignore[assignment]


@dataclass
class UGATITDiscriminatorOutput(BaseOutput):
    """
    Args:
        logits (`torch.Tensor`): `(B, 1, h, w)`, is this patch real? `sample` is another name for them.
        cam_logits (`torch.Tensor`): `(B, 2)`, is the image real? Asked of average and max pooled features.
        attention (`torch.Tensor`): `(B, 1, h + 1, w + 1)`: the heat map, the attended features' sum.
    """

    # None, since accelerate rebuilds an output from a single dict
    logits: torch.Tensor
    cam_logits: torch.Tensor = None  # type: ignore[assignment]
    attention: torch.Tensor = None  # type: ignore[assignment]

    @property
    def sample(self) -> torch.Tensor:
        return self.logits


class UGATITGenerator(StyleAdaptModel):
    """Encoder with instance normalization, CAM attention, and a decoder with AdaLIN whose scale and shift come from the
    attended features (section 2.1.1).

    Args:
        channels (`int`): channels at full resolution; twice as many at 1/2, four times at 1/4.
        blocks (`int`): residual blocks of the encoder, and as many of the decoder.
        image_size (`int`): side of the square images that the full generator takes, a multiple of 4; `light` ignores it.
        light (`bool`): AdaLIN's scale and shift see the attended features' averages, not every one of their positions. Of 279
            million parameters at 256 px 11 million remain, and images may be of any size.

    >>> UGATITGenerator(channels=4, blocks=1, light=True)(torch.zeros(1, 3, 32, 40)).sample.shape
    torch.Size([1, 3, 32, 40])
    """

    _supports_gradient_checkpointing = True

    @register_to_config
    def __init__(self, channels: int = 64, blocks: int = 4, image_size: int = 256, light: bool = False):
        super().__init__()
        self.gradient_checkpointing = False
        for name, value in (("channels", channels), ("blocks", blocks)):
            if value < 1:
                raise ValueError(f"`{name}` is {value}, expected 1 or more")
        if not light and (image_size < 8 or image_size % 4):
            raise ValueError(f"`image_size` is {image_size}, expected a multiple of 4, 8 or more")
        width = 4 * channels
        self.enter = _conv(3, channels, 7)
        self.down = nn.ModuleList([_conv(channels, 2 * channels, 3, stride=2), _conv(2 * channels, width, 3, stride=2)])
        self.encoder = nn.ModuleList(_ResidualBlock(width) for _ in range(blocks))
        self.cam = _CAM(width)
        self.style = nn.Sequential(
            nn.Linear(width if light else width * (image_size // 4) ** 2, width, bias=False),
            nn.ReLU(),
            nn.Linear(width, width, bias=False),
            nn.ReLU(),
        )
        self.gamma = nn.Linear(width, width, bias=False)
        self.beta = nn.Linear(width, width, bias=False)
        self.decoder = nn.ModuleList(_AdaLINBlock(width) for _ in range(blocks))
        self.up = nn.ModuleList([_UpBlock(width, 2 * channels), _UpBlock(2 * channels, channels)])
        self.exit = _conv(channels, 3, 7)

    def forward(self, x: torch.Tensor) -> UGATITGeneratorOutput:
        """
        Args:
            x (`torch.Tensor`): images `(B, 3, H, W)` in [-1, 1]: H and W 5 or more if `light`, else `image_size`.

        Returns:
            `UGATITGeneratorOutput`; sides that 4 does not divide come back rounded up to a multiple of 4.

        Raises:
            ValueError: images of another size.
        """
        self._check_size(x)
        h = F.relu(_instance_norm(self.enter(x)), inplace=True)
        for conv in self.down:
            h = F.relu(_instance_norm(conv(h)), inplace=True)
        h = self._through(self.encoder, h)
        h, cam_logits = self.cam(h)
        h = F.relu(h, inplace=True)
        attention = h.sum(1, keepdim=True)
        style = self.style(h.mean((2, 3)) if self.config.light else h.flatten(1))
        gamma, beta = self.gamma(style), self.beta(style)
        h = self._through(self.decoder, h, gamma, beta)
        h = self._through(self.up, h)
        return UGATITGeneratorOutput(sample=torch.tanh(self.exit(h)), cam_logits=cam_logits, attention=attention)

    @torch.no_grad()
    def clip_rho(self) -> None:
        """Brings every rho, the share of instance normalization in a (Ada)LIN, back to [0, 1]: after each optimizer step.

        >>> generator = UGATITGenerator(channels=2, blocks=1, light=True)
        >>> _ = nn.init.constant_(generator.decoder[0].norm1.rho, 1.3)
        >>> generator.clip_rho()
        >>> generator.decoder[0].norm1.rho.max().item()
        1.0
        """
        for module in self.modules():
            if isinstance(module, _LIN):
                module.rho.clamp_(0, 1)

    def _through(self, blocks: nn.ModuleList, h: torch.Tensor, *modulation: torch.Tensor) -> torch.Tensor:
        for block in blocks:
            recompute = self.gradient_checkpointing and torch.is_grad_enabled()
            h = self._gradient_checkpointing_func(block, h, *modulation) if recompute else block(h, *modulation)
        return h

    def _check_size(self, x: torch.Tensor) -> None:
        height, width = x.shape[-2:]
        size = self.config.image_size
        if self.config.light and min(height, width) < 5:
            raise ValueError(f"the generator needs images of 5 px at least, got {width} x {height}")
        if not self.config.light and {-(-height // 4), -(-width // 4)} != {size // 4}:
            raise ValueError(
                f"this full generator takes images of {size} x {size} px alone, got {width} x {height}: "
                "resize them, or use a light one"
            )


class UGATITDiscriminator(StyleAdaptModel):
    """Patch discriminator with CAM attention and spectral normalization (section 2.1.2).

    U-GAT-IT trains two for each domain: a global one of 7 layers (receptive field 286 px) and a local one of 5 (70 px).

    Args:
        channels (`int`): channels after the first convolution; every further one doubles them.
        n_layers (`int`): convolutions with the last, 3 or more: all but two halve the image.

    >>> out = UGATITDiscriminator(channels=4, n_layers=5)(torch.zeros(1, 3, 64, 64))
    >>> out.logits.shape, out.attention.shape
    (torch.Size([1, 1, 6, 6]), torch.Size([1, 1, 7, 7]))
    """

    @register_to_config
    def __init__(self, channels: int = 64, n_layers: int = 7):
        super().__init__()
        if channels < 1 or n_layers < 3:
            raise ValueError(f"`channels` is {channels} and `n_layers` {n_layers}, expected 1 and 3 or more")
        widths = [3, *(channels * 2**i for i in range(n_layers - 1))]
        strides = [*[2] * (n_layers - 2), 1]
        self.convs = nn.ModuleList(
            _spectral_norm(_conv(i, o, 4, stride, bias=True)) for i, o, stride in zip(widths, widths[1:], strides)
        )
        self.cam = _CAM(widths[-1], spectral=True)
        self.patch = _spectral_norm(_conv(widths[-1], 1, 4))

    def forward(self, x: torch.Tensor) -> UGATITDiscriminatorOutput:
        """
        Args:
            x (`torch.Tensor`): images `(B, 3, H, W)` in [-1, 1], of 3 * 2^(n_layers - 2) px at least: 96 for 7 layers, 24 for 5.

        Raises:
            ValueError: images too small for so many layers.
        """
        minimum = 3 * 2 ** (self.config.n_layers - 2)
        if min(x.shape[-2:]) < minimum:
            raise ValueError(
                f"a discriminator of {self.config.n_layers} layers needs images of {minimum} px at least, got "
                f"{x.shape[-1]} x {x.shape[-2]}; with a smaller `n_layers` it takes smaller ones"
            )
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.2, inplace=True)
        x, cam_logits = self.cam(x)
        x = F.leaky_relu(x, 0.2, inplace=True)
        return UGATITDiscriminatorOutput(logits=self.patch(x), cam_logits=cam_logits, attention=x.sum(1, keepdim=True))


class _CAM(nn.Module):
    """Class activation map (section 2.1.1): two linear classifiers of pooled features, whose weights scale the features.

    In the discriminator their logits come from spectrally normalized weights and the scaling from the weights as they are
    trained, as in the authors' code; the paper does not say.
    """

    def __init__(self, channels: int, spectral: bool = False):
        super().__init__()
        wrap = _spectral_norm if spectral else (lambda module: module)
        self.average = wrap(nn.Linear(channels, 1, bias=False))
        self.maximum = wrap(nn.Linear(channels, 1, bias=False))
        self.fuse = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`(B, C, H, W)` -> attended features `(B, C, H, W)` before their activation, logits `(B, 2)`."""
        pooled = (self.average, x.mean((2, 3))), (self.maximum, F.adaptive_max_pool2d(x, 1).flatten(1))
        logits = torch.cat([classifier(features) for classifier, features in pooled], 1)
        w_average, w_maximum = (_trained_weight(classifier) for classifier, _ in pooled)
        # fuse(cat(x * w_average, x * w_maximum)) is one convolution whose kernel has the class weights folded in
        kernel_average, kernel_maximum = self.fuse.weight[:, :, 0, 0].chunk(2, 1)
        kernel = kernel_average * w_average + kernel_maximum * w_maximum
        return F.conv2d(x, kernel[:, :, None, None], self.fuse.bias), logits


class _ResidualBlock(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = _conv(channels, channels, 3)
        self.conv2 = _conv(channels, channels, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(_instance_norm(self.conv1(x)), inplace=True)
        return x + _instance_norm(self.conv2(y))


class _AdaLINBlock(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = _conv(channels, channels, 3)
        self.norm1 = _LIN(channels, rho=0.9)
        self.conv2 = _conv(channels, channels, 3)
        self.norm2 = _LIN(channels, rho=0.9)

    def forward(self, x: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.norm1(self.conv1(x), gamma, beta), inplace=True)
        return x + self.norm2(self.conv2(y), gamma, beta)


class _UpBlock(nn.Module):
    """Twice the size, half the channels; LIN with a learned scale and shift."""

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.conv = _UpConv(c_in, c_out, 3, bias=False)
        self.norm = _LIN(c_out, rho=0.0)
        self.gamma = nn.Parameter(torch.ones(c_out))
        self.beta = nn.Parameter(torch.zeros(c_out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.norm(self.conv(x), self.gamma, self.beta), inplace=True)


class _UpConv(nn.Conv2d):
    """Upsampling by 2 to the nearest neighbor, reflection padding by 1, 3x3 convolution: as one transposed convolution.

    Every output pixel sees 2x2 different input pixels, not 3x3, so 4/9 of the multiplications do. Reflecting the doubled
    image repeats the border of the small one.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(B, C, H, W)` -> `(B, C', 2 H, 2 W)`."""
        kernel = F.avg_pool2d(self.weight.flip(2, 3), 2, stride=1, padding=1, divisor_override=1)
        x = F.pad(x, (1, 1, 1, 1), mode="replicate")
        return F.conv_transpose2d(x, kernel.transpose(0, 1), stride=2, padding=3)


class _LIN(nn.Module):
    """Layer-instance normalization: gamma (rho IN(x) + (1 - rho) LN(x)) + beta (eq. 1), AdaLIN if the two are of an image.

    Both normalizations are affine in x once the channels' means and variances are known, for the layer's follow from them.
    """

    def __init__(self, channels: int, rho: float, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.rho = nn.Parameter(torch.full((channels,), rho))

    def forward(self, x: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
        """`(B, C, H, W)`, and `(B, C)` or `(C,)` -> `(B, C, H, W)`."""
        centered, mean, var = _Moments.apply(x)
        pixels, values = x[0, 0].numel(), x[0].numel()
        offset = mean - mean.mean(1, keepdim=True)
        layer_var = (var + offset**2).mean(1, keepdim=True)
        # unlike nn.InstanceNorm2d, the authors' LIN takes unbiased variances
        instance = self.rho * torch.rsqrt(var * (pixels / (pixels - 1)) + self.eps)
        layer = (1 - self.rho) * torch.rsqrt(layer_var * (values / (values - 1)) + self.eps)
        scale = gamma * (instance + layer)
        shift = gamma * layer * offset + beta
        return torch.addcmul(shift[:, :, None, None].to(x.dtype), centered, scale[:, :, None, None].to(x.dtype))


def _instance_norm(x: torch.Tensor, eps: float = 1e-5) -> torch.Tensor:
    centered, _, var = _Moments.apply(x)
    return centered * torch.rsqrt(var + eps)[:, :, None, None].to(x.dtype)


class _Moments(torch.autograd.Function):
    """`(B, C, H, W)` -> the same less its channels' means, these means, and the biased variances `(B, C)`, in float32 or more.

    A function of its own because autograd of the same four operations takes three times as long in channels_last, and
    `torch.var` even forwards ten times as long.
    """

    @staticmethod
    def forward(ctx, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        exact = torch.promote_types(x.dtype, torch.float32)
        mean = x.mean((2, 3), keepdim=True, dtype=exact)
        centered = x - mean
        var = (centered * centered).mean((2, 3))
        centered = centered.to(x.dtype)
        ctx.save_for_backward(centered)
        return centered, mean[:, :, 0, 0], var

    @staticmethod
    def backward(ctx, grad_centered: torch.Tensor, grad_mean: torch.Tensor, grad_var: torch.Tensor) -> torch.Tensor:
        (centered,) = ctx.saved_tensors
        pixels = centered[0, 0].numel()
        constant = (grad_mean - grad_centered.sum((2, 3), dtype=grad_mean.dtype)) / pixels
        slope = grad_var * (2 / pixels)
        constant, slope = (c[:, :, None, None].to(centered.dtype) for c in (constant, slope))
        return grad_centered + torch.addcmul(constant, centered, slope)


class _SpectralNorm(nn.Module):
    """Divides a weight by its largest singular value (arXiv 1802.05957), from one power iteration each training step.

    `nn.utils.parametrizations.spectral_norm` takes the same half steps in the other order and so lags half a step behind the
    `nn.utils.spectral_norm` of the authors' code, whose outputs in training mode are met here; names in the state are the same.
    """

    _u: torch.Tensor
    _v: torch.Tensor

    def __init__(self, weight: torch.Tensor):
        super().__init__()
        rows, columns = weight.flatten(1).shape
        self.register_buffer("_u", F.normalize(weight.new_empty(rows).normal_(), dim=0))
        self.register_buffer("_v", F.normalize(weight.new_empty(columns).normal_(), dim=0))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        matrix = weight.flatten(1)
        if self.training:
            with torch.no_grad():
                self._v.copy_(F.normalize(torch.mv(matrix.t(), self._u), dim=0))
        # copies, since the next forward changes the buffers before this one's backward has read them
        product = torch.mv(matrix, self._v.clone())
        if self.training:
            with torch.no_grad():
                self._u.copy_(F.normalize(product, dim=0))
        # not torch.dot, which refuses the two precisions that autocast leaves here on CUDA
        return weight / (self._u.clone() * product).sum()


def _spectral_norm(module: nn.Conv2d | nn.Linear) -> nn.Module:
    parametrize.register_parametrization(module, "weight", _SpectralNorm(module.weight.detach()))
    return module


def _trained_weight(module: Any) -> torch.Tensor:
    """The parameter itself, before spectral normalization if it has any."""
    return module.parametrizations.weight.original if parametrize.is_parametrized(module) else module.weight


def _conv(c_in: int, c_out: int, kernel: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, kernel, stride, padding=(kernel - 1) // 2, padding_mode="reflect", bias=bias)
