"""Progressive growing: a GAN that begins with pictures of 4 px and grows (Karras et al., arXiv 1710.10196)."""

from typing import cast

import torch
import torch.nn as nn
import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config

from .equalized import EqualizedConv2d, EqualizedLinear, minibatch_deviation, pixel_norm
from .gan_heads import ImageDiscriminatorOutput, LatentGeneratorOutput, check_labels
from .modeling import ModelMixin, StyleAdaptModel  # noqa: F401  diffusers looks for ModelMixin beside a component
from .stylegan2 import block_channels, check_images


class GrowingModel(StyleAdaptModel):
    """A network that is used up to a level: level 0 is 4 px, and each further one doubles that. While a level fades in, what the
    level below would give is mixed with what it gives itself, in the proportion `alpha` (section 3 and figure 2).

    Level and alpha are saved with the weights. All levels have their weights from the start; what is above gets no gradient.
    """

    level: torch.Tensor
    alpha: torch.Tensor
    levels: int

    def _begin(self, levels: int) -> None:
        self.levels = levels
        self.register_buffer("level", torch.tensor(levels - 1))
        self.register_buffer("alpha", torch.tensor(1.0))

    def grow(self, level: int, alpha: float = 1.0) -> None:
        """Sets what is used from here on; a new model uses all of itself.

        Raises:
            ValueError: a level that the network does not have, or a proportion outside [0, 1].
        """
        if level not in range(self.levels):
            raise ValueError(f"`level` is {level}; this network has levels 0, for 4 px, to {self.levels - 1}")
        if not 0 <= alpha <= 1:
            raise ValueError(f"`alpha` is {alpha}; it must lie in [0, 1]")
        self.level.fill_(level)
        self.alpha.fill_(alpha)

    @property
    def current_resolution(self) -> int:
        """Of the pictures at the level in use, in pixels."""
        return 4 << int(self.level)


class PGGANGenerator(GrowingModel):
    """Pictures from Gaussian noise, with pixel norm after every convolution. A bias is added before the gain of sqrt(2) here and
    after it in the paper, which is the same network with other numbers in its biases.

    Args:
        resolution (`int`): of the full-grown network's pictures in pixels, a power of two from 8 to 1024.
        latent_dim (`int`): length of the noise vector.
        channel_base, channel_max (`int`): at a resolution of R there are `channel_base / R` channels, and `channel_max` at most.

    >>> generator = PGGANGenerator(16, latent_dim=8, channel_base=64)
    >>> generator.grow(1, alpha=0.5)
    >>> generator(torch.randn(2, 8)).sample.shape
    torch.Size([2, 3, 8, 8])
    """

    @register_to_config
    def __init__(self, resolution: int = 64, latent_dim: int = 256, channel_base: int = 4096, channel_max: int = 256):
        super().__init__()
        channels = block_channels(resolution, channel_base, channel_max)
        self.dense = EqualizedLinear(latent_dim, 16 * channels[0], activate=True)
        self.enter = EqualizedConv2d(channels[0], channels[0], 3, activate=True)
        self.blocks = nn.ModuleList(
            nn.ModuleList((EqualizedConv2d(i, o, 3, activate=True), EqualizedConv2d(o, o, 3, activate=True)))
            for i, o in zip(channels, channels[1:])
        )
        self.to_rgb = nn.ModuleList(EqualizedConv2d(c, 3, 1) for c in channels)
        self._begin(len(channels))

    def forward(self, z: torch.Tensor, label: torch.Tensor | None = None) -> LatentGeneratorOutput:
        """
        Args:
            z (`torch.Tensor`): `(B, latent_dim)`, standard normal.
            label: this generator has no classes; for the sake of one signature.

        Returns:
            pictures of `current_resolution`, about in [-1, 1] and not clamped.

        Raises:
            ValueError: latents of another length, or labels.
        """
        if z.ndim != 2 or z.shape[1] != self.config.latent_dim:
            raise ValueError(f"latents must be (B, {self.config.latent_dim}), got {tuple(z.shape)}")
        if label is not None:
            check_labels(label, len(z), 0)
        level, alpha = int(self.level), float(self.alpha)
        x = pixel_norm(self.dense(pixel_norm(z)).view(len(z), -1, 4, 4))
        x = below = pixel_norm(self.enter(x))
        for block in list(self.blocks)[:level]:
            conv0, conv1 = cast(nn.ModuleList, block)
            below = x
            x = pixel_norm(conv1(pixel_norm(conv0(_double(x)))))
        picture = self.to_rgb[level](x)
        if level and alpha < 1:
            picture = torch.lerp(_double(self.to_rgb[level - 1](below)), picture, alpha)
        return LatentGeneratorOutput(sample=picture)


class PGGANDiscriminator(GrowingModel):
    """Real or generated? It judges images of the level in use.

    Args:
        resolution, channel_base, channel_max: as of the generator.

    >>> discriminator = PGGANDiscriminator(16, channel_base=64)
    >>> discriminator.grow(1, alpha=0.5)
    >>> discriminator(torch.zeros(2, 3, 8, 8)).logits.shape
    torch.Size([2, 1])
    """

    @register_to_config
    def __init__(self, resolution: int = 64, channel_base: int = 4096, channel_max: int = 256):
        super().__init__()
        channels = block_channels(resolution, channel_base, channel_max)
        self.from_rgb = nn.ModuleList(EqualizedConv2d(3, c, 1, activate=True) for c in channels)
        # from the smallest on, as the levels are counted
        self.blocks = nn.ModuleList(
            nn.ModuleList((EqualizedConv2d(i, i, 3, activate=True), EqualizedConv2d(i, o, 3, activate=True)))
            for o, i in zip(channels, channels[1:])
        )
        self.conv = EqualizedConv2d(channels[0] + 1, channels[0], 3, activate=True)
        self.dense = EqualizedLinear(16 * channels[0], channels[0], activate=True)
        self.out = EqualizedLinear(channels[0], 1)
        self._begin(len(channels))

    def forward(self, x: torch.Tensor, label: torch.Tensor | None = None) -> ImageDiscriminatorOutput:
        """
        Args:
            x (`torch.Tensor`): images `(B, 3, R, R)` in [-1, 1], R the `current_resolution`.
            label: this discriminator has no classes; for the sake of one signature.

        Raises:
            ValueError: images of another size, or labels.
        """
        check_images(x, self.current_resolution)
        if label is not None:
            check_labels(label, len(x), 0)
        level, alpha = int(self.level), float(self.alpha)
        h = self.from_rgb[level](x)
        features = []
        for n in range(level, 0, -1):
            conv0, conv1 = cast(nn.ModuleList, self.blocks[n - 1])
            h = F.avg_pool2d(conv1(conv0(h)), 2)
            if n == level and alpha < 1:
                h = torch.lerp(self.from_rgb[level - 1](F.avg_pool2d(x, 2)), h, alpha)
            features.append(h)
        h = self.conv(minibatch_deviation(h, 4))
        features.append(h)
        return ImageDiscriminatorOutput(logits=self.out(self.dense(h.flatten(1))), features=features)

    def freeze_lower(self, layers: int) -> None:
        """Freezes the blocks of the finest `layers` levels, and all layers from colors (FreezeD, Mo et al., arXiv 2002.10964)."""
        if layers:
            self.from_rgb.requires_grad_(False)
            self.blocks[-layers:].requires_grad_(False)


def _double(x: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
