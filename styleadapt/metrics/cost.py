"""Measures what a result costs: memory, parameters and bytes."""

import os
from collections.abc import Iterable
from pathlib import Path

import torch
import torch.nn as nn

from ..devices.memory import own_peak_mb


def peak_memory_mb(device: torch.device | str = "cpu") -> float:
    """Most memory in MB that was used so far: of a GPU by PyTorch, else of the whole process, with interpreter and libraries.

    >>> peak_memory_mb() > 10
    True
    """
    if torch.device(device).type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return own_peak_mb()


def count_parameters(modules: Iterable[nn.Module | None]) -> int:
    """Number of parameters of all modules, shared ones counted once; None counts nothing.

    >>> count_parameters([nn.Linear(3, 2), None])
    8
    """
    found = {id(p): p.numel() for module in modules if module is not None for p in module.parameters()}
    return sum(found.values())


def file_bytes(path: str | os.PathLike) -> int:
    """Bytes of a file, or of all files below a folder.

    Raises:
        FileNotFoundError: nothing there.

    >>> file_bytes(__file__) > 1000
    True
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no file or folder at {path}")
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(p.stat().st_size for p in files)
