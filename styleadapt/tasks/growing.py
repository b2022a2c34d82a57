"""The schedule of progressive growing, and what real images look like meanwhile (Karras et al., arXiv 1710.10196)."""

import torch
import torch.nn.functional as F

from ..models.pggan import GrowingModel


def growth(step: int, grow_steps: int, fade_share: float, levels: int) -> tuple[int, float]:
    """Level and alpha of a step, see `models.pggan.GrowingModel`. They follow from the step alone, so that a resumed run goes on
    in the middle of a fade.

    Args:
        step: from 0 on.
        grow_steps: steps of a level; the last one has all that are left.
        fade_share: share of the steps of a level in which it fades in; level 0 is there from the start.
        levels: of the network.

    >>> [growth(step, 4, 0.5, 2) for step in (0, 3, 4, 5, 6, 99)]
    [(0, 1.0), (0, 1.0), (1, 0.0), (1, 0.5), (1, 1.0), (1, 1.0)]
    """
    level = min(step // grow_steps, levels - 1)
    fade = fade_share * grow_steps
    if level == 0 or fade == 0:
        return level, 1.0
    return level, min((step - level * grow_steps) / fade, 1.0)


def shrunk(images: torch.Tensor, model: GrowingModel) -> torch.Tensor:
    """Real images `(B, 3, R, R)` at the level of a network, `(B, 3, r, r)`, and while it fades in mixed with those of the level
    below (appendix A.1 and figure 2).

    >>> from styleadapt.models.pggan import PGGANDiscriminator
    >>> model = PGGANDiscriminator(16, channel_base=64)
    >>> model.grow(1, alpha=0.5)
    >>> shrunk(torch.zeros(1, 3, 16, 16), model).shape
    torch.Size([1, 3, 8, 8])
    """
    images = F.avg_pool2d(images, images.shape[-1] // model.current_resolution)
    if model.level and model.alpha < 1:
        coarse = F.interpolate(F.avg_pool2d(images, 2), scale_factor=2.0, mode="nearest")
        images = torch.lerp(coarse, images, float(model.alpha))
    return images
