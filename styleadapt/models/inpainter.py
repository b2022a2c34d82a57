"""The inpainter: fills holes of any shape in a photo."""

from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config
from diffusers.utils import BaseOutput

from .modeling import ModelMixin, StyleAdaptModel  # noqa: F401  diffusers looks for ModelMixin beside a component


@dataclass
class InpainterOutput(BaseOutput):
    """
    Args:
        sample (`torch.Tensor`): `(B, 3, H, W)`, the input with what was made up inside the hole; not clamped.
    """

    sample: torch.Tensor


class Inpainter(StyleAdaptModel):
    """Fills holes of any shape and size in photos.

    The hole is first filled smoothly from its border (`push_pull`); the network adds what is missing to that. It is a U-Net of
    gated convolutions (Yu et al., arXiv 1806.03589, section 3.1), which learn where a pixel is to be believed, with one gate for
    all channels of a place (the lightweight form of Yi et al., arXiv 2005.09704, section 3.3). At the smallest scale, 1/8,
    dilated convolutions see across large holes. Known pixels are given back as they are.

    Args:
        widths (`tuple[int, int, int]`): channels at 1/2, 1/4 and 1/8 of the image.
        dilations (`tuple[int, ...]`): of the residual blocks at 1/8.

    >>> inpainter = Inpainter(widths=(8, 8, 16), dilations=(1, 2))
    >>> inpainter(torch.zeros(1, 3, 37, 50), torch.zeros(1, 1, 37, 50)).sample.shape
    torch.Size([1, 3, 37, 50])
    """

    @register_to_config
    def __init__(self, widths: tuple[int, int, int] = (32, 64, 64), dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 1)):
        super().__init__()
        if len(widths) != 3:
            raise ValueError(f"`widths` needs three entries (1/2, 1/4, 1/8), got {widths}")
        w2, w4, w8 = widths
        self.enter = GatedConv(16, w2)
        self.down4 = GatedConv(w2, w4, stride=2)
        self.encode4 = GatedConv(w4, w4)
        self.down8 = GatedConv(w4, w8, stride=2)
        self.middle = nn.ModuleList(GatedConv(w8, w8, dilation=dilation) for dilation in dilations)
        self.up4 = nn.Conv2d(w8, 4 * w4, 1)
        self.decode4 = GatedConv(w4, w4)
        self.up2 = nn.Conv2d(w4, 4 * w2, 1)
        self.decode2 = GatedConv(w2, w2)
        self.leave = nn.Conv2d(w2, 12, 3, padding=1, bias=False)
        nn.init.zeros_(self.leave.weight)  # so that it begins with the smooth fill

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> InpainterOutput:
        """
        Args:
            x (`torch.Tensor`): images, `(B, 3, H, W)` in [-1, 1], any H and W from 1 up; what is in the hole is not looked at.
            mask (`torch.Tensor`): `(B, 1, H, W)`, 1 in the hole and 0 outside.

        Returns:
            `InpainterOutput`, with `sample` of the size of `x`.
        """
        filled = push_pull(x, mask)
        height, width = x.shape[-2:]
        known = torch.cat([filled, 2 * mask - 1], 1).to(x.dtype)
        h = F.pixel_unshuffle(F.pad(known, (0, -width % 8, 0, -height % 8), mode="replicate"), 2)
        e2 = self.enter(h)
        e4 = self.encode4(self.down4(e2))
        h = self.down8(e4)
        for block in self.middle:
            h = h + block(h)
        h = self.decode4(F.pixel_shuffle(self.up4(h), 2) + e4)
        h = self.decode2(F.pixel_shuffle(self.up2(h), 2) + e2)
        made = filled + F.pixel_shuffle(self.leave(h), 2)[..., :height, :width].float()
        # a mask with soft edges mixes; outside, the pixels are the very same
        sample = torch.where(mask > 0, torch.lerp(x.float(), made, mask.float()), x.float())
        return InpainterOutput(sample=sample.to(x.dtype))


class GatedConv(nn.Module):
    """y = elu(W * x) sigmoid(V * x), where V has one output channel: `(B, C, H, W)` -> `(B, D, H / stride, W / stride)`."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1, dilation: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 3, stride, padding=dilation, dilation=dilation)
        self.gate = nn.Conv2d(c_in, 1, 3, stride, padding=dilation, dilation=dilation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.elu(self.conv(x)) * torch.sigmoid(self.gate(x))


def push_pull(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Fills holes smoothly from what surrounds them (Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.6.1).

    The known pixels are averaged in cells of 2, 4, 8 ... until one cell is the whole image; then, from there back to the pixels,
    a cell without known pixels takes what the next larger ones say, bilinearly, and one that is known in part takes a part.

    Args:
        x: `(B, C, H, W)`.
        mask: `(B, 1, H, W)`, 1 in the hole, 0 outside. An image that is a hole altogether becomes 0.

    Returns:
        `(B, C, H, W)` in float32, equal to `x` outside the hole.

    >>> ramp = torch.linspace(-1, 1, 64).expand(1, 1, 64, 64)
    >>> hole = torch.zeros(1, 1, 64, 64)
    >>> hole[..., 24:40, 24:40] = 1
    >>> float((push_pull(ramp, hole) - ramp).abs().max()) < 0.15
    True
    """
    height, width = x.shape[-2:]
    weight = 1 - mask.float()
    values = torch.where(weight > 0, x.float(), 0.0) * weight
    levels = [(values, weight)]
    while max(values.shape[-2:]) > 1:
        values, weight = (F.avg_pool2d(_even(t), 2) for t in (values, weight))
        # a cell that is known in half has all the say that it needs
        share = (2 * weight).clamp(max=1) / weight.clamp(min=1e-8)
        values, weight = values * share, weight * share
        levels.append((values, weight))
    values, weight = levels.pop()
    filled = values / weight.clamp(min=1e-8)
    for values, weight in reversed(levels):
        size = values.shape[-2:]
        coarse = F.interpolate(filled, scale_factor=2.0, mode="bilinear", align_corners=False)[..., : size[0], : size[1]]
        filled = values + (1 - weight) * coarse
    return filled[..., :height, :width]


def _even(x: torch.Tensor) -> torch.Tensor:
    """With a row and a column of zeros at the end where their number is odd."""
    return F.pad(x, (0, x.shape[-1] % 2, 0, x.shape[-2] % 2))
