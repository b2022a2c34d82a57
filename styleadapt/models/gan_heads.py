"""Outputs of generators from noise and of their discriminators, and the discriminators' heads, with or without labels."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn as nn
from diffusers.utils import BaseOutput

Head = Literal["projection", "k+1", "auxiliary"]
UNLABELED = -1


@dataclass
class LatentGeneratorOutput(BaseOutput):
    """
    Args:
        sample (`torch.Tensor`): `(B, 3, H, W)`, pictures, about in [-1, 1].
        w (`torch.Tensor`, *optional*): `(B, num_layers, code_dim)`, what the mapping network made of the latents; None where
            there is no such network.
    """

    sample: torch.Tensor
    w: torch.Tensor | None = None


@dataclass
class ImageDiscriminatorOutput(BaseOutput):
    """
    Args:
        logits (`torch.Tensor`): `(B, 1)`, above 0 for what looks real.
        features (`list[torch.Tensor]`): feature maps `(B, C, H, W)`, finest first, for feature matching.
        class_logits (`torch.Tensor`, *optional*): `(B, num_classes)`; None for a discriminator that does not classify.
    """

    # None, since accelerate rebuilds an output from a single dict
    logits: torch.Tensor
    features: list[torch.Tensor] = None  # type: ignore[assignment]
    class_logits: torch.Tensor | None = None


class DiscriminatorHead(nn.Module):
    """The last layers of a discriminator.

    Without classes it gives one logit. With them there are three kinds:
      - "projection": the logit has the inner product of the features with the label's embedding added (Miyato and Koyama, arXiv
        1802.05637, eq. 4); an image without a label is judged without that term.
      - "k+1": a classifier of K classes. Generated pictures are class K + 1, whose logit is 0, so that the logit of "real" is the
        log-sum-exp of the K (Salimans et al., arXiv 1606.03498, section 5).
      - "auxiliary": one layer for real or generated, another for the class (ACGAN, Odena et al., arXiv 1610.09585).

    Args:
        features: length of the feature vector, F.
        num_classes: K; 0 for none.
        kind: see above; without effect if there are no classes.
        linear: makes a layer of so many inputs and outputs.

    >>> logits, classes = DiscriminatorHead(8, 3, "k+1")(torch.zeros(2, 8), None)
    >>> logits.shape, classes.shape
    (torch.Size([2, 1]), torch.Size([2, 3]))
    """

    def __init__(self, features: int, num_classes: int, kind: Head, linear: Callable[[int, int], nn.Module] = nn.Linear):
        super().__init__()
        if num_classes < 0:
            raise ValueError(f"`num_classes` is {num_classes}; it must be 0, for none, or more")
        if kind not in ("projection", "k+1", "auxiliary"):
            raise ValueError(f"`head` is {kind!r}; it must be 'projection', 'k+1' or 'auxiliary'")
        self.num_classes, self.kind = num_classes, kind if num_classes else None
        self.out = None if self.kind == "k+1" else linear(features, 1)
        self.classes = linear(features, num_classes) if self.classifies else None
        self.embed = nn.Embedding(num_classes, features) if self.kind == "projection" else None

    @property
    def classifies(self) -> bool:
        return self.kind in ("k+1", "auxiliary")

    def forward(self, features: torch.Tensor, label: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """`(B, F)` and `(B,)` -> logits `(B, 1)` and those of the classes `(B, K)` or None.

        Raises:
            ValueError: labels that do not fit; a projection without labels, or labels without classes.
        """
        if self.kind == "projection" and label is None:
            raise ValueError("a discriminator with a projection head needs `label`, -1 for images without one")
        if label is not None:
            check_labels(label, len(features), self.num_classes, unlabeled=True)
        classes = None if self.classes is None else self.classes(features)
        if self.out is None:
            assert classes is not None
            return classes.float().logsumexp(1, keepdim=True), classes
        logits = self.out(features)
        if self.embed is not None and label is not None:
            embedded = self.embed(label.clamp_min(0)).to(features.dtype)
            projection = (features * embedded).sum(1, keepdim=True) / features.shape[1] ** 0.5
            logits = logits + torch.where(label[:, None] >= 0, projection, 0.0)
        return logits, classes


class ClassifyingDiscriminator:
    """For a discriminator with a head, `verdict`: the probabilities of the classes, as a classifier gives them."""

    verdict: DiscriminatorHead

    def class_probabilities(self, images: torch.Tensor) -> torch.Tensor:
        """`(B, 3, R, R)` in [-1, 1] -> `(B, num_classes)` that add up to 1.

        Raises:
            ValueError: the discriminator has no head that classifies.
        """
        if not self.verdict.classifies:
            raise ValueError("this discriminator does not classify: it needs `num_classes` and `head='k+1'` or 'auxiliary'")
        return self(images).class_logits.float().softmax(1)  # type: ignore[operator]


def check_labels(label: torch.Tensor, batch: int, num_classes: int, unlabeled: bool = False) -> None:
    """Raises ValueError for labels that are not `(batch,)` whole numbers below `num_classes`, from 0 on, or from -1 if
    `unlabeled`.

    >>> check_labels(torch.tensor([0, 3]), 2, 3)
    Traceback (most recent call last):
    ValueError: labels go from 0 to 2, got 0 to 3
    """
    if not num_classes:
        raise ValueError("`label` is given to a network without classes; build it with `num_classes`, or leave `label` out")
    if label.dtype != torch.int64 or label.shape != (batch,):
        raise ValueError(f"`label` must be int64 of shape {(batch,)}, got {label.dtype} of shape {tuple(label.shape)}")
    lowest = UNLABELED if unlabeled else 0
    if batch and (label.min() < lowest or label.max() >= num_classes):
        raise ValueError(f"labels go from {lowest} to {num_classes - 1}, got {int(label.min())} to {int(label.max())}")
