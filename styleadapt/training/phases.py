"""Defines phases: which modules a training step optimizes, in which order and how often."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

# (what `forward` returned, step) -> (loss, figures to log)
Loss = Callable[[Any, int], tuple[torch.Tensor, dict[str, torch.Tensor]]]


@dataclass(frozen=True)
class Phase:
    """One optimizer step within a training step, as in the training loop of StyleGAN3 (Karras et al., arXiv 2106.12423).

    A regression has one phase, a GAN two, and a lazy regularization is one more with an interval.

    Args:
        name (`str`): of the phase. Its loss is logged as `loss_NAME`; for "generator" and "discriminator", `loss_g` and `loss_d`.
        modules (`tuple[str, ...]`): names of the task's modules that it trains. All others are frozen in the meantime.
        loss (`Callable`): takes what the task's `forward` returned and the step, and returns the loss and figures to log.
        interval (`int`): the phase takes part in every `interval`-th step.
        start (`int`): first step that it takes part in.
        optimizer (`str`, *optional*): phases with the same name here share an optimizer, which then holds the modules of all of
            them. By default a phase has its own.
        rate (`str`): name of the setting with the learning rate, of the first phase that has this optimizer.
        averaged (`bool`): a moving average of the modules is kept, which is what is validated and saved.
    """

    name: str
    modules: tuple[str, ...]
    loss: Loss
    interval: int = 1
    start: int = 0
    optimizer: str | None = None
    rate: str = "learning_rate"
    averaged: bool = False

    def due(self, step: int) -> bool:
        """Whether the phase takes part in this step.

        >>> phase = Phase("path_length", ("generator",), loss=lambda state, step: (state, {}), interval=4, start=8)
        >>> [step for step in range(20) if phase.due(step)]
        [8, 12, 16]
        """
        return step >= self.start and (step - self.start) % self.interval == 0

    @property
    def optimizer_name(self) -> str:
        """The name of its optimizer."""
        return self.optimizer or self.name

    @property
    def figure(self) -> str:
        """The name of its loss in the log."""
        return {"generator": "loss_g", "discriminator": "loss_d"}.get(self.name, f"loss_{self.name}")


class TwoPlayers(Protocol):
    """A task with a generator and a discriminator, each of one or more modules."""

    generator_names: tuple[str, ...]
    discriminator_names: tuple[str, ...]

    def discriminator_loss(self, state: Any, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Loss of the discriminator and figures to log; `d_adv` among them is watched, see `DivergenceGuard`."""

    def generator_loss(self, state: Any, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Loss of the generator and figures to log."""


def adversarial_phases(task: TwoPlayers, start: int = 0) -> list[Phase]:
    """The two phases of a GAN: the discriminator, from step `start` on and at the rate `lr_d`, then the generator, averaged."""
    return [
        Phase("discriminator", task.discriminator_names, task.discriminator_loss, rate="lr_d", start=start),
        Phase("generator", task.generator_names, task.generator_loss, averaged=True),
    ]


def optimized_modules(phases: Sequence[Phase]) -> dict[str, tuple[tuple[str, ...], str]]:
    """Of every optimizer, by its name, the modules that it holds and the setting with its learning rate.

    >>> nothing = lambda state, step: (state, {})
    >>> phases = [Phase("d", ("critic",), nothing, rate="lr_d"), Phase("g", ("mapping", "synthesis"), nothing)]
    >>> optimized_modules([*phases, Phase("path_length", ("synthesis",), nothing, optimizer="g")])
    {'d': (('critic',), 'lr_d'), 'g': (('mapping', 'synthesis'), 'learning_rate')}
    """
    found: dict[str, tuple[tuple[str, ...], str]] = {}
    for phase in phases:
        names, rate = found.get(phase.optimizer_name, ((), phase.rate))
        found[phase.optimizer_name] = (names + tuple(n for n in phase.modules if n not in names), rate)
    return found
