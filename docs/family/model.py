"""The model: takes a color cast off photos. It goes to `styleadapt/models/uncast.py`."""

from dataclasses import dataclass

import torch
import torch.nn as nn
from diffusers.configuration_utils import register_to_config
from diffusers.utils import BaseOutput

from styleadapt.models.modeling import ModelMixin, StyleAdaptModel  # noqa: F401  diffusers looks for ModelMixin beside a component


@dataclass
class UncastOutput(BaseOutput):
    """
    Args:
        sample (`torch.Tensor`): `(B, 3, H, W)`, the image without its cast; not clamped.
    """

    sample: torch.Tensor


class Uncast(StyleAdaptModel):
    """Adds to every pixel a function of its color and of the image's mean color.

    Args:
        width (`int`): hidden channels.

    >>> Uncast(width=8)(torch.zeros(2, 3, 5, 7)).sample.shape
    torch.Size([2, 3, 5, 7])
    """

    # arguments of the constructor are saved with the weights, and checked when they are loaded
    @register_to_config
    def __init__(self, width: int = 16):
        super().__init__()
        if width < 1:
            raise ValueError(f"`width` is {width}; it must be 1 at least")
        self.enter = nn.Conv2d(6, width, 1)
        self.leave = nn.Conv2d(width, 3, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> UncastOutput:
        """
        Args:
            x (`torch.Tensor`): images `(B, 3, H, W)` in [-1, 1].
        """
        mean = x.mean((2, 3), keepdim=True).expand_as(x)
        return UncastOutput(sample=x + self.leave(torch.relu(self.enter(torch.cat([x, mean], 1)))))
