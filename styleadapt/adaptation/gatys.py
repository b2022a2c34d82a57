"""Stylisation that optimises the pixels themselves: slow, without a generator, and so a mark for what a generator can reach."""

from collections.abc import Callable
from dataclasses import replace

import torch
from PIL import Image
from torch import nn

from ..data.images import image_to_tensor, tensor_to_image
from ..data.resizing import resize_within
from ..losses.objective import LossWeights, StyleAwareObjective
from .settings import AdaptationConfig

_PIXELS = 1024 * 1024  # 1.6 kB of memory each
_STYLE_PIXELS = 512 * 512
_LEVELS = 6  # of the pyramid, each half the size of the one before


def stylize_by_optimization(
    photo: Image.Image,
    style: Image.Image,
    network: nn.Module,
    steps: int = 250,
    weights: LossWeights | None = None,
    learning_rate: float = 0.02,
    callback: Callable[[int, float], object] | None = None,
) -> Image.Image:
    """Changes a photo's pixels until the features of the picture have the statistics of the style (Gatys et al., arXiv
    1508.06576, eq. 7).

    It differs from the paper in three ways. It starts from the photo instead of noise. Its losses are those that quick adaptation
    trains with, and more total variation, without which fine noise meets the statistics; what an adapter does not reach of it is
    the generator's share. And it takes steps of Adam on the levels of a pyramid whose sum is added to the photo, so that large
    areas change colour as fast as single pixels (STROTSS, arXiv 1904.12785, optimises a Laplacian pyramid likewise). The same
    arguments on the same machine give the same picture.

    Args:
        photo, style: "RGB" images. Photos of more than 1024 x 1024 pixels are worked at that many and scaled back.
        network: frozen, from `(B, 3, H, W)` in [-1, 1] to `{layer: (B, C, h, w)}`, such as `metrics.embedding` or
            `losses.features` loads.
        steps: of the optimiser.
        weights: of the losses; those of quick adaptation with total variation at 30 if left out.
        learning_rate: at the first step, in the units of [-1, 1]; it falls to 0 along a cosine.
        callback: called after each step with its number, from 1, and the loss before it.

    Returns:
        An "RGB" image of the photo's size.

    Raises:
        ValueError: no steps.

    >>> from styleadapt.models.efficientnet import EfficientNetLite0
    >>> stylize_by_optimization(Image.new("RGB", (70, 64)), Image.new("RGB", (64, 64)), EfficientNetLite0(), steps=1).size
    (70, 64)
    """
    if steps < 1:
        raise ValueError(f"`steps` is {steps}; it must be 1 at least")
    objective = StyleAwareObjective.for_network(weights or replace(AdaptationConfig().losses, variation=30.0), network)
    device = next(network.parameters()).device
    content = image_to_tensor(resize_within(photo, _PIXELS, 64)).to(device)
    painting = image_to_tensor(resize_within(style, _STYLE_PIXELS, 64)).to(device)
    with torch.no_grad():
        target = objective.target(painting, network(painting))
        photo_features = network(content)
    sizes = [[-(-side // 2**level) for side in content.shape[2:]] for level in range(_LEVELS)]
    layers = [torch.zeros(1, 3, *size, device=device, requires_grad=True) for size in sizes]
    optimizer = torch.optim.Adam(layers, lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    random = torch.Generator().manual_seed(0)
    for step in range(1, steps + 1):
        directions = nn.functional.normalize(torch.randn(3, 16, generator=random), dim=0).to(device)
        picture = _picture(content, layers)
        loss, _ = objective(picture, network(picture), content, photo_features, target, directions)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if callback is not None:
            callback(step, loss.item())
    result = tensor_to_image(_picture(content, layers))[0]
    return result if result.size == photo.size else result.resize(photo.size, Image.Resampling.LANCZOS)


def _picture(photo: torch.Tensor, layers: list[torch.Tensor]) -> torch.Tensor:
    """The photo with every layer added, enlarged to its size."""
    changes = [nn.functional.interpolate(layer, photo.shape[2:], mode="bilinear", align_corners=False) for layer in layers]
    return (photo + torch.stack(changes).sum(0)).clamp(-1, 1)
