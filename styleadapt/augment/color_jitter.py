"""Color jitter and gray: what every other augmentation of appearance has to beat."""

import torch

from .diffaugment import adjust_saturation
from .transform import ImageAugmentation

_LUMINANCE = (0.299, 0.587, 0.114)


class ColorJitter(ImageAugmentation):
    """Random brightness, contrast, saturation and hue (Howard, arXiv 1312.5402), and gray at random; strengths are half of those
    in SimCLR, arXiv 2002.05709, appendix A.

    Args:
        p: probability with which each image is jittered.
        brightness, contrast, saturation: factors are drawn from 1 - x to 1 + x, each at most 1.
        hue: turn of the color circle, drawn from -x to x, at most 0.5.
        gray: probability with which a jittered image becomes gray.
        seed: of the draws, see `ImageAugmentation`.

    Raises:
        ValueError: a value out of range.

    >>> ColorJitter(p=1.0, gray=1.0, seed=0)(torch.rand(3, 8, 8)).std(0).max() < 1e-6
    tensor(True)
    """

    def __init__(
        self,
        p: float = 1.0,
        brightness: float = 0.4,
        contrast: float = 0.4,
        saturation: float = 0.4,
        hue: float = 0.1,
        gray: float = 0.2,
        seed: int | None = None,
    ):
        super().__init__(p, seed)
        strengths = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "hue": hue, "gray": gray}
        for name, value in strengths.items():
            most = 0.5 if name == "hue" else 1
            if not 0 <= value <= most:
                raise ValueError(f"`{name}` is {value}; it must lie between 0 and {most}")
        self.brightness, self.contrast, self.saturation, self.hue, self.gray = brightness, contrast, saturation, hue, gray

    def augment(self, images: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        """`(B, 3, H, W)` in [-1, 1] -> the same, every image by numbers of its own."""
        draws = torch.rand(5, len(images), 1, 1, 1, generator=random, dtype=torch.float32).to(images.device)
        brightness, contrast, saturation = (
            1 + (2 * draw - 1) * reach for draw, reach in zip(draws, (self.brightness, self.contrast, self.saturation))
        )
        x = ((images + 1) / 2 * brightness).clamp(0, 1)
        x = torch.lerp(luminance(x).mean((2, 3), keepdim=True), x, contrast).clamp(0, 1)
        x = adjust_saturation(x, saturation)
        x = turn_hue(x, (2 * draws[3].flatten() - 1) * self.hue).clamp(0, 1)
        x = torch.where(draws[4] < self.gray, luminance(x).expand_as(x), x)
        return x * 2 - 1


def luminance(images: torch.Tensor) -> torch.Tensor:
    """Rec. 601 luminance `(B, 1, H, W)` of `(B, 3, H, W)`."""
    return (images * images.new_tensor(_LUMINANCE).view(1, 3, 1, 1)).sum(1, keepdim=True)


def turn_hue(images: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
    """Turns all colors about the gray axis of RGB, which leaves the mean of the channels as it is.

    Args:
        images: `(B, 3, H, W)`.
        turns: `(B,)`; 1 is the whole circle, and a third of it makes red green.

    >>> turn_hue(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1), torch.tensor([1 / 3])).flatten().round(decimals=3).abs()
    tensor([0., 1., 0.])
    """
    angle = 2 * torch.pi * turns.to(images)
    cosine, sine = angle.cos(), angle.sin() / 3**0.5
    third = (1 - cosine) / 3
    a, b, c = cosine + third, third - sine, third + sine
    rows = torch.stack([torch.stack([a, b, c], 1), torch.stack([c, a, b], 1), torch.stack([b, c, a], 1)], 1)
    return torch.einsum("bij,bjhw->bihw", rows, images)
