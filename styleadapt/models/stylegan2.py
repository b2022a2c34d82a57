"""StyleGAN2: generator of pictures from noise, and discriminator (Karras et al., arXiv 1912.04958 and 2006.06676)."""

import math
from typing import Literal

import torch
import torch.nn as nn
from diffusers.configuration_utils import register_to_config

from .equalized import (
    EqualizedConv2d,
    EqualizedLinear,
    equalizing,
    leaky_relu,
    minibatch_deviation,
    modulated_conv2d,
    pixel_norm,
    upsample,
    with_bias,
)
from .gan_heads import (
    ClassifyingDiscriminator,
    DiscriminatorHead,
    Head,
    ImageDiscriminatorOutput,
    LatentGeneratorOutput,
    check_labels,
)
from .modeling import ModelMixin, StyleAdaptModel  # noqa: F401  diffusers looks for ModelMixin beside a component

Noise = Literal["random", "constant", "none"]


def mix_styles(w1: torch.Tensor, w2: torch.Tensor, crossover: int | torch.Tensor) -> torch.Tensor:
    """Style mixing (StyleGAN, arXiv 1812.04948, section 3.1): the coarse layers of one code and the fine ones of another.

    Args:
        w1, w2: `(B, num_layers, code_dim)`.
        crossover: the first layer that is taken from `w2`, for all images or `(B,)`.

    >>> mix_styles(torch.zeros(1, 3, 1), torch.ones(1, 3, 1), 2).flatten().tolist()
    [0.0, 0.0, 1.0]
    """
    layer = torch.arange(w1.shape[1], device=w1.device)[None, :, None]
    first = crossover.to(w1.device).view(-1, 1, 1) if isinstance(crossover, torch.Tensor) else crossover
    return torch.where(layer < first, w1, w2)


class StyleGAN2Generator(StyleAdaptModel):
    """Pictures from Gaussian noise: a mapping network makes a code of it, and the code scales the weights of every convolution.

    Args:
        resolution (`int`): of the pictures in pixels, a power of two from 8 to 1024.
        latent_dim (`int`): length of the noise vector z.
        code_dim (`int`): length of the code w.
        mapping_layers (`int`): fully connected layers between them; 8 in the paper.
        mapping_lr (`float`): how fast the mapping network learns, beside the rest.
        channel_base (`int`): at a resolution of R there are `channel_base / R` channels; 32,768 in the paper's configuration F.
        channel_max (`int`): and at most so many; 512 there.
        num_classes (`int`): of class labels, 0 for none.
        architecture (`str`): "skip" adds up the pictures of all resolutions, "residual" has residual blocks (section 4.1).
        clamp (`float`, *optional*): no feature is beyond it; 256 where checkpoints were trained in half precision.

    >>> generator = StyleGAN2Generator(16, latent_dim=8, code_dim=8, mapping_layers=2, channel_base=64)
    >>> out = generator(torch.randn(2, 8))
    >>> out.sample.shape, out.w.shape
    (torch.Size([2, 3, 16, 16]), torch.Size([2, 6, 8]))
    """

    @register_to_config
    def __init__(
        self,
        resolution: int = 64,
        latent_dim: int = 256,
        code_dim: int = 256,
        mapping_layers: int = 4,
        mapping_lr: float = 0.01,
        channel_base: int = 4096,
        channel_max: int = 256,
        num_classes: int = 0,
        architecture: Literal["skip", "residual"] = "skip",
        clamp: float | None = None,
    ):
        super().__init__()
        channels = block_channels(resolution, channel_base, channel_max)
        if architecture not in ("skip", "residual"):
            raise ValueError(f"`architecture` is {architecture!r}; it must be 'skip' or 'residual'")
        if min(latent_dim, code_dim, mapping_layers) < 1 or num_classes < 0:
            raise ValueError(
                "`latent_dim`, `code_dim` and `mapping_layers` must be 1 at least and `num_classes` 0, got "
                f"{latent_dim}, {code_dim}, {mapping_layers} and {num_classes}"
            )
        self.num_layers = 2 * len(channels)
        self.mapping = MappingNetwork(latent_dim, code_dim, mapping_layers, mapping_lr, self.num_layers, num_classes)
        self.synthesis = SynthesisNetwork(channels, code_dim, architecture == "residual", clamp)

    def forward(
        self,
        z: torch.Tensor,
        label: torch.Tensor | None = None,
        truncation: float = 1.0,
        noise: Noise = "random",
        generator: torch.Generator | None = None,
        mix: tuple[torch.Tensor, int | torch.Tensor] | None = None,
    ) -> LatentGeneratorOutput:
        """
        Args:
            z (`torch.Tensor`): `(B, latent_dim)`, standard normal.
            label (`torch.Tensor`, *optional*): `(B,)` int64, for a generator with classes, which needs it.
            truncation (`float`): 1 for codes as they are, less for codes nearer to their mean, 0 for the mean itself.
            noise (`str`): of the layers: "random", "constant" for the same in every picture, or "none".
            generator (`torch.Generator`, *optional*): draws the random noise.
            mix (`tuple`, *optional*): other latents `(B, latent_dim)`, and the layer from which on their codes are taken, see
                `mix_styles`.

        Raises:
            ValueError: latents or labels that do not fit, or an unknown kind of noise.
        """
        w = self.mapping(z, label, truncation)
        if mix is not None:
            other, crossover = mix
            w = mix_styles(w, self.mapping(other, label, truncation), crossover)
        return LatentGeneratorOutput(sample=self.synthesis(w, noise, generator), w=w)

    @property
    def tileable(self) -> bool:
        """Do the pictures repeat without a seam? Set it to True, and every layer goes on with the opposite side at an edge. It is
        no part of the saved model."""
        return any(getattr(module, "circular", False) for module in self.modules())

    @tileable.setter
    def tileable(self, on: bool) -> None:
        for module in self.modules():
            if hasattr(module, "circular"):
                module.circular = on  # type: ignore[assignment]


