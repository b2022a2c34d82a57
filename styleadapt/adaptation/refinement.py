"""Refines one stylized picture by optimizing its pixels, from a coarse to a fine scale.

A generator knows what suits all photos and styles. This finds what suits one of each: in a minute instead of a tenth of a
second, and nearer to the style than any generator comes. It optimizes pixels through a feature network as Gatys et al. do ("A
neural algorithm of artistic style", arXiv 1508.06576, eq. 7), and differs from them in where it starts, the generator's picture;
in what holds the photo, normalized features, self-similarity and tones instead of plain features; and in the order, large forms
first (Gatys et al., "Controlling perceptual factors in neural style transfer", arXiv 1611.07865, section 6).
"""

import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from ..images.images import image_to_tensor, tensor_to_image
from ..images.resizing import resize_within, resized_to
from ..losses.objective import ContentTarget, LossWeights, StyleAwareObjective, StyleTarget
from ..losses.style import StyleStatistics, style_statistics
from .refinement_budget import LevelTimer, RefinementBudget

_LEAST_SIDE = 64  # of what a feature network is given
_LAST_RATE = 0.1  # of a level, as a share of its first


@dataclass(frozen=True)
class RefinementConfig:
    """Settings of refinement.

    Args:
        sides: sizes that are worked at, coarse to fine, each the side of a square with as many pixels. A picture is worked at
            those that are clearly smaller than itself, and then at its own size or the last of these.
        style_scales: sizes of the style images, as shares of those, whose Gram matrices are averaged. Two scales make a texture
            whose forms have more than one size.
        losses: weights of the image losses through VGG-16.
        photo_share: how much of the photo the first picture is mixed with, 0 to 1. What the generator got wrong, above all in
            faces, would otherwise stay.
        learning_rate: of Adam at the first step of a level, in the units of [-1, 1]; it falls to a tenth along a cosine.
        layers: of the pyramid whose sum changes the picture, each half as large as the one before.

    >>> RefinementConfig(sides=(512, 256))
    Traceback (most recent call last):
    ValueError: `sides` is (512, 256); it must be growing numbers of 64 or more
    """

    sides: tuple[int, ...] = (128, 256, 512, 768)
    style_scales: tuple[float, ...] = (1.0, 0.75)
    losses: LossWeights = field(
        default_factory=lambda: LossWeights(
            gram=100.0, mean_std=0.0, color=0.0, content=3.5, structure=5.0, tone=6.0, variation=4.0
        )
    )
    photo_share: float = 0.5
    learning_rate: float = 0.03
    layers: int = 5

    def __post_init__(self):
        if not self.sides or list(self.sides) != sorted(set(self.sides)) or self.sides[0] < _LEAST_SIDE:
            raise ValueError(f"`sides` is {self.sides}; it must be growing numbers of {_LEAST_SIDE} or more")
        if not self.style_scales or not all(0 < scale <= 4 for scale in self.style_scales):
            raise ValueError(f"`style_scales` is {self.style_scales}; it must be numbers above 0 and up to 4")
        if not 0 <= self.photo_share <= 1:
            raise ValueError(f"`photo_share` is {self.photo_share}; it must lie between 0 and 1")
        if not 0 < self.learning_rate <= 1:
            raise ValueError(f"`learning_rate` is {self.learning_rate}; it must lie above 0 and up to 1")
        if self.layers < 1:
            raise ValueError(f"`layers` is {self.layers}; it must be 1 at least")

    def levels(self, pixels: int) -> list[int]:
        """The sides at which a picture of so many pixels is worked at.

        >>> RefinementConfig().levels(512 * 512), RefinementConfig().levels(4000 * 3000)
        ([128, 256, 512], [128, 256, 512, 768])
        """
        last = min(max(math.isqrt(pixels), _LEAST_SIDE), self.sides[-1])
        return [*(side for side in self.sides if side < 0.8 * last), last]


@dataclass
class RefinementProgress:
    """The progress of a refinement, which its callback gets before the first step, and after every one.

    Args:
        step: steps done.
        seconds, seconds_left: since the start, and estimated to the end; the latter is infinite before the first of a number of
        steps.
        fraction: of the work, 0 to 1.
        loss: the lowest so far at the size that is being worked at; it starts anew at the next size. NaN before the first step.
    """

    step: int
    seconds: float
    seconds_left: float
    fraction: float
    loss: float
    _preview: Callable[[], Image.Image] = field(repr=False)
    _stop: Callable[[], None] = field(repr=False)

    def preview(self) -> Image.Image:
        """The best picture so far ("RGB"), at the size that is being worked at."""
        return self._preview()

    def stop(self) -> None:
        """Ends the refinement after this step; the best picture so far is kept."""
        self._stop()


