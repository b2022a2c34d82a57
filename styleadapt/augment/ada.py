"""Adaptive discriminator augmentation (ADA): augments as often as is needed to keep the discriminator from overfitting.

Karras et al., arXiv 2006.06676. `AdaptiveProbability` watches the discriminator's opinion of the real training images and steers
the probability p; `ada_augment` changes each image with that probability. The pipeline is a subset of the paper's: x-flip,
90-degree rotations, integer translation, isotropic scaling, brightness, contrast and saturation, with the paper's strengths.
Left out are arbitrary rotation, anisotropic scaling, fractional translation, luma flip, hue, and the image-space filters and
corruptions. Each is non-leaking while p is below 1: the generator cannot mistake the augmentation for the data.
"""

from collections.abc import Callable
from typing import Any

import torch

from ..losses.adversarial import DECISION_BOUNDARY, Logits
from .diffaugment import adjust_saturation


class AdaptiveProbability:
    """The probability p of augmentation, steered by r_t = E[sign(D(real))] (arXiv 2006.06676, section 3.1, eq. 1).

    Every `interval` optimizer steps p rises if r_t is above `target` and falls if it is below, by as much as leads from 0 to 1
    in `images` images. It stays in [0, 1].

    Args:
        adv_loss: adversarial form, a key of `losses.adversarial.DECISION_BOUNDARY`; it says which logit is undecided.
        target: of r_t; 0.6 in the paper.
        interval: optimizer steps between adjustments.
        images: real images from p = 0 to p = 1 at the least; 500,000 in the paper, fewer for fine-tuning.

    Raises:
        ValueError: a form whose logits have no undecided point, or values out of range.

    >>> ada = AdaptiveProbability("hinge", interval=1, images=100)
    >>> ada.observe(torch.ones(10))
    >>> ada.update()
    0.1
    """

    def __init__(self, adv_loss: str, target: float = 0.6, interval: int = 4, images: int = 500_000):
        if adv_loss not in DECISION_BOUNDARY:
            allowed = ", ".join(DECISION_BOUNDARY)
            raise ValueError(f"ADA cannot read the logits of {adv_loss!r}, they have no undecided point; allowed: {allowed}")
        if not -1 < target < 1 or interval < 1 or images < 1:
            raise ValueError(
                f"ADA needs a target in (-1, 1), interval and images of 1 at least, got {target}, {interval}, {images}"
            )
        self.boundary, self.target, self.interval, self.images = DECISION_BOUNDARY[adv_loss], target, interval, images
        self.p, self.overfitting = 0.0, 0.0
        self._steps = 0
        # of signs, logits, images: of this process in this step, and of all processes since the last adjustment
        self._step_sums: torch.Tensor | None = None
        self._sums: torch.Tensor | None = None

    @torch.no_grad()
    def observe(self, real_logits: Logits) -> None:
        """Takes in the discriminator's logits of a batch of real, augmented images, `(B, ...)`, one tensor or several."""
        outputs = [real_logits] if isinstance(real_logits, torch.Tensor) else list(real_logits)
        signs = torch.stack([(l.float() - self.boundary).sign().sum() for l in outputs]).sum()
        count = sum(l.numel() for l in outputs)
        row = torch.stack([signs, signs.new_tensor(count), signs.new_tensor(len(outputs[0]))])
        self._step_sums = row if self._step_sums is None else self._step_sums + row

    def update(self, reduce: Callable[[torch.Tensor], torch.Tensor] | None = None) -> float:
        """Adjusts p every `interval` calls. Call it once in each optimizer step, on all processes.

        Args:
            reduce: adds a tensor up over all processes, such as `lambda t: accelerator.reduce(t, "sum")`.

        Returns:
            p.
        """
        self._steps += 1
        if self._step_sums is not None:
            # in every step, so that a checkpoint of one process holds what all of them saw
            row = self._step_sums if reduce is None else reduce(self._step_sums)
            self._sums = row if self._sums is None else self._sums.to(row.device) + row
            self._step_sums = None
        if self._steps % self.interval == 0 and self._sums is not None:
            signs, count, images = self._sums.tolist()
            self.overfitting = signs / count
            direction = (self.overfitting > self.target) - (self.overfitting < self.target)
            self.p = min(max(self.p + direction * images / self.images, 0.0), 1.0)
            self._sums = None
        return self.p

    def state_dict(self) -> dict[str, Any]:
        """Returns all that a resumed run needs to continue exactly, after an `update`. It is the same on all processes."""
        sums = None if self._sums is None else self._sums.tolist()
        return {"p": self.p, "overfitting": self.overfitting, "steps": self._steps, "sums": sums}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up a state from `state_dict`."""
        self.p, self.overfitting, self._steps = state["p"], state["overfitting"], state["steps"]
        self._sums = None if state["sums"] is None else torch.tensor(state["sums"])


def ada_augment(images: torch.Tensor, p: float) -> torch.Tensor:
    """Applies each transformation of the pipeline to each image with probability `p` (arXiv 2006.06676, appendix B).

    Flips, quarter turns, translation and scaling map rows to rows and columns to columns once a diagonal flip is done, so the
    whole is one matrix product an axis. Unlike `grid_sample` that can be differentiated twice, as R1 needs.

    Args:
        images: `(B, C, H, W)` in [-1, 1], real or generated. If H and W differ, turns are of 180 degrees only.
        p: probability, 0 to 1.

    Returns:
        `(B, C, H, W)` in float32; colors may leave [-1, 1]. At `p` = 0 the input itself.

    >>> ada_augment(torch.zeros(2, 3, 8, 8), 0.5).shape
    torch.Size([2, 3, 8, 8])
    """
    if p <= 0:
        return images
    with torch.autocast(images.device.type, enabled=False):
        return _random_color(_random_geometry(images.float(), p), p)


def _random_geometry(images: torch.Tensor, p: float) -> torch.Tensor:
    height, width = images.shape[2:]
    flip = _gated(images, p, torch.randint(0, 2, (len(images),)).float(), 0.0)
    quarters = torch.randint(0, 4, (len(images),)) if height == width else 2 * torch.randint(0, 2, (len(images),))
    turn = _gated(images, p, quarters.float(), 0.0)
    shift = _gated(images, p, 2 * torch.rand(len(images), 2) - 1, 0.0)
    scale = _gated(images, p, torch.exp2(0.2 * torch.randn(len(images))), 1.0)
    return transform(images, flip > 0, turn.long(), (0.125 * shift * shift.new_tensor([height, width])).round(), scale)


def _random_color(images: torch.Tensor, p: float) -> torch.Tensor:
    count = len(images)
    brightness = _gated(images, p, 0.2 * torch.randn(count), 0.0)
    contrast = _gated(images, p, torch.exp2(0.5 * torch.randn(count)), 1.0)
    saturation = _gated(images, p, torch.exp2(torch.randn(count)), 1.0)
    images = (images + brightness.view(-1, 1, 1, 1)) * contrast.view(-1, 1, 1, 1)
    return adjust_saturation(images, saturation.view(-1, 1, 1, 1))


def _gated(images: torch.Tensor, p: float, values: torch.Tensor, neutral: float) -> torch.Tensor:
    """`values` `(B, ...)` with probability `p`, else `neutral`; drawn on the CPU, so that a seed means the same everywhere."""
    chosen = torch.rand(len(values), *[1] * (values.dim() - 1)) < p
    return torch.where(chosen, values, neutral).to(images.device)


def transform(
    images: torch.Tensor, flip: torch.Tensor, turn: torch.Tensor, shift: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Mirrors, turns, shifts and scales images; beyond the border the image is reflected.

    Args:
        images: `(B, C, H, W)` float32.
        flip: `(B,)` bool, left to right.
        turn: `(B,)` whole numbers, quarter turns counterclockwise after the flip, as `torch.rot90`; odd ones need H = W.
        shift: `(B, 2)` pixels down and to the right, after the turn.
        scale: `(B,)`, above 1 enlarges about the center, last. Reduction averages (triangle filter).

    Returns:
        `(B, C, H, W)`.

    >>> x = torch.arange(4.0).view(1, 1, 2, 2)
    >>> one = torch.ones(1)
    >>> torch.equal(transform(x, one < 0, one.long(), torch.zeros(1, 2), one), x.rot90(1, (2, 3)))
    True
    """
    odd = turn % 2 == 1
    if odd.any():
        images = torch.where(odd[:, None, None, None], images.transpose(2, 3), images)
    # after a diagonal flip a quarter turn mirrors the rows, three quarters the columns; the first flip changes sides with it
    mirror_rows = torch.where(odd, (turn == 1) ^ flip, turn == 2)
    mirror_columns = torch.where(odd, turn == 3, (turn == 2) ^ flip)
    rows = _resampling_matrix(images.shape[2], mirror_rows, shift[:, 0], scale)
    columns = _resampling_matrix(images.shape[3], mirror_columns, shift[:, 1], scale)
    return rows[:, None] @ images @ columns[:, None].transpose(2, 3)


def _resampling_matrix(size: int, mirror: torch.Tensor, shift: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """`(B, size, size)`: row n holds the weights of the source's pixels in pixel n of the result."""
    center = (size - 1) / 2
    pixel = torch.arange(size, device=shift.device, dtype=torch.float32)
    source = (pixel - center) / scale[:, None] - shift[:, None]
    source = torch.where(mirror[:, None], -source, source) + center
    support = (1 / scale).clamp_min(1)[:, None, None]
    weights = torch.zeros(len(shift), size, size, device=shift.device)
    # the image and its reflections to either side, as often as the smallest scale and the largest shift reach
    reach = int(source.abs().amax() + 2 * support.amax()) // size + 1
    for copy in range(-reach, reach + 1):
        place = copy * size + (pixel if copy % 2 == 0 else size - 1 - pixel)
        weights = weights + (1 - (source[:, :, None] - place).abs() / support).clamp_min(0)
    return weights / weights.sum(2, keepdim=True)
