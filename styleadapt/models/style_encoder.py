"""The style encoder: turns one or several images of a style into a style code."""

import torch
import torch.nn as nn
from diffusers.configuration_utils import register_to_config

from .efficientnet import EfficientNetLite0
from .layers import channel_moments
from .modeling import ModelMixin, StyleAdaptModel  # noqa: F401  diffusers looks for ModelMixin beside a component


class StyleEncoder(StyleAdaptModel):
    """Frozen ImageNet trunk, channel means and deviations at nine depths, and a mapping network to the style code.

    Args:
        code_dim (`int`): length of the style code, D.
        hidden_dim (`int`): width of the mapping network.

    >>> StyleEncoder(code_dim=16, hidden_dim=8)(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 16])
    """

    center: torch.Tensor
    spread: torch.Tensor

    @register_to_config
    def __init__(self, code_dim: int = 192, hidden_dim: int = 384):
        super().__init__()
        self.trunk = EfficientNetLite0()
        statistics = 2 * sum(self.trunk.channels.values())
        self.register_buffer("center", torch.zeros(statistics))
        self.register_buffer("spread", torch.ones(statistics))
        self.mapping = nn.Sequential(
            nn.Linear(statistics, hidden_dim),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_dim, hidden_dim),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden_dim, code_dim),
        )

    def forward(self, images: torch.Tensor | None = None, features: dict[str, torch.Tensor] | None = None) -> torch.Tensor:
        """Style codes `(B, D)` of style images `(B, 3, H, W)` in [-1, 1], or of features that the trunk has computed already."""
        if features is None:
            features = self.trunk(images)
        statistics = (self.channel_statistics(features) - self.center) / self.spread
        return self.mapping(statistics.clamp(-6, 6).to(next(self.mapping.parameters()).dtype))

    @staticmethod
    def channel_statistics(features: dict[str, torch.Tensor]) -> torch.Tensor:
        """Channel means and deviations of all feature maps, side by side: `(B, 2 * sum of channels)`."""
        parts = []
        for f in features.values():
            mean, variance = channel_moments(f)
            parts += [mean, variance.sqrt()]
        return torch.cat(parts, 1)

    @torch.no_grad()
    def calibrate(self, statistics: torch.Tensor) -> None:
        """Sets center and spread of the statistics, so that the mapping network sees them standardized.

        Args:
            statistics: `(N, 2 * sum of channels)` of N style images, from `channel_statistics`.
        """
        self.center.copy_(statistics.mean(0))
        self.spread.copy_(statistics.std(0) + 1e-3)

    def mix(self, codes: torch.Tensor, weights: list[float] | None = None) -> torch.Tensor:
        """One code `(1, D)` for several style images: the weighted mean of `(N, D)`.

        Args:
            weights: N numbers, at least one of them not 0; equal weights if left out. They are divided by their sum.

        Raises:
            ValueError: another number of weights than of codes, or weights that are not finite or sum to 0.
        """
        if weights is None:
            return codes.mean(0, keepdim=True)
        if len(weights) != len(codes):
            raise ValueError(f"`style_weights` has {len(weights)} entries for {len(codes)} style images; give one for each")
        w = torch.tensor(weights, dtype=codes.dtype, device=codes.device)
        if not torch.isfinite(w).all():
            raise ValueError(f"`style_weights` {list(weights)} must be finite numbers")
        if abs(float(w.sum())) < 1e-6:
            raise ValueError(f"`style_weights` {list(weights)} sum to 0; give at least one positive weight")
        return (w[:, None] * codes).sum(0, keepdim=True) / w.sum()
