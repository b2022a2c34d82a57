"""Prints what a run would do and how much memory it would need, without training."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import yaml

from .config import RunConfig
from .phases import Phase
from .task import Task

# numbers that an optimizer keeps for each weight; adafactor's rows and columns are next to nothing
_STATE = {
    "adam": 2.0,
    "adamw": 2.0,
    "rmsprop": 1.0,
    "sgd": 1.0,
    "adafactor": 1.0,
    "prodigy": 4.0,
    "schedule_free": 2.0,
    "lion": 1.0,
    "adam8bit": 0.5,
}


def describe(config: RunConfig, modules: Mapping[str, torch.nn.Module], averaged: int, activations: int, processes: int) -> str:
    """The resolved configuration as YAML, parameter counts, and an estimate of the memory that a process needs.

    Args:
        config: of the run.
        modules: models by name.
        averaged: parameters with a moving average.
        activations: bytes that a step keeps for its backward passes.
        processes: that train together.
    """
    lines = [yaml.safe_dump(dataclasses.asdict(config), sort_keys=False, allow_unicode=True).rstrip(), ""]
    total, trained = 0, 0
    for name, module in modules.items():
        count = sum(p.numel() for p in module.parameters())
        trains = sum(p.numel() for p in module.parameters() if p.requires_grad)
        lines.append(f"{name}: {count:,} parameters, {trains:,} of them train")
        total, trained = total + count, trained + trains
    parts = {
        "weights": 4 * total,
        "gradients": 4 * trained,
        f"{config.optimizer}'s state": round(4 * trained * _STATE[config.optimizer]),
        "moving average": 4 * averaged,
        "activations": activations,
    }
    listed = ", ".join(f"{name} {size / 2**20:.0f} MB" for name, size in parts.items())
    lines.append(f"memory of each of {processes} processes, estimated: {sum(parts.values()) / 2**20:.0f} MB ({listed})")
    step = config.train_batch_size * config.gradient_accumulation_steps * processes
    lines.append(f"{config.max_train_steps} steps of {step} samples")
    return "\n".join(lines)


def activation_bytes(task: Task, phases: Sequence[Phase], batch: dict[str, torch.Tensor], last_step: int) -> int:
    """Bytes that the phase with the largest graph keeps for its backward pass, at the start or at the end of the run."""

    def losses(step: int, phase: Phase) -> Any:
        state = task.forward(batch, step)
        return state, phase.loss(state, step)

    return max(
        saved_bytes(lambda: losses(step, phase), task.modules)  # noqa: B023  called at once
        for step in (0, last_step)
        for phase in phases
    )


def saved_bytes(compute: Callable[[], Any], modules: Mapping[str, torch.nn.Module]) -> int:
    """Bytes that the graph of what `compute` returns holds for its backward pass, without the models' own weights.

    >>> layer = torch.nn.Linear(4, 4, bias=False)
    >>> saved_bytes(lambda: layer(torch.ones(2, 4)).square(), {"layer": layer})  # the input and the output, 8 numbers each
    64
    """
    own = {p.untyped_storage().data_ptr() for module in modules.values() for p in module.parameters()}
    sizes: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        # held, so that no storage is given back and counted for another
        result = compute()
    del result
    return sum(sizes.values())
