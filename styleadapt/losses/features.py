"""Feature networks by name: the eyes of the losses.

`efficientnet-lite0` is embedded in our style encoder. Others come from libraries and weights that the user has: `timm:NAME` for
any timm model with `features_only`, `transformers:REPO` for any convolutional model of transformers.
"""

from collections import OrderedDict

import torch
import torch.nn as nn

from ..models.efficientnet import EfficientNetLite0

EMBEDDED = "efficientnet-lite0"


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


def build_feature_network(name: str = EMBEDDED, trunk: EfficientNetLite0 | None = None) -> nn.Module:
    """A frozen module from images `(B, 3, H, W)` in [-1, 1] to `{layer: (B, C, h, w)}`.

    Args:
        name: `efficientnet-lite0`, `timm:NAME` (for instance `timm:vgg19.tv_in1k`) or `transformers:REPO` (for instance
            `transformers:microsoft/resnet-18`).
        trunk: the style encoder's trunk, which is the embedded network with its weights.

    Raises:
        ValueError: an unknown kind of name, or the embedded network without its trunk.
        ImportError: the library that the name asks for is not installed.
        OSError: its weights are not here and cannot be fetched.

    >>> build_feature_network("vgg")
    Traceback (most recent call last):
    ValueError: unknown feature network 'vgg'; use efficientnet-lite0, timm:NAME or transformers:REPO
    """
    kind, _, rest = name.partition(":")
    if name == EMBEDDED:
        if trunk is None:
            raise ValueError(f"{EMBEDDED} needs `trunk`, for instance `style_encoder.trunk`: its weights travel there")
        return trunk
    if kind == "timm" and rest:
        return _timm_backbone(rest)
    if kind == "transformers" and rest:
        return _transformers_backbone(rest)
    raise ValueError(f"unknown feature network {name!r}; use {EMBEDDED}, timm:NAME or transformers:REPO")


def _timm_backbone(name: str) -> nn.Module:
    try:
        import timm
    except ImportError as error:
        raise ImportError(f"feature network timm:{name} needs the package timm: pip install timm") from error
    network = timm.create_model(name, pretrained=True, features_only=True)
    data = timm.data.resolve_data_config({}, model=network)
    return _LibraryBackbone(network, lambda net, x: net(x), data["mean"], data["std"])


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
