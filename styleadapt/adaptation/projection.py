"""Finding what a generator would make a given picture of: its codes are optimized until the picture comes out.

Codes of their own for every layer (Abdal et al., arXiv 1904.03189), a perceptual and a pixel distance, and a learning rate that
rises and falls as in StyleGAN2 (arXiv 1912.04958, appendix D); its noise maps stay as they are.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from PIL import Image

from ..images.images import tensor_to_image
from ..losses.features import build_feature_network
from ..metrics.perceptual import perceptual_distance
from .refinement_budget import LevelTimer, RefinementBudget

_RATE = 0.1
_SMALLEST, _LARGEST = 32, 256  # pixels a side that the feature network looks at
_TOGETHER = 0.02  # weight of the distance of the layers' codes from their mean, beyond which pictures cannot be edited


@dataclass
class ProjectionProgress:
    """What the callback of a projection is given after every step.

    Args:
        step: steps done.
        seconds, seconds_left: since the start, and estimated to the end.
        fraction: of the work, 0 to 1.
        distance: perceptual plus mean squared distance of the picture so far.
        picture: as it is so far.
    """

    step: int
    seconds: float
    seconds_left: float
    fraction: float
    distance: float
    picture: Image.Image
    _stop: Callable[[], None] = field(repr=False)

    def stop(self) -> None:
        """Ends the search after this step; the best picture so far is kept."""
        self._stop()


@dataclass(frozen=True)
class Projection:
    """
    Args:
        point: codes `(1, num_layers, code_dim)`, or a latent `(1, latent_dim)` of a generator without codes.
        distance: perceptual plus mean squared distance of its picture to the one that was looked for.
        start_distance: that of the best of a few drawn pictures, with which the search began.
        steps: taken.
    """

    point: torch.Tensor
    distance: float
    start_distance: float
    steps: int


def project(
    picture: Callable[[torch.Tensor], torch.Tensor],
    candidates: torch.Tensor,
    image: torch.Tensor,
    budget: RefinementBudget,
    callback: Callable[[ProjectionProgress], object] | None = None,
) -> Projection:
    """
    Args:
        picture: makes `(B, 3, R, R)` in [-1, 1] of codes `(B, num_layers, code_dim)` or latents `(B, latent_dim)`.
        candidates: codes or latents; the search begins with the one whose picture is nearest.
        image: `(1, 3, R, R)` in [-1, 1].
        budget: steps or seconds.
        callback: called after every step.
    """
    timer = LevelTimer([1], budget)
    network = build_feature_network(device=image.device)
    size = min(max(image.shape[-1], _SMALLEST), _LARGEST)
    # reduced by areas, enlarged smoothly
    mode = "area" if size < image.shape[-1] else "bilinear"

    def look(images: torch.Tensor) -> dict[str, torch.Tensor]:
        return network(images if size == images.shape[-1] else F.interpolate(images, size, mode=mode))

    def distances(images: torch.Tensor) -> torch.Tensor:
        seen = {name: f.float() for name, f in look(images).items()}
        return perceptual_distance(seen, {name: f.expand_as(seen[name]) for name, f in target.items()}) + (
            images - image
        ).square().mean((1, 2, 3))

    with torch.no_grad():
        target = {name: f.float() for name, f in look(image).items()}
        found = torch.cat([distances(picture(part)) for part in candidates.split(8)])
    start_distance = float(found.min())
    best, best_distance = candidates[found.argmin()][None].clone(), start_distance
    point = best.clone().requires_grad_()
    optimizer = torch.optim.Adam([point], lr=_RATE)
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True

    for _ in timer.levels():
        while not stopped and timer.another():
            for group in optimizer.param_groups:
                group["lr"] = _RATE * _ramp(timer.fraction)
            generated = picture(point)
            distance = distances(generated)[0]
            value = float(distance.detach())
            if value < best_distance:
                best, best_distance = point.detach().clone(), value
            apart = (point - point.mean(1, keepdim=True)).square().mean() if point.ndim == 3 else 0.0
            optimizer.zero_grad()
            (distance + _TOGETHER * apart).backward()
            optimizer.step()
            timer.stepped()
            if callback is not None:
                shown = tensor_to_image(generated.float())[0]
                callback(ProjectionProgress(timer.done, timer.seconds, timer.seconds_left, timer.fraction, value, shown, stop))
    return Projection(best, best_distance, start_distance, timer.done)


def _ramp(fraction: float) -> float:
    """Share of the learning rate: up over the first twentieth, down as a cosine over the last quarter.

    >>> _ramp(0.5), _ramp(1.0)
    (1.0, 0.0)
    """
    down = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - fraction) / 0.25))
    return down * min(1.0, 0.2 + fraction / 0.05)
