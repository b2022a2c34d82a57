"""Loads the batches of a run, and restores the position among them."""

from collections.abc import Iterator
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import send_to_device
from torch.utils.data import DataLoader, Dataset, Subset

from ..data.streams import StreamedDataset, StreamLoader
from ..errors import ConfigError
from .config import RunConfig


class Batches:
    """Batches from the sample after the last one that was trained on, on this process's device; every process takes its slice.

    Args:
        accelerator: of the run.
        config: of the run.
        dataset: see `training.engine.Trainer`.
        step: at which the run starts or goes on.
        place: what `state_dict` gave at that step; without it the samples of a stream before it are read again and passed over.

    Raises:
        ConfigError: a data set that is too short.
        SourceError: a place in a stream that was divided otherwise.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        config: RunConfig,
        dataset: Dataset | StreamedDataset,
        step: int = 0,
        place: dict[str, Any] | None = None,
    ):
        self.accelerator = accelerator
        if isinstance(dataset, StreamedDataset):
            self.loader: DataLoader | StreamLoader = StreamLoader(
                dataset.stream,
                dataset.transform,
                config.train_batch_size,
                config.dataloader_num_workers,
                accelerator.process_index,
                accelerator.num_processes,
                first_batch=step * config.gradient_accumulation_steps,
            )
            if place is not None:
                self.loader.load_state_dict(place)
        else:
            self.loader = accelerator.prepare(_remaining(dataset, config, step, accelerator.num_processes))

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        # Accelerate moves the batches of what it prepared, which it does not mind being told again
        return (send_to_device(batch, self.accelerator.device) for batch in self.loader)

    def state_dict(self) -> dict[str, Any] | None:
        """This process's place in a stream, in plain numbers and strings; a data set needs none but the step."""
        return self.loader.state_dict() if isinstance(self.loader, StreamLoader) else None


def _remaining(dataset: Dataset, config: RunConfig, step: int, processes: int) -> DataLoader:
    """Batches of all processes from a step on."""
    per_step = config.train_batch_size * config.gradient_accumulation_steps * processes
    first, last = step * per_step, config.max_train_steps * per_step
    samples = len(dataset)  # type: ignore[arg-type]  # Dataset leaves it to its subclasses
    if samples < last:
        raise ConfigError(
            f"the dataset has {samples} samples, {last} are needed for `max_train_steps` {config.max_train_steps}, "
            f"{per_step} a step"
        )
    return DataLoader(
        Subset(dataset, range(first, last)),
        config.train_batch_size,
        num_workers=config.dataloader_num_workers,
        prefetch_factor=4 if config.dataloader_num_workers else None,
    )
