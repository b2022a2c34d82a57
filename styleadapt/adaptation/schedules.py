"""Learning-rate schedules of an adaptation, as functions of the fraction of its time or steps that is done."""

import math
from collections.abc import Callable

from ..training.schedules import second_half_factor

_FLOOR = 0.02  # of the peak rate
_WARMUP_STEPS = 10

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1 - done,
    "linear_second_half": lambda done: second_half_factor(done, 0, 1),
    "cosine": lambda done: _FLOOR + (1 - _FLOOR) * math.cos(math.pi / 2 * done) ** 2,
}


def rate_factor(name: str, step: int, done: float) -> float:
    """Factor on the peak rate of a step, after a linear warm-up.

    Args:
        name: a key of `SCHEDULES`.
        step: steps done.
        done: fraction of the work that is done, 0 to 1.

    >>> rate_factor("linear", step=4, done=0.5), rate_factor("constant", step=10, done=0.5)
    (0.25, 1.0)
    """
    return min(1.0, (step + 1) / _WARMUP_STEPS) * SCHEDULES[name](done)
