"""The style-aware objective: all image losses of stylization on one feature network, weighted and summed."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn as nn

from ..models.efficientnet import EfficientNetLite0
from ..models.vgg16 import VGG16
from .content import instance_normalize, log_similarity, normalized_distance, similarity_distance, tone_loss
from .regularization import total_variation
from .style import StyleStatistics, gram_loss, mean_std_loss, sliced_color_loss, style_statistics

# the other layers of the trunk cost a third of the Gram matrices' time and change little
STYLE_LAYERS = (
    "block0.depthwise",
    "block1.expand",
    "block3.expand",
    "block4.depthwise",
    "block5.expand",
    "block8.expand",
    "block11.expand",
)


@dataclass(frozen=True)
class LossWeights:
    """Weights of the image losses; 0 leaves a loss out. The defaults suit VGG-16 and quick adaptation.

    Args:
        gram: Gram matrices (`losses.style.gram_loss`), relative, 0.1 to 0.4 at the end of training.
        mean_std: channel means and deviations, relative.
        color: sliced Wasserstein distance of colors.
        content: instance-normalized features, about 1.
        structure: self-similarity of patches, about 0.1.
        tone: light and dark of large areas, 0 to 4.
        variation: total variation of the output.
    """

    gram: float = 12.0
    mean_std: float = 1.0
    color: float = 1.0
    content: float = 1.2
    structure: float = 1.5
    tone: float = 0.3
    variation: float = 0.2

    def __post_init__(self):
        for field in fields(self):
            if not 0 <= getattr(self, field.name) < math.inf:
                raise ValueError(f"the weight of `{field.name}` is {getattr(self, field.name)}; it must be a number, 0 or more")


@dataclass
class StyleTarget:
    """The targets that the losses take from a style image: statistics of its features, and its pixels `(B, 3, H, W)` for the
    colors."""

    statistics: StyleStatistics
    pixels: torch.Tensor


@dataclass
class ContentTarget:
    """The targets that the losses take from a photo: its pixels `(B, 3, H, W)`, its normalized features by layer, its
    self-similarity."""

    pixels: torch.Tensor
    normalized: dict[str, torch.Tensor]
    similarity: torch.Tensor

    @classmethod
    def cat(cls, targets: "Sequence[ContentTarget]") -> "ContentTarget":
        """Targets of several photos of one size as those of a batch."""
        normalized = {name: torch.cat([t.normalized[name] for t in targets]) for name in targets[0].normalized}
        return cls(torch.cat([t.pixels for t in targets]), normalized, torch.cat([t.similarity for t in targets]))


class StyleAwareObjective:
    """Style, content and smoothness of generated images, from one pass of the feature network.

    Args:
        weights: of the losses.
        style_layers: layers whose statistics make the style.
        content_layers: layers whose instance-normalized features keep the content.
        structure_layer: layer whose self-similarity keeps the structure.
        structure_size: cells along each side that are compared with one another.
    """

    def __init__(
        self,
        weights: LossWeights,
        style_layers: tuple[str, ...] = STYLE_LAYERS,
        content_layers: tuple[str, ...] = ("block5.expand", "block8.expand"),
        structure_layer: str = "block5.expand",
        structure_size: int = 16,
    ):
        self.weights, self.style_layers = weights, style_layers
        self.content_layers, self.structure_layer = content_layers, structure_layer
        self.structure_size = structure_size

    @classmethod
    def for_network(cls, weights: LossWeights, network: nn.Module) -> "StyleAwareObjective":
        """Builds the objective with layers that suit a feature network: tuned ones for the embedded network, default ones for
        others."""
        if isinstance(network, VGG16):
            layers = list(network.layers)
            return cls(weights, tuple(layers), (layers[-1],), layers[-2:][0], structure_size=32)
        if isinstance(network, EfficientNetLite0):
            return cls(weights)
        device = next(itertools.chain(network.parameters(), network.buffers())).device
        with torch.no_grad():
            layers = list(network(torch.zeros(1, 3, 128, 128, dtype=torch.float32, device=device)))
        middle = layers[-2:][0]
        return cls(weights, tuple(layers), (middle,), middle)

    def style_target(self, pixels: torch.Tensor, features: Mapping[str, torch.Tensor]) -> StyleTarget:
        """Computes the target of style images `(B, 3, H, W)` in [-1, 1] from their features."""
        return StyleTarget(self._statistics(features), pixels)

    def content_target(self, pixels: torch.Tensor, features: Mapping[str, torch.Tensor]) -> ContentTarget:
        """Computes the target of photos `(B, 3, H, W)` in [-1, 1] from their features."""
        normalized = {name: instance_normalize(features[name].float()) for name in self.content_layers}
        return ContentTarget(pixels, normalized, log_similarity(features[self.structure_layer], self.structure_size))

    def __call__(
        self,
        generated: torch.Tensor,
        features: Mapping[str, torch.Tensor],
        content: ContentTarget,
        style: StyleTarget,
        directions: torch.Tensor,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """
        Args:
            generated: `(B, 3, H, W)` in [-1, 1].
            features: of the generated images, `{layer: (B, C, h, w)}`.
            content: target of the photos.
            style: target of the styles.
            directions: `(3, K)` unit color directions.

        Returns:
            the weighted sum, a scalar, and every loss's mean over the batch by name.
        """
        w = self.weights
        statistics = self._statistics(features)
        losses = {
            "gram": gram_loss(statistics, style.statistics),
            "mean_std": mean_std_loss(statistics, style.statistics),
            "color": sliced_color_loss(generated, style.pixels, directions),
            "content": normalized_distance(features, content.normalized),
            "structure": similarity_distance(
                log_similarity(features[self.structure_layer], self.structure_size), content.similarity
            ),
            "tone": tone_loss(generated, content.pixels),
            "variation": total_variation(generated),
        }
        means = {name: value.mean() for name, value in losses.items()}
        return sum(getattr(w, name) * value for name, value in means.items()), means

    def style_only(self, features: Mapping[str, torch.Tensor], target: StyleTarget) -> torch.Tensor:
        """The weighted style losses alone, for a further scale of an image pyramid."""
        statistics = self._statistics(features)
        w = self.weights
        return (
            w.gram * gram_loss(statistics, target.statistics) + w.mean_std * mean_std_loss(statistics, target.statistics)
        ).mean()

    def _statistics(self, features: Mapping[str, torch.Tensor]) -> StyleStatistics:
        return style_statistics({name: features[name] for name in self.style_layers})
