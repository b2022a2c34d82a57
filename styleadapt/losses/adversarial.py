"""Adversarial losses of generator and discriminator, as functions of the discriminator's logits.

Each form is a pair of functions on logits of any shape, `discriminator(real, fake)` and `generator(fake, real=None)`;
`ADVERSARIAL_LOSSES[name]` gives the pair. Only the forms in `NEEDS_REAL` read the second argument of the generator's loss. A
discriminator with several outputs (scales, CAM heads) passes a sequence, and the mean over the outputs is taken.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F

Logits = torch.Tensor | Sequence[torch.Tensor]


def _over_outputs(loss: Callable) -> Callable:
    def mean_over_outputs(first: Logits, second: Logits | None = None, **options: float) -> torch.Tensor:
        firsts = _outputs(first)
        seconds = [None] * len(firsts) if second is None else _outputs(second)
        losses = [loss(a, b, **options) for a, b in zip(firsts, seconds, strict=True)]
        return losses[0] if len(losses) == 1 else torch.stack(losses).mean()

    mean_over_outputs.__name__, mean_over_outputs.__doc__ = loss.__name__, loss.__doc__
    return mean_over_outputs


def _outputs(logits: Logits) -> list[torch.Tensor]:
    return [l.float() for l in ([logits] if isinstance(logits, torch.Tensor) else logits)]


@_over_outputs
def nonsaturating_discriminator_loss(real: torch.Tensor, fake: torch.Tensor, real_label: float = 1.0) -> torch.Tensor:
    """-log sigmoid(real) - log(1 - sigmoid(fake)) (Goodfellow et al., arXiv 1406.2661, eq. 1), the first term toward
    `real_label` if it is not 1.

    >>> nonsaturating_discriminator_loss(torch.zeros(2), torch.zeros(2))
    tensor(1.3863)
    """
    return _cross_entropy(real, real_label) + F.softplus(fake).mean()


@_over_outputs
def nonsaturating_generator_loss(fake: torch.Tensor, real: torch.Tensor | None = None) -> torch.Tensor:
    """-log sigmoid(fake) (Goodfellow et al., arXiv 1406.2661, section 3)."""
    return F.softplus(-fake).mean()


@_over_outputs
def minimax_generator_loss(fake: torch.Tensor, real: torch.Tensor | None = None) -> torch.Tensor:
    """log(1 - sigmoid(fake)) (Goodfellow et al., arXiv 1406.2661, eq. 1): its gradient vanishes where the discriminator is
    sure, which is why the non-saturating form is preferred."""
    return -F.softplus(fake).mean()


@_over_outputs
def lsgan_discriminator_loss(real: torch.Tensor, fake: torch.Tensor, real_label: float = 1.0) -> torch.Tensor:
    """(real - real_label)^2 + fake^2 (Mao et al., arXiv 1611.04076, eq. 9, without the factor 1/2)."""
    return (real - real_label).square().mean() + fake.square().mean()


@_over_outputs
def lsgan_generator_loss(fake: torch.Tensor, real: torch.Tensor | None = None) -> torch.Tensor:
    """(fake - 1)^2 (Mao et al., arXiv 1611.04076, eq. 9, without the factor 1/2)."""
    return (fake - 1).square().mean()


@_over_outputs
def hinge_discriminator_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """max(0, 1 - real) + max(0, 1 + fake) (Lim and Ye, arXiv 1705.02894; Miyato et al., arXiv 1802.05957, eq. 16)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


@_over_outputs
def hinge_generator_loss(fake: torch.Tensor, real: torch.Tensor | None = None) -> torch.Tensor:
    """-fake (Miyato et al., arXiv 1802.05957, eq. 17)."""
    return -fake.mean()


@_over_outputs
def wasserstein_discriminator_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """fake - real, the negated estimate of the earth mover's distance (Arjovsky et al., arXiv 1701.07875, eq. 3). The critic
    must be 1-Lipschitz: add `losses.regularization.wgan_gp_penalty`."""
    return fake.mean() - real.mean()


@_over_outputs
def relativistic_discriminator_loss(real: torch.Tensor, fake: torch.Tensor, real_label: float = 1.0) -> torch.Tensor:
    """-log sigmoid(real - mean(fake)) - log(1 - sigmoid(fake - mean(real))): real data shall look more real than the average
    fake (RaSGAN, Jolicoeur-Martineau, arXiv 1807.00734). The means are over the batch, and patches, of this process.

    >>> relativistic_discriminator_loss(torch.full((2,), 7.0), torch.full((2,), 7.0))
    tensor(1.3863)
    """
    return _cross_entropy(real - fake.mean(), real_label) + F.softplus(fake - real.mean()).mean()


