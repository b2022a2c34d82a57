"""The style discriminator: tells real images of a style from generated ones, in small patches and in large ones."""

from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config
from diffusers.utils import BaseOutput
from torch.nn.utils.parametrizations import spectral_norm

from .layers import ClassActivationMap
from .modeling import ModelMixin, StyleAdaptModel  # noqa: F401  diffusers looks for ModelMixin beside a component


@dataclass
class DiscriminatorOutput(BaseOutput):
    """
    Args:
        logits (`tuple[torch.Tensor, ...]`): per scale `(B, 1, h, w)`, one logit a patch; local scale first.
        cam_logits (`torch.Tensor`): `(B, 4)`, the auxiliary classifiers' logits: average and max pooled, local then global.
        features (`dict[str, torch.Tensor]`): feature maps by name, for style losses in the discriminator's own eyes.
    """

    # None, since accelerate rebuilds an output from a single dict
    logits: tuple[torch.Tensor, ...]
    cam_logits: torch.Tensor = None  # type: ignore[assignment]
    features: dict[str, torch.Tensor] = None  # type: ignore[assignment]


class StyleDiscriminator(StyleAdaptModel):
    """Patch discriminator on a local and a global scale, spectrally normalized, conditioned on the style code.

    Each scale is a PatchGAN (Isola et al., arXiv 1611.07004) with a CAM head (U-GAT-IT, arXiv 1907.10830) whose patch logits
    add the projection of the features on the embedded style code (Miyato and Koyama, arXiv 1802.05637). The local scale sees the
    image itself in patches of 22 px, the global one a fourth of it in patches of 88 px. Spectral normalization: arXiv 1802.05957.

    Args:
        channels (`tuple[int, ...]`): channels after each convolution of stride 2, the same on both scales.
        code_dim (`int`): length of the style code.
        global_factor (`int`): how many times smaller the global scale sees the image.

    >>> out = StyleDiscriminator(channels=(4, 8), code_dim=16)(torch.zeros(1, 3, 64, 64), torch.zeros(1, 16))
    >>> [tuple(l.shape) for l in out.logits]
    [(1, 1, 16, 16), (1, 1, 4, 4)]
    """

    @register_to_config
    def __init__(self, channels: tuple[int, ...] = (32, 64, 128), code_dim: int = 192, global_factor: int = 4):
        super().__init__()
        if not channels:
            raise ValueError("`channels` needs at least one entry, got none")
        self.local_scale = _PatchScale(channels, code_dim)
        self.global_scale = _PatchScale(channels, code_dim)

    def forward(self, x: torch.Tensor, code: torch.Tensor) -> DiscriminatorOutput:
        """
        Args:
            x (`torch.Tensor`): images `(B, 3, H, W)` in [-1, 1].
            code (`torch.Tensor`): style codes `(B, code_dim)`, of the style that x claims to have.
        """
        minimum = 2 ** len(self.config.channels) * self.config.global_factor
        if min(x.shape[-2:]) < minimum:
            raise ValueError(f"the discriminator needs images of {minimum} px at least, got {x.shape[-1]} x {x.shape[-2]}")
        small = F.avg_pool2d(x, self.config.global_factor)
        logits, cam_logits, features = [], [], {}
        for name, scale, image in (("local", self.local_scale, x), ("global", self.global_scale, small)):
            patch, cam, maps = scale(image, code)
            logits.append(patch)
            cam_logits.append(cam)
            features.update({f"{name}{i}": f for i, f in enumerate(maps)})
        return DiscriminatorOutput(logits=tuple(logits), cam_logits=torch.cat(cam_logits, 1), features=features)

    def freeze_lower(self, layers: int) -> None:
        """Freezes the first convolutions of each scale (FreezeD, Mo et al., arXiv 2002.10964)."""
        for scale in (self.local_scale, self.global_scale):
            scale.convs[:layers].requires_grad_(False)


class _PatchScale(nn.Module):
    def __init__(self, channels: tuple[int, ...], code_dim: int):
        super().__init__()
        widths = (3, *channels)
        self.convs = nn.ModuleList(spectral_norm(nn.Conv2d(i, o, 4, 2, 1)) for i, o in zip(widths, widths[1:]))
        self.cam = ClassActivationMap(channels[-1], spectral=True)
        self.patch = spectral_norm(nn.Conv2d(channels[-1], 1, 3, padding=1))
        self.project = spectral_norm(nn.Linear(code_dim, channels[-1]))

    def forward(self, x, code):
        maps = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.2)
            maps.append(x)
        x, cam_logits, _ = self.cam(x)
        projection = torch.einsum("bchw,bc->bhw", x, self.project(code).to(x.dtype)) / x.shape[1] ** 0.5
        return self.patch(x) + projection[:, None], cam_logits, maps
