"""Loads the models, optimizers and states of a checkpoint, without running code that someone may have put in its files.

Accelerate's `load_state` unpickles the states of the objects that are registered with it, and runs whatever they bring. So none
are registered, and the function of Accelerate that reads everything else is called directly.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.checkpointing import load_accelerator_state
from accelerate.utils import load

from ..errors import ConfigError
from .optimizers import kept_settings


def load_models_and_optimizers(
    folder: Path, accelerator: Accelerator, models: Iterable[torch.nn.Module], optimizers: Iterable[Any]
) -> None:
    """Loads what `Accelerator.save_state` wrote of models and optimizers in this order, with the gradient scaler and the random
    numbers of this process. The optimizers keep their settings, such as `weight_decay`, which this run may have changed.

    Raises:
        ConfigError: a pickle in the folder that is damaged or holds more than numbers and tensors.
    """
    # Accelerate reads no others than these, as plain data too, but its errors advise to switch the protection off
    for file in sorted(folder.iterdir()):
        if file.suffix in (".bin", ".pkl", ".pt"):
            _read_plain(file)
    # what several processes wrap a model in has no part in the file's names
    models, optimizers = [accelerator.unwrap_model(model) for model in models], list(optimizers)
    with kept_settings(*optimizers):
        load_accelerator_state(str(folder), models, optimizers, [], [], accelerator.process_index, accelerator.scaler)


def read_older_states(folder: Path, schedules: int) -> tuple[list[torch.Tensor], dict[str, Any]]:
    """What a checkpoint of an earlier version holds in pickles of their own.

    Args:
        folder: of the checkpoint.
        schedules: how many schedules the run has.

    Returns:
        The averaged parameters, and what a newer checkpoint has in its progress.
    """
    average, *others = [_read_plain(folder / f"custom_checkpoint_{n}.pkl") for n in range(1 + schedules)]
    ada = folder / f"custom_checkpoint_{1 + schedules}.pkl"
    progress = {
        "average_steps": average["optimization_step"],
        "schedules": [state["last_epoch"] for state in others],
        "ada": _read_plain(ada) if ada.is_file() else None,
    }
    return average["shadow_params"], progress


def _read_plain(file: Path) -> Any:
    try:
        return load(file, map_location="cpu", mmap=True, weights_only=True)
    # the unpickler raises nearly every type of exception
    except Exception as error:
        raise ConfigError(
            f"{file} cannot be resumed from ({type(error).__name__}): it is damaged, or holds other objects than numbers and "
            "tensors, which are never unpickled, because they can run code; resume from another checkpoint"
        ) from error
