"""The loop of every quick adaptation: as many steps as a budget allows, and the best state on fixed crops is kept."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch

_REPORT_EVERY = 5  # steps; about a second on two cores


class Adaptable(Protocol):
    """What the loop drives: something that trains, and an average of it that is judged."""

    def step(self, step: int, fraction: float) -> None:
        """One update; `fraction` of the work is done."""

    def check(self) -> dict[str, float]:
        """Figures of the averaged state, with an `objective` that is lower for a better one."""

    def average(self) -> dict[str, torch.Tensor]:
        """A copy of the averaged state."""


@dataclass(frozen=True)
class Moment:
    """How far an adaptation is.

    Args:
        step: steps done.
        seconds, seconds_left: since the start, and estimated to the end.
        fraction: of the work, 0 to 1.
        figures: of the last check; at the end, where `fraction` is 1, those of the best state.
        stop: ends the adaptation after this step.
    """

    step: int
    seconds: float
    seconds_left: float
    fraction: float
    figures: dict[str, float]
    stop: Callable[[], None]


@dataclass(frozen=True)
class Outcome:
    """What an adaptation has come to.

    Args:
        best: the averaged state with the lowest objective.
        first, figures: at the start, and of the best state.
        steps: that were made.
    """

    best: dict[str, torch.Tensor]
    first: dict[str, float]
    figures: dict[str, float]
    steps: int


def check_budget(max_seconds: float, steps: int | None) -> None:
    """Raises ValueError for a budget that is not positive."""
    if steps is not None and steps < 1:
        raise ValueError(f"`steps` is {steps}; it must be 1 at least")
    if steps is None and not max_seconds > 0:
        raise ValueError(f"`max_seconds` is {max_seconds}; it must be greater than 0")


def keep_best(
    run: Adaptable,
    *,
    max_seconds: float,
    steps: int | None,
    check_every: int,
    patience: int,
    report: Callable[[Moment], object],
    started: float,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Lets `run` step until its budget is spent, nothing improves any more, or it is stopped.

    Args:
        max_seconds: time limit since `started`, all in.
        steps: exactly so many steps instead (fewer only if nothing improves or it is stopped).
        check_every: steps between checks.
        patience: checks without any improvement after which it stops.
        report: called before the first step, about once a second, after every check, and at the end unless it was stopped.
        started: when the adaptation began, on `clock`.

    Returns:
        The outcome; its first figures have an objective that is not finite if the run could not begin.
    """
    tick = clock()
    figures = first = run.check()
    check_seconds = clock() - tick
    best, best_state, best_figures, misses = first["objective"], run.average(), first, 0
    if not math.isfinite(best):
        return Outcome(best_state, first, first, 0)
    stopped = False

    def stop() -> None:
        nonlocal stopped
        stopped = True

    step, checked, loop_started = 0, True, clock()
    report(Moment(0, clock() - started, max_seconds if steps is None else math.inf, 0.0, figures, stop))
    while not stopped and misses < patience and step != steps:
        elapsed = clock() - started
        # a last check is still to come
        if steps is None and step and max_seconds - elapsed < (clock() - loop_started) / step + check_seconds:
            break
        run.step(step, step / steps if steps is not None else min(elapsed / max_seconds, 1.0))
        step += 1
        checked = step % check_every == 0
        if checked:
            tick = clock()
            figures = run.check()
            check_seconds = clock() - tick
            if not math.isfinite(figures["objective"]):
                break
            if figures["objective"] < best:
                best, best_state, best_figures, misses = figures["objective"], run.average(), figures, 0
            else:
                misses += 1
        # the end has a report of its own
        if misses < patience and step != steps and (checked or step % _REPORT_EVERY == 0):
            elapsed = clock() - started
            if steps is None:
                fraction, left = min(elapsed / max_seconds, 1.0), max(max_seconds - elapsed, 0.0)
            else:
                fraction, left = step / steps, (steps - step) * (clock() - loop_started) / step
            report(Moment(step, elapsed, left, fraction, figures, stop))
    if not checked and (figures := run.check())["objective"] < best:
        best_state, best_figures = run.average(), figures
    if not stopped:
        report(Moment(step, clock() - started, 0.0, 1.0, best_figures, stop))
    return Outcome(best_state, first, best_figures, step)