class MappingNetwork(nn.Module):
    """Latents to codes; it keeps the running mean of its codes, `w_avg`, which truncation draws toward."""

    w_avg: torch.Tensor

    def __init__(self, latent_dim: int, code_dim: int, layers: int, lr: float, num_layers: int, num_classes: int):
        super().__init__()
        self.latent_dim, self.num_layers, self.num_classes = latent_dim, num_layers, num_classes
        self.embed = nn.Embedding(num_classes, code_dim) if num_classes else None
        first = latent_dim + (code_dim if num_classes else 0)
        widths = [first, *[code_dim] * layers]
        self.layers = nn.ModuleList(EqualizedLinear(i, o, True, lr_multiplier=lr) for i, o in zip(widths, widths[1:]))
        self.register_buffer("w_avg", torch.zeros(code_dim))

    def forward(self, z: torch.Tensor, label: torch.Tensor | None = None, truncation: float = 1.0) -> torch.Tensor:
        """`(B, latent_dim)` and `(B,)` -> `(B, num_layers, code_dim)`; see `StyleGAN2Generator.forward`."""
        if z.ndim != 2 or z.shape[1] != self.latent_dim:
            raise ValueError(f"latents must be (B, {self.latent_dim}), got {tuple(z.shape)}")
        if self.num_classes and label is None:
            raise ValueError(f"a generator of {self.num_classes} classes needs `label`")
        # in full precision, since an error here is one of every layer
        with torch.autocast(z.device.type, enabled=False):
            w = pixel_norm(z)
            if label is not None:
                check_labels(label, len(z), self.num_classes)
                assert self.embed is not None
                embedded = self.embed(label)
                w = torch.cat([w.to(embedded.dtype), pixel_norm(embedded)], 1)
            for layer in self.layers:
                w = layer(w)
        if self.training:
            with torch.no_grad():
                self.w_avg.lerp_(w.mean(0).to(self.w_avg.dtype), 0.005)
        if truncation != 1:
            w = torch.lerp(self.w_avg, w, truncation)
        return w[:, None].expand(-1, self.num_layers, -1)


