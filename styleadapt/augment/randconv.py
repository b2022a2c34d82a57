"""RandConv: images through a random convolution, which keeps shapes and changes local texture."""

import torch
import torch.nn.functional as F

from .transform import ImageAugmentation

KERNELS = (1, 3, 5, 7)


class RandConv(ImageAugmentation):
    """Xu et al., "Robust and generalizable visual representation learning via random convolutions", arXiv 2007.13003, with mixing
    (section 3.2): a kernel of random size with weights N(0, 1 / (3 k^2)), and a random share of the image itself.

    Args:
        p: probability with which each image is convolved; 0.5 in the paper.
        kernels: odd sides of the kernels that are drawn from.
        mixed: mix the result with the image by a share drawn from 0 to 1; else it is the convolution alone.
        seed: of the draws, see `ImageAugmentation`.

    Results are standardized neither in the paper nor here: those of floating point may leave [0, 1], those of bytes are cut off.

    Raises:
        ValueError: an even kernel, or none.

    >>> RandConv(p=1.0, seed=0)(torch.zeros(2, 3, 8, 8)).shape
    torch.Size([2, 3, 8, 8])
    """

    def __init__(self, p: float = 0.5, kernels: tuple[int, ...] = KERNELS, mixed: bool = True, seed: int | None = None):
        super().__init__(p, seed)
        if not kernels or any(side < 1 or side % 2 == 0 for side in kernels):
            raise ValueError(f"`kernels` is {kernels}; give odd sides of 1 or more")
        self.kernels, self.mixed = tuple(kernels), mixed

    def augment(self, images: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        """`(B, 3, H, W)` in [-1, 1] -> the same shape, every image by a kernel of its own."""
        return torch.cat([self._convolved(image[None], random) for image in images])

    def _convolved(self, image: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        side = self.kernels[int(torch.randint(len(self.kernels), (1,), generator=random))]
        weights = torch.randn(3, 3, side, side, generator=random, dtype=torch.float32) / (3 * side * side) ** 0.5
        result = F.conv2d(image, weights.to(image), padding=side // 2)
        share = float(torch.rand(1, generator=random, dtype=torch.float32)) if self.mixed else 0.0
        return torch.lerp(result, image, share)
