"""The colorizer: predicts the colors of a gray photo from the features that an ImageNet network finds in it."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config
from diffusers.utils import BaseOutput

from .lab import lab_to_rgb, rgb_to_lab
from .modeling import ModelMixin, StyleAdaptModel  # noqa: F401  diffusers looks for ModelMixin beside a component

# layers of `efficientnet.EfficientNetLite0`: channels, and how many times smaller than the image
_LAYERS = {"block3.expand": (144, 4), "block5.expand": (240, 8), "block8.expand": (480, 16), "block11.expand": (672, 16)}


@dataclass
class ColorizerOutput(BaseOutput):
    """
    Args:
        logits (`torch.Tensor`): `(B, K, h, w)`, how likely each of the K colors is, at 1/4 of the image.
        ab (`torch.Tensor`): `(B, 2, h, w)`, the colors in CIE Lab that follow from that.
    """

    # None, since accelerate rebuilds an output from a single dict
    logits: torch.Tensor
    ab: torch.Tensor = None  # type: ignore[assignment]


class Colorizer(StyleAdaptModel):
    """Gives gray photos their colors.

    What is in a photo the frozen trunk of the style encoder knows, which has seen a million photos; the colorizer is a small
    decoder of four of its feature maps. It chooses among colors on a grid instead of predicting one, since the mean of all colors
    that a thing may have is brown, and the choice is made into one color by the annealed mean (Zhang et al., arXiv 1603.08511,
    section 2.3). A style code of the same encoder, of a reference image, may give the palette; it scales and shifts the channels
    (FiLM, arXiv 1709.07871).

    Args:
        width (`int`): channels of the decoder at 1/16 of the image; it has three quarters of them at 1/8 and half at 1/4.
        code_dim (`int`): length of the style code.
        spacing (`int`): of the grid of colors in CIE Lab.
        temperature (`float`): of the annealed mean: 1 is the mean, toward 0 the most likely color.

    >>> colorizer = Colorizer(width=8, code_dim=16)
    >>> features = {name: torch.zeros(1, c, 64 // s, 64 // s) for name, (c, s) in _LAYERS.items()}
    >>> colorizer(features).ab.shape
    torch.Size([1, 2, 16, 16])
    """

    colors: torch.Tensor
    prior: torch.Tensor

    @register_to_config
    def __init__(self, width: int = 48, code_dim: int = 192, spacing: int = 16, temperature: float = 0.38):
        super().__init__()
        if width < 4 or width % 4:
            raise ValueError(f"`width` is {width}; it must be a multiple of 4")
        if not temperature > 0:
            raise ValueError(f"`temperature` is {temperature}; it must be greater than 0")
        self.register_buffer("colors", _grid(spacing), persistent=False)
        # how often each color occurs in photos, by which training weighs them
        self.register_buffer("prior", torch.full((len(self.colors),), 1 / len(self.colors)))
        widths = {16: width, 8: 3 * width // 4, 4: width // 2}
        self.reads = nn.ModuleList(nn.Conv2d(channels, widths[scale], 1) for channels, scale in _LAYERS.values())
        self.palette = nn.Linear(code_dim, 2 * width)
        nn.init.zeros_(self.palette.weight)
        nn.init.zeros_(self.palette.bias)
        self.around = nn.Conv2d(width, width, 3, padding=1)
        self.up8 = nn.Conv2d(width, widths[8], 1)
        self.fuse8 = nn.Conv2d(widths[8], widths[8], 3, padding=1)
        self.up4 = nn.Conv2d(widths[8], widths[4], 1)
        self.fuse4 = nn.Conv2d(widths[4], widths[4], 3, padding=1)
        self.choose = nn.Conv2d(widths[4], len(self.colors), 1)

    def forward(self, features: Mapping[str, torch.Tensor], code: torch.Tensor | None = None) -> ColorizerOutput:
        """
        Args:
            features (`dict[str, torch.Tensor]`): what the trunk sees in gray photos.
            code (`torch.Tensor`, *optional*): `(B, code_dim)`, the palette; a row of zeros is none.
        """
        read4, read8, read16, deep = (read(features[name] / 6) for read, name in zip(self.reads, _LAYERS))
        h = F.relu(read16 + deep)
        if code is not None:
            scale, shift = self.palette(code).to(h.dtype)[:, :, None, None].chunk(2, 1)
            h = torch.addcmul(shift, h, 1 + scale)
        h = h + F.relu(self.around(h))
        h = F.relu(_resized(self.up8(h), read8) + read8)
        h = h + F.relu(self.fuse8(h))
        h = F.relu(_resized(self.up4(h), read4) + read4)
        h = h + F.relu(self.fuse4(h))
        logits = self.choose(h).float()
        shares = (logits / self.config.temperature).softmax(1)
        return ColorizerOutput(logits=logits, ab=torch.einsum("bkhw,kc->bchw", shares, self.colors.float()))

    def targets(self, ab: torch.Tensor) -> torch.Tensor:
        """Shares of the grid's colors that mix to given ones: `(B, 2, h, w)` -> `(B, K, h, w)`, at most four above 0, sum 1.

        Bilinear weights between neighbors on the grid; what lies beyond all colors that a screen has goes to the nearest.
        """
        spacing = self.config.spacing
        distance = (ab[:, None] - self.colors[None, :, :, None, None]).abs() / spacing
        weights = (1 - distance).clamp(min=0).prod(2)
        total = weights.sum(1, keepdim=True)
        nearest = F.one_hot(distance.square().sum(2).argmin(1), len(self.colors)).movedim(-1, 1).to(weights.dtype)
        return torch.where(total > 0.5, weights / total.clamp(min=1e-6), nearest)

    def weights(self, uniform: float = 0.5) -> torch.Tensor:
        """Weights of the colors in training, `(K,)`: rarer colors count more, and the mean over photos is 1.

        w ~ 1 / ((1 - u) p + u / K) with the frequencies p (Zhang et al., eq. 4).
        """
        raw = 1 / ((1 - uniform) * self.prior + uniform / len(self.prior))
        return raw / (raw * self.prior).sum()


def colorize(light: torch.Tensor, ab: torch.Tensor) -> torch.Tensor:
    """A photo of its lightness and its colors at a smaller scale, which follow the edges of the lightness.

    Args:
        light: `(B, 1, H, W)`, L* in [0, 100].
        ab: `(B, 2, h, w)`.

    Returns:
        `(B, 3, H, W)` in [-1, 1].

    >>> colorize(torch.full((1, 1, 8, 8), 50.0), torch.zeros(1, 2, 2, 2)).flatten(1).std().item() < 1e-6
    True
    """
    lines = fitted_lines(F.interpolate(light, ab.shape[-2:], mode="area"), ab)
    return painted(light, F.interpolate(lines, light.shape[-2:], mode="bilinear", align_corners=False))


def fitted_lines(light: torch.Tensor, ab: torch.Tensor, radius: int = 2, eps: float = 4.0) -> torch.Tensor:
    """Colors as lines in the lightness, slope * L + offset, fitted in every window: the first half of the fast guided filter (He
    and Sun, arXiv 1505.00996, algorithm 2).

    Args:
        light: `(B, 1, h, w)`, L*.
        ab: `(B, 2, h, w)`.
        radius: of the windows, in pixels.
        eps: variance of the lightness below which a window is flat.

    Returns:
        `(B, 4, h, w)`: two slopes, two offsets.
    """

    def mean(x: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(x, 2 * radius + 1, 1, radius, count_include_pad=False)

    mean_light, mean_ab = mean(light), mean(ab)
    slope = (mean(light * ab) - mean_light * mean_ab) / (mean(light * light) - mean_light.square() + eps)
    return torch.cat([mean(slope), mean(mean_ab - slope * mean_light)], 1)


def painted(light: torch.Tensor, lines: torch.Tensor) -> torch.Tensor:
    """The guided filter's other half: `(B, 1, H, W)` and enlarged `fitted_lines`, `(B, 4, H, W)` -> `(B, 3, H, W)` in [-1, 1]."""
    slope, offset = lines.chunk(2, 1)
    return lab_to_rgb(torch.cat([light, slope * light + offset], 1))


def _grid(spacing: int) -> torch.Tensor:
    """The colors of a grid in the ab plane that a screen has at some lightness, `(K, 2)`."""
    steps = torch.arange(-112 // spacing, 112 // spacing + 1).float() * spacing
    a, b = (t.flatten() for t in torch.meshgrid(steps, steps, indexing="ij"))
    shown = torch.zeros(len(a), dtype=torch.bool)
    for lightness in range(5, 100, 5):
        lab = torch.stack([torch.full_like(a, lightness), a, b], 0)[None, :, None]
        rgb = lab_to_rgb(lab)
        # what is clamped comes back as another color
        shown |= (rgb_to_lab(rgb) - lab).abs().amax((1, 2))[0] < spacing / 2
    return torch.stack([a, b], 1)[shown]


def _resized(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)
