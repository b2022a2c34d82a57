"""Which stylized images are no longer what they were: by the word of a classifier, or by their distance in content."""

from collections.abc import Callable

import torch

from ..losses.content import content_loss
from ..models.efficientnet import EfficientNetLite0
from ..models.style_encoder import StyleEncoder
from .style_bank import WEIGHTS
from .style_paint import resize, working_sides

_LAYERS = ("block3.expand", "block5.expand", "block8.expand")
_SIDE = 128


class Rejection:
    """Says which images of a batch are to be rejected.

    Args:
        judge: a classifier, from images `(B, 3, H, W)` in [0, 1] to scores `(B, C)` or labels `(B,)`; or the largest content
            distance.

    Raises:
        ValueError: a limit that is not above 0.

    >>> reject = Rejection(lambda images: images.mean((1, 2, 3)) > 0.5)
    >>> reject(torch.ones(2, 3, 4, 4), torch.tensor([1.0, -1.0]).view(2, 1, 1, 1).expand(2, 3, 4, 4)).tolist()
    [False, True]
    """

    def __init__(self, judge: Callable[[torch.Tensor], torch.Tensor] | float):
        if not callable(judge) and not judge > 0:
            raise ValueError(f"`reject` is {judge}; it is a classifier, or a content distance above 0")
        self.judge = judge
        self._trunk: EfficientNetLite0 | None = None

    @torch.no_grad()
    def __call__(self, images: torch.Tensor, results: torch.Tensor) -> torch.Tensor:
        """
        Args:
            images, results: `(B, 3, H, W)` in [-1, 1].

        Returns:
            `(B,)`, true for results that are to be rejected.

        Raises:
            ValueError: the classifier answers in another shape.
        """
        if callable(self.judge):
            before, after = (self._labels((batch + 1) / 2) for batch in (images, results))
            return before != after
        return self.distance(images, results) > self.judge

    @torch.no_grad()
    def distance(self, images: torch.Tensor, results: torch.Tensor) -> torch.Tensor:
        """Content distance `(B,)` of `(B, 3, H, W)` in [-1, 1], as `losses.content.content_loss` through EfficientNet-Lite0."""
        if self._trunk is None:
            self._trunk = StyleEncoder.from_pretrained(str(WEIGHTS), subfolder="style_encoder").trunk
        self._trunk.to(images.device)
        sides = working_sides(images.shape[-2], images.shape[-1], _SIDE)
        ours, theirs = (self._trunk(resize(batch, sides)) for batch in (results, images))
        return content_loss(ours, theirs, _LAYERS)

    def _labels(self, images: torch.Tensor) -> torch.Tensor:
        answer = self.judge(images)  # type: ignore[operator]
        if answer.ndim == 2 and len(answer) == len(images):
            return answer.argmax(1)
        if answer.shape == images.shape[:1]:
            return answer
        raise ValueError(
            f"`reject` answered with shape {tuple(answer.shape)} to {len(images)} images; it gives scores (B, C) or labels (B,)"
        )
