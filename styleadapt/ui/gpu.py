"""Requests a GPU for a call on ZeroGPU, through the package `spaces`; elsewhere it does nothing."""

import os
from collections.abc import Callable
from typing import TypeVar

try:
    import spaces
except ImportError:
    spaces = None

FORKS = spaces is not None and bool(os.environ.get("SPACES_ZERO_GPU"))
"""Whether calls run in a fork of this process, which has its memory but not its threads."""

Function = TypeVar("Function", bound=Callable)


def on_gpu(function: Function, duration: int | Callable[..., int]) -> Function:
    """`function`, run on a borrowed GPU for up to `duration` seconds where there is one, else unchanged.

    ZeroGPU runs it in a forked process and pickles its arguments and results; `duration` may be a callable that gets the
    same arguments.
    """
    return spaces.GPU(duration=duration)(function) if spaces else function
