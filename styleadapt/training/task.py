"""Says what a task must have, so that the engine can train it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

from .phases import Phase


class Task(Protocol):
    """Base class of what a training run optimizes: models, losses and validation.

    A task may have an attribute `ada`, the `AdaptiveProbability` of its augmentation: the engine updates it after every step and
    keeps it in the checkpoints.
    """

    modules: dict[str, torch.nn.Module]

    def phases(self) -> Sequence[Phase]:
        """What is optimized in a step, in this order; the same for the whole run. Where `forward` is run once for all phases, its
        graph is freed by the first phase that goes back through it."""

    def rate_factor(self, parameter: str) -> float:
        """Returns the factor on the learning rate for a parameter, given its name after its model's
        (`generator.enter.weight`)."""

    def forward(self, batch: dict[str, torch.Tensor], step: int) -> Any:
        """What the losses of all phases share, such as the generator's forward pass."""

    def validate(self, step: int, folder: Path) -> dict[str, float]:
        """Writes a sheet of pictures, `step-STEP.jpg`, to `folder`, with the averaged weights in place, and returns scores."""

    def save_pretrained(self, folder: Path) -> None:
        """Writes the models as a repo that the pipelines load, and leaves them fit for more training."""
