"""Builds learning-rate schedules by name: all of diffusers', and linear decay in the second half."""

import torch
from diffusers.optimization import SchedulerType, get_scheduler
from torch.optim.lr_scheduler import LambdaLR

from ..errors import ConfigError

SECOND_HALF = "linear_second_half"
SCHEDULES = (*(kind.value for kind in SchedulerType), SECOND_HALF)


def build_schedule(
    name: str,
    optimizer: torch.optim.Optimizer,
    warmup_steps: int,
    training_steps: int,
    num_cycles: int = 1,
    power: float = 1.0,
    step_rules: str | None = None,
) -> LambdaLR:
    """A schedule that multiplies each parameter group's own rate, see `advance_schedule`.

    Args:
        name: one of `SCHEDULES`.
        warmup_steps: steps over which the rate rises from 0; `constant` and `piecewise_constant` have none.
        training_steps: steps in all.
        num_cycles: restarts of `cosine_with_restarts`.
        power: of `polynomial`.
        step_rules: of `piecewise_constant`: `"1:1000,0.1:2000,0.01"` is the full rate up to step 1000, a tenth up to 2000, then a
            hundredth.

    Raises:
        ConfigError: an unknown name, or rules that are missing or malformed.

    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    >>> schedule = build_schedule("linear_second_half", optimizer, warmup_steps=0, training_steps=8)
    >>> [schedule.lr_lambdas[0](step) for step in (0, 4, 6, 8)]
    [1.0, 1.0, 0.5, 0.0]
    """
    if name not in SCHEDULES:
        raise ConfigError(f"the schedule {name!r} is unknown; allowed: {', '.join(SCHEDULES)}")
    if name == SECOND_HALF:
        return LambdaLR(optimizer, lambda step: second_half_factor(step, warmup_steps, training_steps))
    if name == SchedulerType.PIECEWISE_CONSTANT.value and step_rules is None:
        raise ConfigError(f"the schedule {name!r} needs rules such as 1:1000,0.1:2000,0.01, got none")
    try:
        return get_scheduler(
            name,
            optimizer,
            step_rules=step_rules,
            num_warmup_steps=warmup_steps,
            num_training_steps=training_steps,
            num_cycles=num_cycles,
            power=power,
        )
    except ValueError as error:
        raise ConfigError(f"the schedule {name!r} refuses its settings: {error}") from None


def advance_schedule(schedule: LambdaLR, step: int) -> None:
    """Sets the rates to those of a step, and the schedule with them.

    The rates are those after as many calls of `schedule.step()`, of which torch warns while the optimizer has not stepped itself:
    it takes them for a mistake, but a discriminator that starts late has its schedule under way.

    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    >>> schedule = build_schedule("linear", optimizer, warmup_steps=0, training_steps=8)
    >>> advance_schedule(schedule, 6)
    >>> schedule.get_last_lr()
    [0.25]
    """
    schedule.last_epoch = step
    schedule._last_lr = [rate * factor(step) for rate, factor in zip(schedule.base_lrs, schedule.lr_lambdas)]
    for group, rate in zip(schedule.optimizer.param_groups, schedule._last_lr):
        group["lr"] = rate


def second_half_factor(step: float, warmup_steps: float, training_steps: float) -> float:
    """1 in the first half of all steps, then linearly to 0 at the end (CycleGAN, arXiv 1703.10593, section 4), after a warm-up
    from 0 that CycleGAN does not have.

    >>> second_half_factor(75, 0, 100)
    0.5
    """
    warmup = min(1.0, step / warmup_steps) if warmup_steps else 1.0
    return warmup * min(1.0, max(0.0, 2 * (training_steps - step) / training_steps))
