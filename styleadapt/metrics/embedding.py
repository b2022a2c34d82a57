"""Loads the ImageNet network of the packaged style encoder, and computes its features of an image."""

from collections.abc import Mapping, Sequence
from importlib import resources

import torch
from PIL import Image

from ..images.images import image_to_tensor
from ..models.efficientnet import EfficientNetLite0
from ..models.style_encoder import StyleEncoder

LAYERS = ("block1.expand", "block3.expand", "block5.expand", "block8.expand")


def load_embedded_network() -> EfficientNetLite0:
    """EfficientNet-Lite0 with its ImageNet weights, from the packaged style encoder; nothing is downloaded."""
    weights = resources.files("styleadapt") / "assets" / "weights"
    return StyleEncoder.from_pretrained(str(weights), subfolder="style_encoder").trunk


@torch.no_grad()
def feature_maps(network: EfficientNetLite0, image: Image.Image) -> dict[str, torch.Tensor]:
    """The maps `(1, C, h, w)` of `LAYERS` of an "RGB" image.

    >>> list(feature_maps(EfficientNetLite0(), Image.new("RGB", (32, 32))))
    ['block1.expand', 'block3.expand', 'block5.expand', 'block8.expand']
    """
    maps = network(image_to_tensor(image))
    return {layer: maps[layer] for layer in LAYERS}


def channel_statistics(maps: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Logarithms log(1 + x) of means and deviations of every channel of all maps `(B, C, h, w)`: `(B, d)`.

    >>> channel_statistics({"layer": torch.ones(1, 2, 3, 3)})
    tensor([[0.6931, 0.6931, 0.0000, 0.0000]])
    """
    return torch.cat([s.log1p() for m in maps.values() for s in (m.mean((2, 3)), m.std((2, 3), correction=0))], 1)


def embed(network: EfficientNetLite0, images: Sequence[Image.Image]) -> torch.Tensor:
    """The `channel_statistics` of `LAYERS`, one row an image: what `metrics.distribution` compares.

    >>> embed(EfficientNetLite0(), [Image.new("RGB", (32, 32))] * 2).shape
    torch.Size([2, 1920])
    """
    return torch.cat([channel_statistics(feature_maps(network, image)) for image in images])
