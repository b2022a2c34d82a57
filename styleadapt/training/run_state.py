"""Saves and restores the state of a run beside its models and optimizers, so that a resumed run continues exactly."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from ..errors import ConfigError
from .adversary import ADA
from .config import RunConfig

_SETTINGS = "settings.json"
_OPTIMIZERS = "optimizers"


class RunningMeans:
    """Means of the figures of all steps since the last log line; the figures stay on their device until they are asked for.

    >>> means = RunningMeans()
    >>> means.add({"loss": torch.tensor(1.0)})
    >>> means.add({"loss": torch.tensor(2.0)})
    >>> means.means()
    {'loss': 1.5}
    """

    def __init__(self) -> None:
        self._values: dict[str, list[torch.Tensor]] = {}

    def add(self, figures: Mapping[str, torch.Tensor]) -> None:
        """Takes in a step's figures, one number each."""
        for name, value in figures.items():
            self._values.setdefault(name, []).append(value.detach().float())

    def means(self) -> dict[str, float]:
        """Returns the means by name. Where some steps lack a figure, its mean is over the others."""
        return {name: float(_stacked(values).mean()) for name, values in self._values.items()}

    def clear(self) -> None:
        """Starts anew."""
        self._values = {}

    def state_dict(self) -> dict[str, list[float]]:
        """All figures, in plain numbers."""
        return {name: _stacked(values).tolist() for name, values in self._values.items()}

    def load_state_dict(self, state: dict[str, list[float]]) -> None:
        """Takes up a state from `state_dict`."""
        self._values = {name: [torch.tensor(value) for value in values] for name, values in state.items()}


def _stacked(values: list[torch.Tensor]) -> torch.Tensor:
    # those of before a resumption are on the CPU
    return torch.stack([value.to(values[-1].device) for value in values])


def write_progress(folder: Path, process: int, progress: dict[str, Any]) -> None:
    """Adds a process's progress, made of plain numbers and strings, to a checkpoint."""
    _progress_file(folder, process).write_text(json.dumps(progress), encoding="utf-8")


def read_progress(folder: Path, process: int) -> dict[str, Any]:
    """Reads what `write_progress` wrote; the result is empty for an older checkpoint without it."""
    file = _progress_file(folder, process)
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def write_settings(folder: Path, config: RunConfig, processes: int, optimizers: Iterable[str]) -> None:
    """Adds the settings that must not change to a checkpoint, and the names of the optimizers."""
    settings = {**_settings(config, processes), _OPTIMIZERS: list(optimizers)}
    (folder / _SETTINGS).write_text(json.dumps(settings), encoding="utf-8")


def require_same_settings(folder: Path, config: RunConfig, processes: int, optimizers: Iterable[str]) -> None:
    """Refuses to resume with other samples, parameters or optimizers, or with ADA where there was none; what an older checkpoint
    does not tell is taken to be the same.

    Raises:
        ConfigError: a setting differs.
    """
    if not (folder / _SETTINGS).is_file():
        return
    settings, now = json.loads((folder / _SETTINGS).read_text(encoding="utf-8")), _settings(config, processes)
    names, were = list(optimizers), settings.pop(_OPTIMIZERS, None)
    for key, before in settings.items():
        # other augmentations have no state, and may change
        if key in now and now[key] != before and (key != "augment" or ADA in (before, now[key])):
            raise ConfigError(
                f"`{key}` is {now[key]!r}, but {folder} was made with {before!r}, and a resumed run must have the same: "
                "set it back, or start a new run in another `output_dir`"
            )
    if were is not None and were != names:
        raise ConfigError(
            f"this run would train {', '.join(names)}, but {folder} was made by one that trains {', '.join(were)}, and a "
            "resumed run must have the same: set back what switches one of them on or off, such as an `adv_weight` of 0, or "
            "start a new run in another `output_dir`"
        )


def _settings(config: RunConfig, processes: int) -> dict[str, Any]:
    return {**{key: getattr(config, key) for key in config.settings_of("fixed_settings")}, "num_processes": processes}


def _progress_file(folder: Path, process: int) -> Path:
    return folder / f"progress-{process}.json"
