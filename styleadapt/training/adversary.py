"""Sets up the adversarial game of a run from its config: loss, smoothing, instance noise, augmentation, gradient penalties."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace  # noqa: F401  in the examples
from typing import ClassVar, Protocol

import torch

from ..augment.ada import AdaptiveProbability, ada_augment
from ..augment.diffaugment import diff_augment, parse_policy
from ..errors import ConfigError
from ..losses.adversarial import NEEDS_REAL, adversarial_losses, instance_noise
from ..losses.regularization import interpolates, lazy_factor, r1_penalty, r2_penalty, wgan_gp_penalty
from .config import RunConfig, require_at_least

ADA = "ada"


@contextlib.contextmanager
def steady(module: torch.nn.Module) -> Iterator[None]:
    """Puts `module` in eval mode and restores the mode of each of its parts at the end, so that the estimates of spectral
    normalization and the noise of `StyleNoise` do not change inside the block.

    >>> layer = torch.nn.Linear(2, 2)
    >>> with steady(layer):
    ...     layer.training
    False
    """
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


@contextlib.contextmanager
def own_forward(model: torch.nn.Module) -> Iterator[None]:
    """Puts the model's own forward pass in place of Accelerate's, which switches autocast on again, and that one back at the end;
    calls through what wraps the model for several processes find it, too."""
    wrapped = vars(model).pop("forward", None)
    try:
        yield
    finally:
        if wrapped is not None:
            model.forward = wrapped  # type: ignore[method-assign]


@dataclass
class AdversarialSettings:
    """Of every game with a discriminator; `docs/strategies.md` says when to use which.

    Args:
        adv_loss: a name of `losses.adversarial.ADVERSARIAL_LOSSES`.
        label_smoothing: the discriminator's target for real images is 1 minus this; for forms with labels.
        instance_noise: deviation of the noise on all images that the discriminator sees, at step 0; 0 for none.
        instance_noise_steps: step from which there is no noise.
        r1_gamma, r2_gamma: penalty of the discriminator's gradient at real and at generated images; 0 for none.
        gp_weight: weight of WGAN-GP's penalty between real and generated images; 0 for none.
        r1_every: all penalties are computed in every so many steps, with so many times the weight.
        augment: of all images that the discriminator sees: names of DiffAugment's policy with commas between them, or `ada`;
            nothing if left out.
        ada_target, ada_interval, ada_images: see `augment.ada.AdaptiveProbability`.
    """

    adv_loss: str = "hinge"
    label_smoothing: float = 0.0
    instance_noise: float = 0.0
    instance_noise_steps: int = 1000
    r1_gamma: float = 0.0
    r2_gamma: float = 0.0
    gp_weight: float = 0.0
    r1_every: int = 16
    augment: str = ""
    ada_target: float = 0.6
    ada_interval: int = 4
    ada_images: int = 500_000

    def check(self) -> None:
        """Raises ConfigError for values out of range, or settings that do not go together."""
        require_at_least("r1_every", self.r1_every, 1)
        for key in ("instance_noise", "r1_gamma", "r2_gamma", "gp_weight"):
            require_at_least(key, getattr(self, key), 0)
        try:
            Adversary(self)
        except ValueError as error:
            raise ConfigError(str(error)) from None


@dataclass
class AdversarialConfig(AdversarialSettings, RunConfig):
    """Settings of every training run with a discriminator."""

    fixed_settings: ClassVar[tuple[str, ...]] = ("augment",)

    def validate(self) -> None:
        super().validate()
        self.check()


class Rising(Protocol):
    """Settings of an adversarial loss that sets in at `adv_start` and rises to `adv_weight` in `adv_warmup` steps."""

    adv_weight: float
    adv_start: int
    adv_warmup: int


def adversarial_weight(config: Rising, step: int) -> float:
    """The weight of the adversarial loss in a step.

    >>> settings = SimpleNamespace(adv_weight=2.0, adv_start=100, adv_warmup=10)
    >>> [adversarial_weight(settings, step) for step in (0, 100, 105, 110, 500)]
    [0.0, 0.0, 1.0, 2.0, 2.0]
    """
    rise = (step - config.adv_start) / max(config.adv_warmup, 1)
    return config.adv_weight * min(max(rise, 0.0), 1.0)


def first_adversarial_step(config: Rising) -> int:
    """The first step of the discriminator, which learns from half of the warm-up before its opponent's loss sets in.

    >>> first_adversarial_step(SimpleNamespace(adv_weight=2.0, adv_start=100, adv_warmup=10))
    96
    """
    return max(config.adv_start - config.adv_warmup // 2 + 1, 0)


class Adversary:
    """
    Args:
        config: settings of the game.

    Attributes:
        d_loss, g_loss: losses of the two players, on logits.
        needs_real: does the generator's loss read the logits of real images?
        ada: adaptive probability of the augmentation, or None.

    Raises:
        ValueError: settings that do not go together.
    """

    def __init__(self, config: AdversarialSettings):
        self.config = config
        self.d_loss, self.g_loss = adversarial_losses(config.adv_loss, config.label_smoothing)
        self.needs_real = config.adv_loss in NEEDS_REAL
        self.ada: AdaptiveProbability | None = None
        if config.augment == ADA:
            self.ada = AdaptiveProbability(config.adv_loss, config.ada_target, config.ada_interval, config.ada_images)
        else:
            parse_policy(config.augment)

    def shown(self, images: torch.Tensor, step: int) -> torch.Tensor:
        """Returns real or generated images `(B, 3, H, W)` as the discriminator gets them; differentiable any number of times."""
        c = self.config
        images = instance_noise(images, step, c.instance_noise, c.instance_noise_steps)
        return diff_augment(images, c.augment) if self.ada is None else ada_augment(images, self.ada.p)

    def penalty(
        self,
        judge: Callable[[torch.Tensor], Sequence[torch.Tensor]],
        real: torch.Tensor,
        fake: torch.Tensor,
        step: int,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The weighted gradient penalties of this step and each of them by name; nothing in the steps between.

        Args:
            judge: logits of images; called with autocast off. It must be the model's own forward pass: those of Accelerate switch
                autocast on again, and torch.compile's cannot be differentiated twice.
            real, fake: `(B, 3, H, W)`.
        """
        c, factor = self.config, lazy_factor(step, self.config.r1_every)
        total = real.new_zeros(())
        figures: dict[str, torch.Tensor] = {}
        penalties: tuple[tuple[str, float, Callable[..., torch.Tensor]], ...] = (
            ("r1", c.r1_gamma / 2, r1_penalty),
            ("r2", c.r2_gamma / 2, r2_penalty),
            ("gp", c.gp_weight, wgan_gp_penalty),
        )
        with torch.autocast(real.device.type, enabled=False):
            for name, weight, measure in penalties:
                if weight * factor == 0:
                    continue
                images = {"r1": real, "r2": fake}.get(name)
                points = interpolates(real, fake) if images is None else images.detach().requires_grad_()
                figures[name] = torch.stack([measure(logits, points) for logits in judge(points)]).sum(0).mean()
                total = total + weight * factor * figures[name]
        return total, figures
