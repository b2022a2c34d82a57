"""VGG-16 up to conv4_3 as a frozen feature network, which most of the literature measures style with.

Architecture: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", arXiv 1409.1556,
configuration D. The packaged weights are the ImageNet weights of Keras, which are those of the paper's authors, in half
precision; `assets/README.md` names their license and where they come from.
"""

from collections import OrderedDict
from importlib import resources
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file

# (channels, convolutions) of the stages; a 2x2 max pooling stands between two stages
_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3))
# of the ImageNet training set, 0 to 255, in the order blue, green, red
_MEAN_BGR = (103.939, 116.779, 123.68)


class VGG16(nn.Module):
    """Frozen VGG-16. `(B, 3, H, W)` in [-1, 1] -> `relu1_2`, `relu2_2`, `relu3_3` and `relu4_3` at strides 1, 2, 4 and 8.

    It computes in the dtype of its weights, and its feature maps have that dtype.

    Args:
        depth (int): stages to keep, 1 to 4; fewer cost less.

    >>> features = VGG16()(torch.zeros(1, 3, 64, 64))
    >>> {name: tuple(f.shape[1:]) for name, f in features.items()}["relu3_3"]
    (256, 16, 16)
    """

    mean: torch.Tensor

    def __init__(self, depth: int = 4):
        super().__init__()
        if not 1 <= depth <= len(_STAGES):
            raise ValueError(f"`depth` is {depth}; it must be 1 to {len(_STAGES)}")
        self.convolutions = nn.ModuleDict()
        c_in = 3
        for stage, (channels, count) in enumerate(_STAGES[:depth], 1):
            for number in range(1, count + 1):
                self.convolutions[f"conv{stage}_{number}"] = nn.Conv2d(c_in, channels, 3, padding=1)
                c_in = channels
        self.depth = depth
        self.register_buffer("mean", torch.tensor(_MEAN_BGR, dtype=torch.float32).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the feature maps, finest first."""
        return tuple(f"relu{stage}_{count}" for stage, (_, count) in enumerate(_STAGES[: self.depth], 1))

    def forward(self, x: torch.Tensor) -> "OrderedDict[str, torch.Tensor]":
        x = (x.float().flip(1) + 1) * 127.5 - self.mean.float()
        first = next(self.parameters())
        x = x.to(first.dtype).contiguous(memory_format=torch.channels_last)
        features = OrderedDict()
        for stage, (_, count) in enumerate(_STAGES[: self.depth], 1):
            if stage > 1:
                x = F.max_pool2d(x, 2)
            for number in range(1, count + 1):
                x = F.relu_(self.convolutions[f"conv{stage}_{number}"](x))
            features[f"relu{stage}_{count}"] = x
        return features


def load_vgg16(dtype: torch.dtype = torch.float32, depth: int = 4) -> VGG16:
    """The packaged network in evaluation mode, with its convolutions in channels_last.

    Args:
        dtype: of weights and computation; bfloat16 is several times as fast on processors that have it.
        depth: stages to keep, see `VGG16`.

    Raises:
        FileNotFoundError: the package was installed without its weights.
    """
    file = Path(str(resources.files("styleadapt"))) / "assets" / "vgg16" / "conv4_3.safetensors"
    if not file.is_file():
        raise FileNotFoundError(f"the weights of VGG-16 are missing at {file}; install styleadapt again")
    with torch.random.fork_rng(devices=[]):  # initial weights that nobody keeps must not move the caller's random numbers
        network = VGG16(depth).float()  # whatever the default dtype is
    wanted = network.state_dict()
    network.load_state_dict({key: value.float() for key, value in load_file(file).items() if key in wanted})
    return network.to(dtype).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]  # torch's types lack it
