"""The original GAN (Goodfellow et al., arXiv 1406.2661) with the convolutions of DCGAN (Radford et al., arXiv 1511.06434).

Its two objectives are in `losses.adversarial`: "bce" is the minimax game (eq. 1), "non-saturating" the one that the paper trains
with (section 3).
"""

from typing import Literal

import torch
import torch.nn as nn
import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config

from .gan_heads import (
    ClassifyingDiscriminator,
    DiscriminatorHead,
    Head,
    ImageDiscriminatorOutput,
    LatentGeneratorOutput,
    check_labels,
)
from .modeling import ModelMixin, StyleAdaptModel  # noqa: F401  diffusers looks for ModelMixin beside a component
from .stylegan2 import check_images

Blocks = Literal["plain", "resnet"]


class GANGenerator(StyleAdaptModel):
    """Pictures from Gaussian noise.

    Args:
        resolution (`int`): of the pictures in pixels: 32, 64 or 128.
        latent_dim (`int`): length of the noise vector.
        channels (`int`): at full resolution's half; they double with every scale below.
        num_classes (`int`): of class labels, 0 for none; a label's embedding is joined with the noise.
        blocks (`str`): "plain" are DCGAN's transposed convolutions, "resnet" residual ones (Gulrajani et al., arXiv 1704.00028).

    >>> GANGenerator(32, latent_dim=8, channels=4)(torch.randn(2, 8)).sample.shape
    torch.Size([2, 3, 32, 32])
    """

    @register_to_config
    def __init__(
        self, resolution: int = 64, latent_dim: int = 100, channels: int = 64, num_classes: int = 0, blocks: Blocks = "plain"
    ):
        super().__init__()
        widths = _widths(resolution, channels, blocks)[::-1]
        if latent_dim < 1 or num_classes < 0:
            raise ValueError(f"`latent_dim` must be 1 at least and `num_classes` 0, got {latent_dim} and {num_classes}")
        self.embed = nn.Embedding(num_classes, latent_dim) if num_classes else None
        self.enter = nn.Linear(latent_dim * (2 if num_classes else 1), 16 * widths[0], bias=False)
        pairs = [*zip(widths, widths[1:])]
        if blocks == "plain":
            self.norm = nn.BatchNorm2d(widths[0])
            self.layers = nn.ModuleList(_PlainUp(i, o) for i, o in pairs)
            self.to_rgb: nn.Module = nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1)
        else:
            self.layers = nn.ModuleList(_ResidualUp(i, o) for i, o in [*pairs, (widths[-1], widths[-1])])
            self.norm = nn.BatchNorm2d(widths[-1])
            self.to_rgb = nn.Conv2d(widths[-1], 3, 3, padding=1)
        _initialize(self, blocks)

    def forward(self, z: torch.Tensor, label: torch.Tensor | None = None) -> LatentGeneratorOutput:
        """
        Args:
            z (`torch.Tensor`): `(B, latent_dim)`, standard normal.
            label (`torch.Tensor`, *optional*): `(B,)` int64, for a generator with classes, which needs it.

        Raises:
            ValueError: latents or labels that do not fit.
        """
        if z.ndim != 2 or z.shape[1] != self.config.latent_dim:
            raise ValueError(f"latents must be (B, {self.config.latent_dim}), got {tuple(z.shape)}")
        if self.embed is not None and label is None:
            raise ValueError(f"a generator of {self.config.num_classes} classes needs `label`")
        if label is not None:
            check_labels(label, len(z), self.config.num_classes)
            z = torch.cat([z, self.embed(label).to(z.dtype)], 1)  # type: ignore[misc]  # it has classes, or labels are refused
        x = self.enter(z).view(len(z), -1, 4, 4)
        if self.config.blocks == "plain":
            x = F.relu(self.norm(x))
        for layer in self.layers:
            x = layer(x)
        if self.config.blocks == "resnet":
            x = F.relu(self.norm(x))
        return LatentGeneratorOutput(sample=torch.tanh(self.to_rgb(x)))


