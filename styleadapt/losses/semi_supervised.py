"""Losses of a discriminator that classifies, where some images have labels, and of the generator beside it.

Labels are `(B,)` int64; -1 is an image without one. The logits of a discriminator with the head "k+1" say real or generated as
their log-sum-exp, and those with the head "auxiliary" have a logit of their own for that: see `models.gan_heads`. With the former
and the non-saturating loss of that log-sum-exp the discriminator's loss is that of Salimans et al. (arXiv 1606.03498, section 5)

    -log(1 - p(K + 1 | real)) - log p(K + 1 | fake) - log p(y | real, y < K + 1) of those with labels

where the logit of class K + 1 is fixed at 0, so that 1 - p(K + 1 | x) = Z / (Z + 1), Z the sum of the exponentials.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F

UNLABELED = -1


def classification_loss(class_logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the labeled images, 0 if there are none.

    It is the supervised term of Salimans et al. (arXiv 1606.03498, section 5), -log p(y | x, y < K + 1), and the one of ACGAN
    (Odena et al., arXiv 1610.09585, eq. 3), there for both players: of real images with their labels, and of generated ones with
    those that they were made for.

    Args:
        class_logits: `(B, K)`.
        labels: `(B,)`.

    >>> classification_loss(torch.zeros(3, 2), torch.tensor([0, 1, -1]))
    tensor(0.6931)
    """
    total = F.cross_entropy(class_logits.float(), labels, ignore_index=UNLABELED, reduction="sum")
    return total / (labels != UNLABELED).sum().clamp_min(1)


def feature_matching_loss(real_features: Sequence[torch.Tensor], fake_features: Sequence[torch.Tensor]) -> torch.Tensor:
    """Generator's loss: the mean features of generated images shall be those of real ones (arXiv 1606.03498, section 3.1),
    squared differences, averaged over the values of a layer, and over layers.

    Args:
        real_features, fake_features: one or more tensors `(B, ...)` each; the batches may differ in size. The real ones get no
            gradient.

    >>> feature_matching_loss([torch.tensor([[1.0], [3.0]])], [torch.tensor([[5.0]])])
    tensor(9.)
    """
    layers = [
        (real.detach().float().mean(0) - fake.float().mean(0)).square().mean()
        for real, fake in zip(real_features, fake_features, strict=True)
    ]
    return torch.stack(layers).mean()
