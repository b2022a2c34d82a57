"""The packaged generator as an augmentation paints with it: batches in [-1, 1], at a size that is quick and suits its strokes."""

import hashlib
import math

import torch
import torch.nn.functional as F
from torch import nn

from ..devices.cpu import supports_bf16
from ..models.generator import StyleGenerator
from ..models.style_encoder import StyleEncoder
from .style_bank import WEIGHTS

# sides of a multiple of 8, to which the generator adds its margin of 4 on each side and no more
SHORTEST, LONGEST = 96, 1024
BATCH_PIXELS = 1 << 20  # of the images that are painted together; each takes about half a kilobyte a pixel


class StylePainter:
    """Paints batches by style codes; the network follows the images to their device.

    Args:
        size: shorter side in pixels at which the generator paints. Smaller images are enlarged to 96 pixels for it, and larger
            ones are made smaller; what its painting changed is scaled back and added to the image, so that the image keeps its
            own detail.
    """

    def __init__(self, size: int):
        self.size = size
        self._generator: StyleGenerator | None = None

    def __call__(self, images: torch.Tensor, codes: torch.Tensor, strengths: torch.Tensor) -> torch.Tensor:
        """
        Args:
            images: `(B, 3, H, W)` in [-1, 1].
            codes: style codes `(B, D)`.
            strengths: `(B,)`; 0 gives the image back, 1 is the full style.

        Returns:
            `(B, 3, H, W)` in [-1, 1].
        """
        height, width = images.shape[-2:]
        at_once = max(1, BATCH_PIXELS // max(height * width, math.prod(working_sides(height, width, self.size))))
        parts = zip(images.split(at_once), codes.split(at_once), strengths.split(at_once))
        return torch.cat([self._painted(*part) for part in parts])

    @torch.no_grad()
    def _painted(self, images: torch.Tensor, codes: torch.Tensor, strengths: torch.Tensor) -> torch.Tensor:
        device = images.device
        generator = self._on(device)
        small = resize(images, working_sides(images.shape[-2], images.shape[-1], self.size))
        small = small.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=supports_bf16(device)):
            painted = generator(small, codes.to(device)).sample.float()
        change = resize(painted - small, (images.shape[-2], images.shape[-1]))
        return (images + strengths.to(device).view(-1, 1, 1, 1) * change).clamp(-1, 1)

    def _on(self, device: torch.device) -> StyleGenerator:
        if self._generator is None:
            self._generator = StyleGenerator.from_pretrained(str(WEIGHTS), subfolder="generator")
            self._generator.requires_grad_(False)
            self._generator.to(memory_format=torch.channels_last)  # type: ignore[call-arg]  # diffusers wraps it
        if self._generator.device != device:
            nn.Module.to(self._generator, device)
        return self._generator


def working_sides(height: int, width: int, size: int) -> tuple[int, int]:
    """Height and width at which images are painted: the shorter side at 96 to `size` pixels, both multiples of 8.

    >>> working_sides(32, 32, 160), working_sides(300, 400, 160), working_sides(1, 4000, 160)
    ((96, 96), (160, 216), (96, 1024))
    """
    scale = min(max(min(height, width), SHORTEST), size) / min(height, width)
    sides = [min(max(SHORTEST, 8 * round(side * scale / 8)), LONGEST) for side in (height, width)]
    return sides[0], sides[1]


def resize(images: torch.Tensor, sides: tuple[int, int]) -> torch.Tensor:
    """`(B, C, H, W)` at other sides, bilinear, without aliasing where it becomes smaller."""
    if tuple(images.shape[-2:]) == tuple(sides):
        return images
    return F.interpolate(images, sides, mode="bilinear", align_corners=False, antialias=True)


def weights_fingerprint() -> str:
    """Sixteen hexadecimal digits of the packaged generator and mapping network, for which style codes are made."""
    digest = hashlib.sha256()
    for cls, folder in ((StyleEncoder, "style_encoder"), (StyleGenerator, "generator")):
        model = cls.from_pretrained(str(WEIGHTS), subfolder=folder)
        for name, value in sorted(model.state_dict().items()):
            digest.update(name.encode() + value.half().numpy().tobytes())
    return digest.hexdigest()[:16]
