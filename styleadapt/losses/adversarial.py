"""Adversarial losses: what generator and discriminator minimise, given the discriminator's logits.

Each form is a pair of functions on logits of any shape; `ADVERSARIAL_LOSSES[name]` gives `(discriminator, generator)`. A
discriminator with several outputs (scales, CAM heads) passes a tuple, and the mean over the outputs is taken.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F

Logits = torch.Tensor | Sequence[torch.Tensor]


def _over_outputs(loss: Callable) -> Callable:
    def mean_over_outputs(*logits: Logits) -> torch.Tensor:
        tensors = [l.float() for l in logits if isinstance(l, torch.Tensor)]
        if tensors:
            return loss(*tensors)
        return torch.stack([loss(*(l.float() for l in group)) for group in zip(*logits)]).mean()

    mean_over_outputs.__name__, mean_over_outputs.__doc__ = loss.__name__, loss.__doc__
    return mean_over_outputs


@_over_outputs
def nonsaturating_discriminator_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """-log sigmoid(real) - log(1 - sigmoid(fake)) (Goodfellow et al., arXiv 1406.2661, eq. 1).

    >>> nonsaturating_discriminator_loss(torch.zeros(2), torch.zeros(2))
    tensor(1.3863)
    """
    return F.softplus(-real).mean() + F.softplus(fake).mean()


@_over_outputs
def nonsaturating_generator_loss(fake: torch.Tensor) -> torch.Tensor:
    """-log sigmoid(fake) (Goodfellow et al., arXiv 1406.2661, section 3)."""
    return F.softplus(-fake).mean()


@_over_outputs
def lsgan_discriminator_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """(real - 1)^2 + fake^2 (Mao et al., arXiv 1611.04076, eq. 9, without the factor 1/2)."""
    return (real - 1).square().mean() + fake.square().mean()


@_over_outputs
def lsgan_generator_loss(fake: torch.Tensor) -> torch.Tensor:
    """(fake - 1)^2 (Mao et al., arXiv 1611.04076, eq. 9, without the factor 1/2)."""
    return (fake - 1).square().mean()


@_over_outputs
def hinge_discriminator_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """max(0, 1 - real) + max(0, 1 + fake) (Lim and Ye, arXiv 1705.02894; Miyato et al., arXiv 1802.05957, eq. 16)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


@_over_outputs
def hinge_generator_loss(fake: torch.Tensor) -> torch.Tensor:
    """-fake (Miyato et al., arXiv 1802.05957, eq. 17)."""
    return -fake.mean()


ADVERSARIAL_LOSSES: dict[str, tuple[Callable, Callable]] = {
    "non-saturating": (nonsaturating_discriminator_loss, nonsaturating_generator_loss),
    "lsgan": (lsgan_discriminator_loss, lsgan_generator_loss),
    "hinge": (hinge_discriminator_loss, hinge_generator_loss),
}


def cam_loss(source_logits: torch.Tensor, target_logits: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of the generator's auxiliary classifier: source images are 1, target images 0 (U-GAT-IT, arXiv
    1907.10830, eq. 5).

    >>> cam_loss(torch.zeros(2, 2), torch.zeros(1, 2))
    tensor(1.3863)
    """
    return F.softplus(-source_logits.float()).mean() + F.softplus(target_logits.float()).mean()
