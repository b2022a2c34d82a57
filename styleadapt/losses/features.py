"""Frozen feature extractors for perceptual losses, by name.

`vgg16` is packaged, and `efficientnet-lite0` is the trunk of our style encoder. Others come from libraries and weights that the
user has: `timm:NAME` for any timm model with `features_only` (`timm:vgg16.tv_in1k`), `torchvision:NAME` for its VGGs
(`torchvision:vgg16`), `transformers:REPO` for any convolutional model of transformers.
"""

from collections import OrderedDict

import torch
import torch.nn as nn

from ..devices.cpu import supports_bf16
from ..models.efficientnet import EfficientNetLite0
from ..models.vgg16 import load_vgg16

EFFICIENTNET_LITE0 = "efficientnet-lite0"
VGG16 = "vgg16"
_NAMES = f"{VGG16}, {EFFICIENTNET_LITE0}, timm:NAME, torchvision:NAME or transformers:REPO"


class _LibraryBackbone(nn.Module):
    """A library's network behind our convention: `(B, 3, H, W)` in [-1, 1] in, feature maps by name out."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: nn.Module, read, mean, std):
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        self.read = read
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, 3, 1, 1))

    def forward(self, x: torch.Tensor) -> "OrderedDict[str, torch.Tensor]":
        maps = [m for m in self.read(self.network, ((x + 1) / 2 - self.mean) / self.std) if m.ndim == 4]
        if not maps:
            raise ValueError(f"{type(self.network).__name__} gives no feature maps (B, C, h, w); choose a convolutional network")
        return OrderedDict((f"stage{i}", m) for i, m in enumerate(maps))


def build_feature_network(
    name: str = VGG16, trunk: EfficientNetLite0 | None = None, device: torch.device | None = None
) -> nn.Module:
    """A frozen module from images `(B, 3, H, W)` in [-1, 1] to `{layer: (B, C, h, w)}`.

    Args:
        name: `vgg16`, which computes in bfloat16 where that is faster; `efficientnet-lite0`; `timm:NAME` (for instance
            `timm:vgg19.tv_in1k`); `torchvision:NAME` (its VGGs, for instance `torchvision:vgg16`); or `transformers:REPO` (for
            instance `transformers:microsoft/resnet-18`).
        trunk: the style encoder's trunk, which is `efficientnet-lite0` with its weights.
        device: where the network goes; the CPU if left out.

    Raises:
        ValueError: an unknown kind of name, or `efficientnet-lite0` without its trunk.
        ImportError: the library that the name asks for is not installed.
        OSError: its weights are not here and cannot be fetched.

    >>> build_feature_network("vgg")
    Traceback (most recent call last):
    ValueError: unknown feature network 'vgg'; use vgg16, efficientnet-lite0, timm:NAME, torchvision:NAME or transformers:REPO
    """
    kind, _, rest = name.partition(":")
    device = device or torch.device("cpu")
    libraries = {"timm": _timm_backbone, "torchvision": _torchvision_backbone, "transformers": _transformers_backbone}
    if name == EFFICIENTNET_LITE0:
        if trunk is None:
            raise ValueError(f"{name} needs `trunk`, for instance `style_encoder.trunk`: its weights travel there")
        network: nn.Module = trunk
    elif name == VGG16:
        network = load_vgg16(torch.bfloat16 if supports_bf16(device) else torch.float32)
    elif kind in libraries and rest:
        network = libraries[kind](rest)
    else:
        raise ValueError(f"unknown feature network {name!r}; use {_NAMES}")
    return network.to(device)


def _timm_backbone(name: str) -> nn.Module:
    try:
        import timm
    except ImportError as error:
        raise ImportError(f"feature network timm:{name} needs the package timm: pip install timm") from error
    network = timm.create_model(name, pretrained=True, features_only=True)
    data = timm.data.resolve_data_config({}, model=network)
    return _LibraryBackbone(network, lambda net, x: net(x), data["mean"], data["std"])


def _torchvision_backbone(name: str) -> nn.Module:
    try:
        from torchvision import models
    # a torchvision that does not fit the installed torch fails to import with a RuntimeError
    except (ImportError, RuntimeError) as error:
        raise ImportError(f"feature network torchvision:{name} needs a torchvision that fits this torch: {error}") from error
    try:
        weights = models.get_model_weights(name).DEFAULT
    except ValueError as error:
        raise ValueError(f"torchvision has no model {name!r}") from error
    network = models.get_model(name, weights=weights)
    if not isinstance(getattr(network, "features", None), nn.Sequential) or not name.startswith("vgg"):
        raise ValueError(f"of torchvision's models the VGGs can be read here, not {name!r}; try timm:NAME")
    preset = weights.transforms()
    return _LibraryBackbone(network.features, _before_poolings, preset.mean, preset.std)


def _before_poolings(layers: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """The last map of every stage of a VGG."""
    maps = []
    for layer in layers.children():
        if isinstance(layer, nn.MaxPool2d):
            maps.append(x)
        x = layer(x)
    return maps


def _transformers_backbone(repo: str) -> nn.Module:
    from transformers import AutoModel
    from transformers.image_processing_utils import ImageProcessingMixin

    network = AutoModel.from_pretrained(repo)
    preprocessing, _ = ImageProcessingMixin.get_image_processor_dict(repo)
    return _LibraryBackbone(
        network,
        lambda net, x: net(x, output_hidden_states=True).hidden_states,
        preprocessing["image_mean"],
        preprocessing["image_std"],
    )