class SynthesisNetwork(nn.Module):
    """Codes to pictures."""

    def __init__(self, channels: tuple[int, ...], code_dim: int, residual: bool, clamp: float | None):
        super().__init__()
        self.code_dim, self.num_layers = code_dim, 2 * len(channels)
        self.const = nn.Parameter(torch.randn(channels[0], 4, 4))
        self.enter = StyledConv(channels[0], channels[0], code_dim, 4, clamp=clamp)
        self.blocks = nn.ModuleList(
            SynthesisBlock(i, o, code_dim, 8 << n, residual, clamp) for n, (i, o) in enumerate(zip(channels, channels[1:]))
        )
        pictured = (channels[-1],) if residual else channels
        self.to_rgb = nn.ModuleList(ToRGB(c, code_dim, clamp) for c in pictured)
        self.circular = False

    def forward(self, w: torch.Tensor, noise: Noise = "random", generator: torch.Generator | None = None) -> torch.Tensor:
        """`(B, num_layers, code_dim)` -> `(B, 3, R, R)`, about in [-1, 1] and not clamped; see `StyleGAN2Generator.forward`."""
        if w.ndim != 3 or w.shape[1:] != (self.num_layers, self.code_dim):
            raise ValueError(f"codes must be (B, {self.num_layers}, {self.code_dim}), got {tuple(w.shape)}")
        if noise not in ("random", "constant", "none"):
            raise ValueError(f"`noise` is {noise!r}; it must be 'random', 'constant' or 'none'")
        x = self.const.expand(len(w), -1, -1, -1)
        x = self.enter(x, w[:, 0], noise, generator)
        every = len(self.to_rgb) > 1
        picture = self.to_rgb[0](x, w[:, 1]) if every else None
        for n, block in enumerate(self.blocks):
            x = block(x, w[:, 2 * n + 1], w[:, 2 * n + 2], noise, generator)
            if picture is not None:
                picture = upsample(picture, self.circular) + self.to_rgb[n + 1](x, w[:, 2 * n + 3])
        return self.to_rgb[-1](x, w[:, -1]) if picture is None else picture


class SynthesisBlock(nn.Module):
    """Doubles the resolution: two styled convolutions, with a residual connection if asked for."""

    def __init__(self, c_in: int, c_out: int, code_dim: int, resolution: int, residual: bool, clamp: float | None):
        super().__init__()
        self.conv0 = StyledConv(c_in, c_out, code_dim, resolution, up=True, clamp=clamp)
        self.conv1 = StyledConv(c_out, c_out, code_dim, resolution, clamp=clamp)
        self.skip = EqualizedConv2d(c_in, c_out, 1, bias=False, resample="up") if residual else None

    def forward(self, x, w0, w1, noise, generator):
        """`(B, c_in, R, R)` and two codes `(B, code_dim)` -> `(B, c_out, 2 R, 2 R)`."""
        if self.skip is None:
            return self.conv1(self.conv0(x, w0, noise, generator), w1, noise, generator)
        half = math.sqrt(0.5)
        y = self.conv1(self.conv0(x, w0, noise, generator), w1, noise, generator, gain=half)
        return self.skip(x, gain=half) + y


