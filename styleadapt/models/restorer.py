"""The restorer: cleans a damaged photo, given the levels of its damage, which it also estimates."""

from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config
from diffusers.utils import BaseOutput

from .modeling import ModelMixin, StyleAdaptModel  # noqa: F401  diffusers looks for ModelMixin beside a component

# What levels are divided by before the network sees them: a deviation of noise in the units of the image, [-1, 1]; the loss of
# quality as a fraction; a blur in quarters of 16 pixels.
LEVEL_UNITS = (127.5, 100.0, 4.0)
LEVEL_NAMES = ("noise", "jpeg", "blur")
_CONTRASTS = 10


@dataclass
class RestorerOutput(BaseOutput):
    """
    Args:
        sample (`torch.Tensor`): `(B, 3, H, W)`, the restored image, on the scale of the input and not clamped.
        levels (`torch.Tensor`): `(B, 3)`, the levels that the network restored by, given or estimated.
        estimate (`torch.Tensor`, *optional*): `(B, 3)`, the levels that it estimated, as yet not cut off at 0; None if all were
            given, except in training.
    """

    # None, since accelerate rebuilds an output from a single dict
    sample: torch.Tensor
    levels: torch.Tensor = None  # type: ignore[assignment]
    estimate: torch.Tensor | None = None