def refine(
    picture: Image.Image,
    photo: Image.Image,
    styles: Sequence[Image.Image],
    network: nn.Module,
    budget: RefinementBudget,
    *,
    style_weights: Sequence[float] | None = None,
    strength: float = 1.0,
    resume: bool = False,
    config: RefinementConfig | None = None,
    callback: Callable[[RefinementProgress], object] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Image.Image:
    """Changes the pixels of a stylized picture until its features have the statistics of the style and still show the photo.

    The changes are steps of Adam on the levels of a pyramid whose sum is added to the picture, so that large areas change color
    as fast as single pixels (STROTSS, arXiv 1904.12785, optimizes a Laplacian pyramid likewise). Nothing is random: the same
    arguments and number of steps on the same machine give the same picture. Gradients have to be enabled, and inference mode off.

    Args:
        picture: what it starts from ("RGB"), of any size; enlarged or reduced to that of the photo.
        photo: what the picture shows ("RGB").
        styles: "RGB" images, one at least; they are reduced to the sizes of `RefinementConfig` and never enlarged.
        network: frozen, from `(B, 3, H, W)` in [-1, 1] to `{layer: (B, C, h, w)}`. VGG-16 is meant; what EfficientNet sees can be
            satisfied by noise.
        budget: how long; preparing is counted in.
        style_weights: one number a style, of any sum above 0; equal weights if left out.
        strength: where the statistics to reach lie, between those of the photo (0) and of the styles (1).
        resume: the picture has been refined before: its large forms are left as they are, and it is worked at its last size
            alone.
        callback: called with a `RefinementProgress` before the first step and after each.
        clock: what seconds are measured on.

    Returns:
        An "RGB" image of the photo's size: the best picture of the finest size that was worked at, with the detail of `picture`
        that is finer still. A loss that is not finite ends the work, and the best picture before it is kept.

    >>> from styleadapt.models.vgg16 import load_vgg16
    >>> photo, style = Image.new("RGB", (70, 64)), Image.new("RGB", (64, 64), "red")
    >>> refine(photo, photo, [style], load_vgg16(), RefinementBudget(steps=1)).size
    (70, 64)
    """
    config = config or RefinementConfig()
    picture = resized_to(picture, photo.size)
    if not resume:
        picture = Image.blend(picture, photo, config.photo_share)
    sides = config.levels(photo.width * photo.height)
    timer = LevelTimer(sides[-1:] if resume else sides, budget, clock)
    targets = _Targets(photo, styles, style_weights, strength, network, config)
    level: _Level | None = None
    step, stopped = 0, False

    def stop() -> None:
        nonlocal stopped
        stopped = True

    def report(level: _Level) -> None:
        if callback is not None:
            callback(RefinementProgress(step, timer.seconds, timer.seconds_left, timer.fraction, level.loss, level.preview, stop))

    for side in timer.levels():
        level = _Level(side, picture, targets, level)
        if not step:
            report(level)
        while not stopped and timer.another():
            if not level.step(timer.fraction_of_level):
                stopped = True
                break
            step += 1
            timer.stepped()
            report(level)
        level.judge()
        if stopped:
            break
    assert level is not None, "a budget has a step at one size at least"
    return tensor_to_image(level.carried_over_to(targets.tensor(picture)))[0]


class _Targets:
    """What the losses compare a picture with, at any size."""

    def __init__(
        self,
        photo: Image.Image,
        styles: Sequence[Image.Image],
        weights: Sequence[float] | None,
        strength: float,
        network: nn.Module,
        config: RefinementConfig,
    ):
        self.photo, self.styles, self.strength, self.network, self.config = photo, styles, strength, network, config
        self.weights = [1.0] * len(styles) if weights is None else list(weights)
        self.objective = StyleAwareObjective.for_network(config.losses, network)
        self.device = next(network.parameters()).device
        random = torch.Generator().manual_seed(0)
        self.directions = F.normalize(torch.randn(3, 16, generator=random, dtype=torch.float32), dim=0).to(self.device)

    def tensor(self, image: Image.Image) -> torch.Tensor:
        return image_to_tensor(image).to(self.device)

    def style_at(self, side: int, photo_features: Mapping[str, torch.Tensor]) -> StyleTarget:
        """The weighted mean of the styles' statistics at every scale, or something between it and the photo's."""
        found, shares, pixels = [], [], []
        for style, weight in zip(self.styles, self.weights):
            for scale in self.config.style_scales:
                image = self.tensor(resize_within(style, round(side * scale) ** 2, _LEAST_SIDE))
                found.append(self._statistics(self.network(image)))
                shares.append(self.strength * weight / sum(self.weights) / len(self.config.style_scales))
                pixels.append(image.flatten(2))
        if self.strength < 1:
            found.append(self._statistics(photo_features))
            shares.append(1 - self.strength)
        return StyleTarget(_weighted_sum(found, shares), torch.cat(pixels, 2)[:, :, None])

    def _statistics(self, features: Mapping[str, torch.Tensor]) -> StyleStatistics:
        return style_statistics({name: features[name] for name in self.objective.style_layers})


class _Level:
    """The picture at one size: what of it is optimized, and the best so far.

    It starts from the best picture of the level before, enlarged, and from the detail of the first picture that is too fine for
    that level.
    """

    def __init__(self, side: int, picture: Image.Image, targets: _Targets, before: "_Level | None"):
        self.side, self.targets = side, targets
        self.photo = targets.tensor(resize_within(targets.photo, side**2, _LEAST_SIDE))
        height, width = self.photo.shape[2:]
        self.first = self.start = targets.tensor(resized_to(picture, (width, height)))
        if before is not None:
            self.start = before.carried_over_to(self.first)
        sizes = [[-(-length // 2**number) for length in (height, width)] for number in range(targets.config.layers)]
        self.changes = [
            torch.zeros(1, 3, *size, dtype=torch.float32, device=targets.device, requires_grad=True) for size in sizes
        ]
        self.optimizer = torch.optim.Adam(self.changes)
        self.best, self.loss = self.start, math.nan

    @functools.cached_property
    def _goal(self) -> tuple[ContentTarget, StyleTarget]:
        """Targets of the photo and of the styles."""
        with torch.no_grad():
            features = self.targets.network(self.photo)
            content = self.targets.objective.content_target(self.photo, features)
            return content, self.targets.style_at(self.side, features)

    def _picture(self) -> torch.Tensor:
        size = self.photo.shape[2:]
        changes = [F.interpolate(change, size, mode="bilinear", align_corners=False) for change in self.changes]
        return (self.start + torch.stack(changes).sum(0)).clamp(-1, 1)

    def _loss(self, picture: torch.Tensor) -> torch.Tensor:
        loss, _ = self.targets.objective(picture, self.targets.network(picture), *self._goal, self.targets.directions)
        return loss

    def _keep(self, picture: torch.Tensor, loss: float) -> None:
        if math.isfinite(loss) and not loss >= self.loss:
            self.best, self.loss = picture.detach(), loss

    def step(self, fraction: float) -> bool:
        """One update, with the rate of that fraction of the level's work; False, and no update, if the loss is not finite."""
        falling = (1 + math.cos(math.pi * fraction)) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = self.targets.config.learning_rate * (_LAST_RATE + (1 - _LAST_RATE) * falling)
        picture = self._picture()
        loss = self._loss(picture)
        if not math.isfinite(loss.item()):
            return False
        self._keep(picture, loss.item())
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return True

    @torch.no_grad()
    def judge(self) -> None:
        """Takes the last update into account, which no step has seen yet."""
        picture = self._picture()
        self._keep(picture, self._loss(picture).item())

    def preview(self) -> Image.Image:
        return tensor_to_image(self.best)[0]

    def carried_over_to(self, picture: torch.Tensor) -> torch.Tensor:
        """The first picture, given at another size, with the changes that were made to it at this one."""
        if picture.shape == self.best.shape:
            return self.best
        change = F.interpolate(self.best - self.first, picture.shape[2:], mode="bicubic", align_corners=False)
        return change.add_(picture).clamp_(-1, 1)


def _weighted_sum(statistics: Sequence[StyleStatistics], weights: Sequence[float]) -> StyleStatistics:
    def of(kind: str) -> dict[str, torch.Tensor]:
        first = getattr(statistics[0], kind)
        return {name: sum(w * getattr(s, kind)[name] for s, w in zip(statistics, weights)) for name in first}

    return StyleStatistics(of("gram"), of("mean"), of("std"))
