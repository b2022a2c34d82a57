"""A discriminator that judges the features of a pretrained network (Projected GAN, Sauer et al., arXiv 2111.01007)."""

from collections.abc import Mapping

import torch
import torch.nn as nn
import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config
from torch.nn.utils.parametrizations import spectral_norm

from .efficientnet import EfficientNetLite0
from .gan_heads import ImageDiscriminatorOutput, check_labels
from .modeling import ModelMixin, StyleAdaptModel  # noqa: F401  diffusers looks for ModelMixin beside a component

# layers of EfficientNet-Lite0 and how many times smaller than its input they are
LAYERS = {"block1.expand": 2, "block3.expand": 4, "block5.expand": 8, "block11.expand": 16}


class ProjectedDiscriminator(StyleAdaptModel):
    """Small discriminators on randomly projected feature maps of EfficientNet-Lite0.

    The network knows shapes and materials from a million photos, so that little is left to learn, and from few images. So that no
    discriminator dwells on a part of the features, they are mixed across channels by fixed random 1x1 convolutions, and across
    scales by fixed random 3x3 convolutions from the coarse to the fine ones (sections 3.2 and 3.3 there). Every scale has a
    discriminator of its own, which judges patches. Labels are a projection (Miyato and Koyama, arXiv 1802.05637).

    Args:
        width (`int`): channels of the projected features.
        input_size (`int`): side in pixels that images are enlarged to before the network sees them.
        num_classes (`int`): of class labels, 0 for none.
        seed (`int`): of the fixed projections.

    >>> discriminator = ProjectedDiscriminator(width=8, input_size=64)
    >>> discriminator(torch.zeros(2, 3, 32, 32)).logits.shape
    torch.Size([2, 1024])
    """

    @register_to_config
    def __init__(self, width: int = 64, input_size: int = 128, num_classes: int = 0, seed: int = 0):
        super().__init__()
        if width < 4 or width % 4 or input_size < 32 or input_size % 16:
            raise ValueError(
                f"`width` is {width} and `input_size` {input_size}; they must be multiples of 4 and 16, at least 4 and 32"
            )
        self.trunk = EfficientNetLite0()
        channels = self.trunk.channels
        # a state of its own: the projections are the same whatever was drawn before
        generator = torch.Generator().manual_seed(seed)
        self.across_channels = nn.ModuleList(_fixed(nn.Conv2d(channels[name], width, 1), generator) for name in LAYERS)
        self.across_scales = nn.ModuleList(_fixed(nn.Conv2d(width, width, 3, padding=1), generator) for _ in LAYERS)
        self.judges = nn.ModuleList(_PatchJudge(width, num_classes) for _ in LAYERS)

    def load_trunk(self, trunk: nn.Module) -> None:
        """Copies the weights of a pretrained EfficientNet-Lite0."""
        self.trunk.load_state_dict(trunk.state_dict())

    def forward(self, x: torch.Tensor, label: torch.Tensor | None = None) -> ImageDiscriminatorOutput:
        """
        Args:
            x (`torch.Tensor`): images `(B, 3, H, W)` in [-1, 1].
            label (`torch.Tensor`, *optional*): `(B,)` int64, -1 for unlabeled.

        Returns:
            `ImageDiscriminatorOutput`: `logits` `(B, N)` of all patches of all scales. Those of coarse scales are repeated to be
            as many as those of the finest one, so that all scales count alike in their mean.
        """
        if label is not None:
            check_labels(label, len(x), self.config.num_classes, unlabeled=True)
        size = self.config.input_size
        if x.shape[-2:] != (size, size):
            x = F.interpolate(x, (size, size), mode="bilinear", align_corners=False)
        features = self._projected(self.trunk(x))
        verdicts = [judge(f, label) for judge, f in zip(self.judges, features)]
        size = verdicts[0].shape[-2:]
        logits = torch.cat([F.interpolate(v, size, mode="nearest").flatten(1) for v in verdicts], 1)
        return ImageDiscriminatorOutput(logits=logits, features=features)

    def _projected(self, maps: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
        """The projected features, finest first."""
        projected = [project(maps[name]) for project, name in zip(self.across_channels, LAYERS)]
        above: torch.Tensor | None = None
        mixed = []
        for f, mix in zip(reversed(projected), reversed(self.across_scales)):
            if above is not None:
                f = f + F.interpolate(above, f.shape[-2:], mode="bilinear", align_corners=False)
            above = mix(f)
            mixed.append(above)
        return mixed[::-1]


class _PatchJudge(nn.Module):
    """`(B, C, h, w)` -> `(B, 1, h', w')`: convolutions with spectral normalization, down to some 8 x 8 patches at most."""

    def __init__(self, width: int, num_classes: int):
        super().__init__()
        self.first = spectral_norm(nn.Conv2d(width, width, 4, 2, 1))
        self.second = spectral_norm(nn.Conv2d(width, width, 3, 1, 1))
        self.out = spectral_norm(nn.Conv2d(width, 1, 3, 1, 1))
        self.embed = nn.Embedding(num_classes, width) if num_classes else None

    def forward(self, x: torch.Tensor, label: torch.Tensor | None) -> torch.Tensor:
        x = F.leaky_relu(self.first(x), 0.2)
        while min(x.shape[-2:]) > 16:
            x = F.avg_pool2d(x, 2)
        x = F.leaky_relu(self.second(x), 0.2)
        logits = self.out(x)
        if self.embed is not None and label is not None:
            code = self.embed(label.clamp_min(0))[:, :, None, None].to(x.dtype)
            logits = logits + torch.where(label.view(-1, 1, 1, 1) >= 0, (x * code).mean(1, keepdim=True), 0.0)
        return logits


def _fixed(conv: nn.Conv2d, generator: torch.Generator) -> nn.Conv2d:
    """Kaiming's random weights, without bias, which training leaves alone."""
    assert conv.bias is not None
    fan_in = conv.weight[0].numel()
    conv.weight.data = torch.randn(conv.weight.shape, generator=generator) * (2 / fan_in) ** 0.5
    conv.bias.data.zero_()
    return conv.requires_grad_(False)