class GANDiscriminator(ClassifyingDiscriminator, StyleAdaptModel):
    """Real or generated?

    Args:
        resolution, channels (`int`): as of the generator.
        num_classes (`int`): of class labels, 0 for none.
        head (`str`): what is done with classes: "projection", "k+1" or "auxiliary", see `gan_heads.DiscriminatorHead`.
        blocks (`str`): "plain" are DCGAN's convolutions with batch normalization, "resnet" residual blocks without.

    >>> out = GANDiscriminator(32, channels=4, num_classes=10, head="k+1")(torch.zeros(2, 3, 32, 32))
    >>> out.logits.shape, out.class_logits.shape
    (torch.Size([2, 1]), torch.Size([2, 10]))
    """

    @register_to_config
    def __init__(
        self, resolution: int = 64, channels: int = 64, num_classes: int = 0, head: Head = "projection", blocks: Blocks = "plain"
    ):
        super().__init__()
        widths = (3, *_widths(resolution, channels, blocks))
        pairs = zip(widths, widths[1:])
        if blocks == "plain":
            # no normalization where the image comes in, as in DCGAN
            self.layers = nn.ModuleList(_PlainDown(i, o, norm=n > 0) for n, (i, o) in enumerate(pairs))
        else:
            self.layers = nn.ModuleList(_ResidualDown(i, o, first=n == 0) for n, (i, o) in enumerate(pairs))
        self.verdict = DiscriminatorHead(16 * widths[-1], num_classes, head)
        _initialize(self, blocks)

    def forward(self, x: torch.Tensor, label: torch.Tensor | None = None) -> ImageDiscriminatorOutput:
        """
        Args:
            x (`torch.Tensor`): images `(B, 3, R, R)` in [-1, 1].
            label (`torch.Tensor`, *optional*): `(B,)` int64, -1 for unlabeled; a projection needs it.

        Raises:
            ValueError: images of another size, or labels that do not fit.
        """
        check_images(x, self.config.resolution)
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        flat = F.leaky_relu(x, 0.2) if self.config.blocks == "resnet" else x
        logits, classes = self.verdict(flat.flatten(1), label)
        return ImageDiscriminatorOutput(logits=logits, features=features, class_logits=classes)

    def freeze_lower(self, layers: int) -> None:
        """Freezes the first layers, which see the finest detail (FreezeD, Mo et al., arXiv 2002.10964)."""
        self.layers[:layers].requires_grad_(False)


class _PlainUp(nn.Module):
    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.conv = nn.ConvTranspose2d(c_in, c_out, 4, 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)))


class _PlainDown(nn.Module):
    def __init__(self, c_in: int, c_out: int, norm: bool):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 4, 2, 1, bias=not norm)
        self.norm = nn.BatchNorm2d(c_out) if norm else nn.Identity()

    def forward(self, x):
        return F.leaky_relu(self.norm(self.conv(x)), 0.2)


class _ResidualUp(nn.Module):
    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.norm0, self.norm1 = nn.BatchNorm2d(c_in), nn.BatchNorm2d(c_out)
        self.conv0 = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)
        self.conv1 = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.skip = nn.Conv2d(c_in, c_out, 1)

    def forward(self, x):
        y = self.conv0(F.interpolate(F.relu(self.norm0(x)), scale_factor=2.0, mode="nearest"))
        # a 1x1 convolution is the same before and after every place is repeated
        return F.interpolate(self.skip(x), scale_factor=2.0, mode="nearest") + self.conv1(F.relu(self.norm1(y)))


class _ResidualDown(nn.Module):
    def __init__(self, c_in: int, c_out: int, first: bool):
        super().__init__()
        self.first = first  # it gets an image, which no ReLU may cut
        self.conv0 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.conv1 = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.skip = nn.Conv2d(c_in, c_out, 1)

    def forward(self, x):
        y = self.conv0(x if self.first else F.leaky_relu(x, 0.2))
        return self.skip(F.avg_pool2d(x, 2)) + F.avg_pool2d(self.conv1(F.leaky_relu(y, 0.2)), 2)


def _widths(resolution: int, channels: int, blocks: str) -> list[int]:
    """Channels at 1/2 of the resolution, 1/4, ... down to 4 px."""
    if resolution not in (32, 64, 128):
        raise ValueError(f"`resolution` is {resolution}; it must be 32, 64 or 128")
    if channels < 1:
        raise ValueError(f"`channels` is {channels}; it must be 1 at least")
    if blocks not in ("plain", "resnet"):
        raise ValueError(f"`blocks` is {blocks!r}; it must be 'plain' or 'resnet'")
    return [channels << n for n in range(resolution.bit_length() - 3)]


def _initialize(model: nn.Module, blocks: Blocks) -> None:
    """As in DCGAN, section 4: a deviation of 0.02; in residual blocks that of Glorot and Bengio (AISTATS 2010), since those
    of the discriminator have no normalization, and signals would fade."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            if blocks == "plain":
                nn.init.normal_(module.weight, std=0.02)
            else:
                nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