class StyledConv(nn.Conv2d):
    """A modulated 3x3 convolution with noise, bias and leaky ReLU."""

    noise_const: torch.Tensor

    def __init__(self, c_in: int, c_out: int, code_dim: int, resolution: int, up: bool = False, clamp: float | None = None):
        super().__init__(c_in, c_out, 3)
        self.up, self.clamp, self.circular = up, clamp, False
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)  # type: ignore[arg-type]
        self.affine = EqualizedLinear(code_dim, c_in, bias=1.0)
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))

    def forward(self, x, w, noise: Noise = "random", generator=None, gain: float = 1.0):  # type: ignore[override]
        """`(B, c_in, R, R)` and `(B, code_dim)` -> `(B, c_out, R, R)`, twice as large if `up`."""
        weight = self.weight * equalizing(self.weight)
        x = modulated_conv2d(x, weight, self.affine(w), up=self.up, circular=self.circular)
        if noise == "constant":
            x = x + (self.noise_const * self.noise_strength).to(x.dtype)
        elif noise == "random":
            x = x + (drawn_noise(x, generator) * self.noise_strength).to(x.dtype)
        return leaky_relu(with_bias(x, self.bias), gain, self.clamp)


class ToRGB(nn.Conv2d):
    """A modulated 1x1 convolution to the three colors, without demodulation."""

    def __init__(self, c_in: int, code_dim: int, clamp: float | None):
        super().__init__(c_in, 3, 1)
        self.clamp = clamp
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)  # type: ignore[arg-type]
        self.affine = EqualizedLinear(code_dim, c_in, bias=1.0)

    def forward(self, x, w):  # type: ignore[override]
        """`(B, c_in, R, R)` and `(B, code_dim)` -> `(B, 3, R, R)`."""
        y = modulated_conv2d(x, self.weight * equalizing(self.weight), self.affine(w), demodulate=False)
        y = with_bias(y, self.bias)
        return y if self.clamp is None else y.clamp(-self.clamp, self.clamp)


def drawn_noise(x: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
    """Standard normal, one map for all channels of `(B, C, H, W)`: `(B, 1, H, W)`, drawn where the generator is."""
    device = x.device if generator is None else generator.device
    shape = (len(x), 1, *x.shape[2:])
    return torch.randn(shape, generator=generator, device=device, dtype=torch.float32).to(x.device)


class StyleGAN2Discriminator(ClassifyingDiscriminator, StyleAdaptModel):
    """Real or generated?

    Args:
        resolution (`int`): of the images in pixels, a power of two from 8 to 1024.
        channel_base, channel_max (`int`): as of the generator.
        num_classes (`int`): of class labels, 0 for none.
        head (`str`): what is done with classes: "projection", "k+1" or "auxiliary", see `gan_heads.DiscriminatorHead`.
        architecture (`str`): "residual" blocks as in the paper, or "plain" ones.
        deviation_group (`int`, *optional*): images in a group of the minibatch standard deviation, 0 for without. By default 4,
            and 0 with a head that classifies, whose opinion of an image must not depend on what else is in the batch.
        clamp (`float`, *optional*): no feature is beyond it.

    >>> discriminator = StyleGAN2Discriminator(16, channel_base=64)
    >>> out = discriminator(torch.zeros(2, 3, 16, 16))
    >>> out.logits.shape, [f.shape[-1] for f in out.features]
    (torch.Size([2, 1]), [8, 4, 4])
    """

    @register_to_config
    def __init__(
        self,
        resolution: int = 64,
        channel_base: int = 4096,
        channel_max: int = 256,
        num_classes: int = 0,
        head: Head = "projection",
        architecture: Literal["residual", "plain"] = "residual",
        deviation_group: int | None = None,
        clamp: float | None = None,
    ):
        super().__init__()
        channels = block_channels(resolution, channel_base, channel_max)[::-1]
        if architecture not in ("residual", "plain"):
            raise ValueError(f"`architecture` is {architecture!r}; it must be 'residual' or 'plain'")
        if deviation_group is not None and deviation_group < 0:
            raise ValueError(f"`deviation_group` is {deviation_group}; it must be 0, for none, or more")
        width = channels[-1]
        self.verdict = DiscriminatorHead(width, num_classes, head, EqualizedLinear)
        default = 0 if self.verdict.classifies else 4
        self.group = default if deviation_group is None else deviation_group
        self.from_rgb = EqualizedConv2d(3, channels[0], 1, True, clamp=clamp)
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(i, o, architecture == "residual", clamp) for i, o in zip(channels, channels[1:])
        )
        self.conv = EqualizedConv2d(width + (self.group > 0), width, 3, True, clamp=clamp)
        self.dense = EqualizedLinear(16 * width, width, True)

    def forward(self, x: torch.Tensor, label: torch.Tensor | None = None) -> ImageDiscriminatorOutput:
        """
        Args:
            x (`torch.Tensor`): images `(B, 3, R, R)` in [-1, 1].
            label (`torch.Tensor`, *optional*): `(B,)` int64, -1 for unlabeled; a projection needs it.

        Raises:
            ValueError: images of another size, or labels that do not fit.
        """
        check_images(x, self.config.resolution)
        x = self.from_rgb(x)
        features = []
        for block in self.blocks:
            x = block(x)
            features.append(x)
        x = self.conv(minibatch_deviation(x, self.group) if self.group else x)
        features.append(x)
        logits, classes = self.verdict(self.dense(x.flatten(1)), label)
        return ImageDiscriminatorOutput(logits=logits, features=features, class_logits=classes)

    def freeze_lower(self, layers: int) -> None:
        """Freezes the first blocks, which see the finest detail, and what is before them (FreezeD, Mo et al., arXiv 2002.10964).

        >>> discriminator = StyleGAN2Discriminator(16, channel_base=64)
        >>> discriminator.freeze_lower(1)
        >>> [discriminator.blocks[n].conv0.weight.requires_grad for n in (0, 1)]
        [False, True]
        """
        if layers:
            self.from_rgb.requires_grad_(False)
        self.blocks[:layers].requires_grad_(False)


