"""Keeps the moving average of the weights that a run trains, which is what is validated and saved."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from diffusers.training_utils import EMAModel
from safetensors.torch import load_file, save_file

_FILE = "average.safetensors"


class MovingAverage:
    """The exponential moving average of parameters; its decay rises from 0 to `decay` in the first steps.

    Args:
        parameters: what is averaged, on the device that it trains on.
        decay: of the average.

    >>> weight = torch.nn.Parameter(torch.zeros(1))
    >>> average = MovingAverage([weight], decay=0.25)
    >>> for value in (1.0, 2.0):
    ...     _ = weight.data.fill_(value)
    ...     average.step()
    >>> with average.in_place():
    ...     weight.item()
    1.75
    """

    def __init__(self, parameters: Sequence[torch.nn.Parameter], decay: float):
        self.parameters = list(parameters)
        self._model = EMAModel(self.parameters, decay=decay, use_ema_warmup=True, power=3 / 4)

    @property
    def steps(self) -> int:
        """How many steps the average has followed."""
        return self._model.optimization_step

    def step(self) -> None:
        """Follows the parameters, after an optimizer has stepped them."""
        self._model.step(self.parameters)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Puts the average in the parameters' place, and them back at the end."""
        self._model.store(self.parameters)
        self._model.copy_to(self.parameters)
        try:
            yield
        finally:
            self._model.restore(self.parameters)

    def save(self, folder: Path) -> None:
        """Adds the average to a checkpoint, all but `steps`."""
        tensors = {str(n): value.contiguous() for n, value in enumerate(self._model.shadow_params)}
        save_file(tensors, folder / _FILE)

    def load(self, folder: Path, steps: int) -> None:
        """Takes up what `save` wrote after so many `steps`; the decay remains that of this run."""
        tensors = load_file(folder / _FILE)
        self.take([tensors[str(n)] for n in range(len(tensors))], steps)

    def take(self, values: Sequence[torch.Tensor], steps: int) -> None:
        """Takes up the average of all parameters in their order, which has followed so many `steps`."""
        for mine, value in zip(self._model.shadow_params, values, strict=True):
            mine.copy_(value)
        self._model.optimization_step = steps