@_over_outputs
def relativistic_generator_loss(fake: torch.Tensor, real: torch.Tensor | None = None) -> torch.Tensor:
    """-log sigmoid(fake - mean(real)) - log(1 - sigmoid(real - mean(fake))) (RaSGAN, arXiv 1807.00734): the same with the
    roles exchanged.

    Raises:
        ValueError: no logits of real images.
    """
    if real is None:
        raise ValueError("the relativistic generator loss needs the logits of real images: call it with (fake, real)")
    return F.softplus(real.mean() - fake).mean() + F.softplus(real - fake.mean()).mean()


ADVERSARIAL_LOSSES: dict[str, tuple[Callable, Callable]] = {
    "bce": (nonsaturating_discriminator_loss, minimax_generator_loss),
    "non-saturating": (nonsaturating_discriminator_loss, nonsaturating_generator_loss),
    "lsgan": (lsgan_discriminator_loss, lsgan_generator_loss),
    "hinge": (hinge_discriminator_loss, hinge_generator_loss),
    "wgan": (wasserstein_discriminator_loss, hinge_generator_loss),
    "relativistic": (relativistic_discriminator_loss, relativistic_generator_loss),
}

# forms whose generator loss reads the discriminator's opinion of real images as well
NEEDS_REAL = frozenset({"relativistic"})

# forms with a label for real images, which can be smoothed
LABELED = frozenset({"bce", "non-saturating", "lsgan", "relativistic"})

# the logit above which an image counts as real; Wasserstein and relativistic logits have no such zero point
DECISION_BOUNDARY: dict[str, float] = {"bce": 0.0, "non-saturating": 0.0, "lsgan": 0.5, "hinge": 0.0}


def adversarial_losses(name: str, label_smoothing: float = 0.0) -> tuple[Callable, Callable]:
    """The pair of losses of a form, with one-sided label smoothing: the discriminator's target for real images is
    `1 - label_smoothing`, that for fakes stays 0 (Salimans et al., arXiv 1606.03498, section 3.4).

    Raises:
        ValueError: an unknown form, smoothing outside [0, 0.5), or smoothing of a form without labels.

    >>> discriminator, generator = adversarial_losses("lsgan", label_smoothing=0.1)
    >>> float(discriminator(torch.full((1,), 0.9), torch.zeros(1)))
    0.0
    """
    if name not in ADVERSARIAL_LOSSES:
        raise ValueError(f"the adversarial form {name!r} is unknown; allowed: {', '.join(ADVERSARIAL_LOSSES)}")
    if not 0 <= label_smoothing < 0.5:
        raise ValueError(f"`label_smoothing` is {label_smoothing}; it must lie in [0, 0.5)")
    discriminator, generator = ADVERSARIAL_LOSSES[name]
    if not label_smoothing:
        return discriminator, generator
    if name not in LABELED:
        raise ValueError(f"`label_smoothing` has no meaning for {name!r}, which has no labels; set it to 0")
    return partial(discriminator, real_label=1 - label_smoothing), generator


def instance_noise(images: torch.Tensor, step: int, std: float, steps: int) -> torch.Tensor:
    """Gaussian noise on everything the discriminator sees, falling linearly from `std` at step 0 to none from step `steps` on
    (Sonderby et al., arXiv 1610.04490; Arjovsky and Bottou, arXiv 1701.04862): the two distributions overlap while
    they are far apart.

    Args:
        images: `(B, 3, H, W)` in [-1, 1], real or generated; both kinds need it.

    Returns:
        images of the same shape, not clipped.

    >>> instance_noise(torch.zeros(1, 3, 2, 2), step=10, std=0.1, steps=10).abs().sum()
    tensor(0.)
    """
    level = std * max(0.0, 1 - step / steps) if steps > 0 else 0.0
    return images + level * torch.randn_like(images) if level > 0 else images


def cam_loss(source_logits: torch.Tensor, target_logits: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of the generator's auxiliary classifier: source images are 1, target images 0 (U-GAT-IT, arXiv
    1907.10830, eq. 5).

    >>> cam_loss(torch.zeros(2, 2), torch.zeros(1, 2))
    tensor(1.3863)
    """
    return F.softplus(-source_logits.float()).mean() + F.softplus(target_logits.float()).mean()


def _cross_entropy(logits: torch.Tensor, label: float) -> torch.Tensor:
    return (F.softplus(-logits) + (1 - label) * logits).mean()