class DiscriminatorBlock(nn.Module):
    """Halves the resolution: two convolutions, with a residual connection if asked for."""

    def __init__(self, c_in: int, c_out: int, residual: bool, clamp: float | None):
        super().__init__()
        self.conv0 = EqualizedConv2d(c_in, c_in, 3, True, clamp=clamp)
        self.conv1 = EqualizedConv2d(c_in, c_out, 3, True, resample="down", clamp=clamp)
        self.skip = EqualizedConv2d(c_in, c_out, 1, bias=False, resample="down") if residual else None

    def forward(self, x):
        """`(B, c_in, R, R)` -> `(B, c_out, R / 2, R / 2)`."""
        if self.skip is None:
            return self.conv1(self.conv0(x))
        half = math.sqrt(0.5)
        return self.skip(x, gain=half) + self.conv1(self.conv0(x), gain=half)


def block_channels(resolution: int, channel_base: int, channel_max: int, smallest: int = 8) -> tuple[int, ...]:
    """Channels at 4 px, 8 px, ... up to `resolution`.

    Raises:
        ValueError: no power of two between `smallest` and 1024, or channels that come to none.

    >>> block_channels(32, 1024, 100)
    (100, 100, 64, 32)
    """
    if resolution not in (1 << n for n in range(smallest.bit_length() - 1, 11)):
        raise ValueError(f"`resolution` is {resolution}; it must be a power of two from {smallest} to 1024")
    if channel_base < resolution or channel_max < 1:
        raise ValueError(
            f"`channel_base` is {channel_base} and `channel_max` {channel_max}; that leaves no channels at {resolution} px"
        )
    return tuple(min(channel_base // (4 << n), channel_max) for n in range(resolution.bit_length() - 2))


def check_images(x: torch.Tensor, resolution: int) -> None:
    """Raises ValueError if images are not `(B, 3, resolution, resolution)`."""
    if x.ndim != 4 or x.shape[1:] != (3, resolution, resolution):
        raise ValueError(f"this discriminator judges images (B, 3, {resolution}, {resolution}), got {tuple(x.shape)}")