class Restorer(StyleAdaptModel):
    """Takes noise, JPEG artifacts and blur out of photos: one fully convolutional network for all three and their mixtures.

    Space-to-depth by 2, then a U-Net of residual blocks without normalization and without biases, as in DRUNet (Zhang et al.,
    arXiv 2008.13751), made small: without biases the network scales with its input, and holds at levels beyond those it was
    trained at (Mohan et al., arXiv 1906.05478). The levels of damage enter as constant planes beside the pixels (FFDNet, Zhang et
    al., arXiv 1710.04026). The network predicts what is wrong with the image, which is then subtracted (DnCNN, arXiv 1608.03981).

    A level is in the units of who made the damage, and 0 where there is none of it: the standard deviation of the noise on the
    scale 0..255, 100 minus the JPEG quality, and the standard deviation of the blur kernel in pixels (`LEVEL_NAMES`).

    Args:
        widths (`tuple[int, ...]`): channels at 1/2, 1/4, ... of the image.
        blocks (`tuple[int, ...]`): residual blocks at each of these scales, on the way down and again on the way up; the smallest
            scale has them once.
        estimator_widths (`tuple[int, ...]`): channels of the estimator's convolutions; the first is at 1/2 of the image, and each
            of the others halves it. Every place of the smallest scale has an opinion of each level, and says how much it counts,
            since noise shows best where the photo is flat, and blur where it is not.

    >>> restorer = Restorer(widths=(8, 16), blocks=(1, 1), estimator_widths=(8, 8))
    >>> restorer(torch.zeros(1, 3, 37, 50)).sample.shape
    torch.Size([1, 3, 37, 50])
    """

    @register_to_config
    def __init__(
        self,
        widths: tuple[int, ...] = (64, 128),
        blocks: tuple[int, ...] = (1, 3),
        estimator_widths: tuple[int, ...] = (32, 64, 64, 64),
    ):
        super().__init__()
        if not widths or len(widths) != len(blocks):
            raise ValueError(f"`widths` and `blocks` need one entry a scale each, got {widths} and {blocks}")
        if not estimator_widths:
            raise ValueError("`estimator_widths` needs at least one entry, got none")
        planes = len(LEVEL_UNITS)
        self.register_buffer("units", torch.tensor(LEVEL_UNITS), persistent=False)
        self.enter = _conv(12 + planes, widths[0])
        self.down_blocks = nn.ModuleList(_blocks(width, count) for width, count in zip(widths[:-1], blocks))
        self.downs = nn.ModuleList(nn.Conv2d(i, o, 2, stride=2, bias=False) for i, o in zip(widths, widths[1:]))
        self.middle = _blocks(widths[-1], blocks[-1])
        self.ups = nn.ModuleList(nn.Conv2d(i, 4 * o, 1, bias=False) for o, i in zip(widths, widths[1:]))
        self.up_blocks = nn.ModuleList(_blocks(width, count) for width, count in zip(widths[:-1], blocks))
        self.leave = _conv(widths[0], 12)
        nn.init.zeros_(self.leave.weight)  # so that it begins by leaving the image alone
        inputs = (4 * _CONTRASTS, *estimator_widths)
        self.estimator = nn.ModuleList(
            nn.Conv2d(i, o, 3, stride=1 if n == 0 else 2, padding=1) for n, (i, o) in enumerate(zip(inputs, estimator_widths))
        )
        self.opinions = nn.Conv2d(estimator_widths[-1], 2 * planes, 1)

    def forward(self, x: torch.Tensor, levels: torch.Tensor | None = None) -> RestorerOutput:
        """
        Args:
            x (`torch.Tensor`): damaged images, `(B, 3, H, W)`, any H and W from 1 up; clean ones would lie in [-1, 1].
            levels (`torch.Tensor`, *optional*): `(B, 3)`, how strong the damage is; what is NaN, or all if left out, is estimated
                from `x`.

        Returns:
            `RestorerOutput`, with `sample` of the size of `x`.
        """
        estimate = None
        if levels is None or self.training or levels.isnan().any():
            estimate = self._estimate(x)
            # the network does not teach the estimator, which would tell it then what suits it, and not the level
            guess = estimate.detach().clamp(min=0)
            levels = guess if levels is None else torch.where(levels.isnan(), guess, levels)
        height, width = x.shape[-2:]
        multiple = 2 ** len(self.config.widths)
        padded = F.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")
        damage = self._damage(F.pixel_unshuffle(padded, 2), levels)
        sample = x - F.pixel_shuffle(damage, 2)[..., :height, :width].to(x.dtype)
        return RestorerOutput(sample=sample, levels=levels, estimate=estimate)

    def estimated_levels(self, x: torch.Tensor) -> torch.Tensor:
        """The levels of damage in images `(B, 3, H, W)`, `(B, 3)`, never below 0; an image counts as a whole."""
        return self._estimate(x).clamp(min=0)

    def _estimate(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[-2:]
        h = contrasts(F.pad(x, (0, width % 2, 0, height % 2), mode="replicate"))
        h = F.pixel_unshuffle(h, 2).to(self.opinions.weight.dtype)
        for conv in self.estimator:
            h = F.relu(conv(h))
        values, says = self.opinions(h).float().flatten(2).chunk(2, 1)
        return (values * says.softmax(-1)).sum(-1) * self.units

    def _damage(self, h: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
        """What is wrong with images that space-to-depth by 2 was applied to, `(B, 12, h, w)`."""
        planes = (levels / self.units).to(h.dtype)[:, :, None, None].expand(-1, -1, *h.shape[-2:])
        h = self.enter(torch.cat([h, planes], 1))
        skips = []
        for blocks, down in zip(self.down_blocks, self.downs):
            h = blocks(h)
            skips.append(h)
            h = down(h)
        h = self.middle(h)
        for blocks, up, skip in zip(reversed(self.up_blocks), reversed(self.ups), reversed(skips)):
            h = blocks(F.pixel_shuffle(up(h), 2) + skip)
        return self.leave(h)


def contrasts(x: torch.Tensor) -> torch.Tensor:
    """Computes the estimator's input from images: log(1 + 50 |x(p) - x(p - d)|) for neighbors d to the left and above, 1 px away
    in each of the three channels, 2 and 4 px away in their mean: `(B, 3, H, W)` -> `(B, 10, H, W)` in float32.

    Logarithms, because the traces of damage are a tenth of the photo's own contrasts; without them the estimator took thousands
    of steps to find any JPEG artifacts.
    """
    x = x.float()
    mean = x.mean(1, keepdim=True)
    differences = []
    for image, lag in ((x, 1), (mean, 2), (mean, 4)):
        height, width = x.shape[-2:]
        differences.append(image - F.pad(image, (lag, 0, 0, 0), mode="replicate")[..., :width])
        differences.append(image - F.pad(image, (0, 0, lag, 0), mode="replicate")[..., :height, :])
    return torch.log1p(50 * torch.cat(differences, 1).abs())


class ResidualBlock(nn.Module):
    """Two convolutions without biases around a ReLU, added to their input: `(B, C, H, W)` -> `(B, C, H, W)`."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = _conv(channels, channels)
        self.conv2 = _conv(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv2(F.relu(self.conv1(x), inplace=True))


def _blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(count)))


def _conv(c_in: int, c_out: int) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)
