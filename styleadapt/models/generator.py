"""The style generator: turns a photo and a style code into the stylized photo."""

from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config
from diffusers.utils import BaseOutput

from .layers import AdaLIN, AdaLINBlock, ClassActivationMap, StyleNoise, channel_moments, instance_coefficients, scale_channels
from .modeling import ModelMixin, StyleAdaptModel  # noqa: F401  diffusers looks for ModelMixin beside a component


@dataclass
class GeneratorOutput(BaseOutput):
    """
    Args:
        sample (`torch.Tensor`): `(B, 3, H, W)` in [-1, 1], the stylized image.
        cam_logits (`torch.Tensor`): `(B, 2)`, the auxiliary classifier's logits (photo or painting?), average and max pooled.
        attention (`torch.Tensor`): `(B, 1, ceil(H / 8), ceil(W / 8))`, the class activation map.
    """

    # None, since accelerate rebuilds an output from a single dict
    sample: torch.Tensor
    cam_logits: torch.Tensor = None  # type: ignore[assignment]
    attention: torch.Tensor = None  # type: ignore[assignment]


class StyleGenerator(StyleAdaptModel):
    """Fully convolutional image-to-image generator with AdaLIN residual blocks, CAM attention and multi-scale fusion.

    Space-to-depth by 4 brings the photo to 1/4, a strided convolution to 1/8, where attention and most AdaLIN blocks are. Back
    at 1/4 the encoder's features of that scale are added, and further blocks draw the finer strokes. Every scale gets noise
    for flat areas. Upsampling is bilinear with a convolution after it, which leaves no checkerboard (Odena et al., Distill
    2016). The last two scales are light: a few channels at 1/2, and at full resolution one convolution that sees the photo's
    own pixels.

    Args:
        channels (`tuple[int, int]`): channels at 1/4 and 1/8 of the image.
        blocks (`tuple[int, int]`): AdaLIN residual blocks at 1/4 and 1/8.
        half_channels (`int`): channels at 1/2.
        full_channels (`int`): channels at full resolution.
        code_dim (`int`): length of the style code.
        kernel_rank (`int`): rank at which the kernels of the AdaLIN blocks follow the style code, see `layers.StyleKernel`;
            with 0 the code sets scales and shifts alone.

    >>> generator = StyleGenerator(channels=(8, 8), blocks=(1, 1), half_channels=4, full_channels=4, code_dim=16)
    >>> generator(torch.zeros(1, 3, 37, 50), torch.zeros(1, 16)).sample.shape
    torch.Size([1, 3, 37, 50])
    """

    _supports_gradient_checkpointing = True

    @register_to_config
    def __init__(
        self,
        channels: tuple[int, int] = (48, 96),
        blocks: tuple[int, int] = (3, 3),
        half_channels: int = 32,
        full_channels: int = 16,
        code_dim: int = 192,
        kernel_rank: int = 0,
    ):
        super().__init__()
        if len(channels) != 2 or len(blocks) != 2:
            raise ValueError(f"`channels` and `blocks` need two entries each (1/4, 1/8), got {channels} and {blocks}")
        self.gradient_checkpointing = False
        c4, c8 = channels
        self.enter = _conv(48, c4)
        self.down8 = _conv(c4, c8, stride=2)
        self.cam = ClassActivationMap(c8)
        self.noise8 = StyleNoise(c8, code_dim)
        self.blocks8 = nn.ModuleList(AdaLINBlock(c8, code_dim, kernel_rank) for _ in range(blocks[1]))
        self.up4 = nn.Conv2d(c8, c4, 1)
        self.noise4 = StyleNoise(c4, code_dim)
        self.blocks4 = nn.ModuleList(AdaLINBlock(c4, code_dim, kernel_rank) for _ in range(blocks[0]))
        self.up2 = nn.Conv2d(c4, half_channels, 1)
        self.fuse2 = nn.Conv2d(half_channels, half_channels, 3, padding=1, bias=False)
        self.noise2 = StyleNoise(half_channels, code_dim)
        self.norm2 = AdaLIN(half_channels, code_dim)
        self.up1 = nn.Conv2d(half_channels, full_channels, 1)
        self.pixels = nn.Conv2d(3, full_channels, 3, padding=1)
        self.pixel_gain = nn.Linear(code_dim, full_channels)
        self.to_rgb = nn.Conv2d(full_channels, 3, 3, padding=1)

    def forward(self, x: torch.Tensor, code: torch.Tensor) -> GeneratorOutput:
        """
        Args:
            x (`torch.Tensor`): photos, `(B, 3, H, W)` in [-1, 1], any H and W from 1 up.
            code (`torch.Tensor`): style codes, `(B, code_dim)`, as the style encoder makes them.

        Returns:
            `GeneratorOutput`, with `sample` of the size of `x`.
        """
        height, width = x.shape[-2:]
        (top, bottom), (left, right) = padding(height), padding(width)
        x = F.pad(x, (left, right, top, bottom), mode="replicate")
        e4 = F.relu(_instance_norm(self.enter(F.pixel_unshuffle(x, 4))))
        h, cam_logits, attention = self.cam(F.relu(_instance_norm(self.down8(e4))))
        h = self._through(self.blocks8, self.noise8(h, code), code)
        h = self._through(self.blocks4, self.noise4(double(self.up4(h)) + e4, code), code)
        h = self.noise2(self.fuse2(double(self.up2(h))), code)
        h = F.relu(self.norm2(h, code))
        gain = self.pixel_gain(code)[:, :, None, None]
        h = F.relu(torch.addcmul(double(self.up1(h)), self.pixels(x), gain))
        sample = torch.tanh(self.to_rgb(h))[..., top : top + height, left : left + width]
        return GeneratorOutput(sample=sample, cam_logits=cam_logits, attention=attention)

    def with_kernels(self, rank: int) -> "StyleGenerator":
        """A copy whose kernels follow the style code at `rank` from here on, a higher one than now; until it is trained it makes
        the same pictures.

        Raises:
            ValueError: `rank` is not above the present one.

        >>> generator = StyleGenerator(channels=(8, 8), blocks=(1, 1), half_channels=4, full_channels=4, code_dim=16)
        >>> generator.with_kernels(2).with_kernels(3).config.kernel_rank
        3
        """
        if rank <= self.config.kernel_rank:
            raise ValueError(f"kernels follow the style code at rank {self.config.kernel_rank} already; {rank} is no higher one")
        arguments = {key: value for key, value in self.config.items() if not key.startswith("_")}
        copy = type(self)(**{**arguments, "kernel_rank": rank})
        state = copy.state_dict()
        for name, value in self.state_dict().items():
            # larger in the copy are the factors of `StyleKernel`, whose new directions are made without effect
            state[name][tuple(slice(length) for length in value.shape)] = value
        copy.load_state_dict(state)
        return copy.to(self.device, self.dtype).train(self.training)

    def _through(self, blocks: nn.ModuleList, h: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        for block in blocks:
            recompute = self.gradient_checkpointing and torch.is_grad_enabled()
            h = self._gradient_checkpointing_func(block, h, code) if recompute else block(h, code)
        return h


def padding(side: int, margin: int = 4) -> tuple[int, int]:
    """Computes how many rows or columns to add before and after `side` of them: `margin` at least, to a length that 8 divides.

    The margin keeps the zero padding of the two light scales out of the picture.

    >>> padding(50), padding(48)
    ((7, 7), (4, 4))
    """
    extra = 2 * margin + -(side + 2 * margin) % 8
    return extra // 2, extra - extra // 2


def double(x: torch.Tensor) -> torch.Tensor:
    """Twice the size, bilinear: `(B, C, H, W)` -> `(B, C, 2 * H, 2 * W)`."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _conv(c_in: int, c_out: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, 3, stride, padding=1, padding_mode="replicate", bias=False)


def _instance_norm(x: torch.Tensor) -> torch.Tensor:
    return scale_channels(x, *instance_coefficients(*channel_moments(x)))
