"""Reads how long a refinement may work, and divides that among the sizes that it works at."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Integral, Real

_STEP_AND_JUDGING = 1.4  # a level's last picture is looked at once more


@dataclass(frozen=True)
class RefinementBudget:
    """A number of steps, whatever their time, or seconds of wall time: exactly one of the two.

    Args:
        steps: 1 or more.
        seconds: more than 0.
    """

    steps: int | None = None
    seconds: float | None = None

    @classmethod
    def read(cls, value: int | float | str | None, name: str = "`refine`") -> "RefinementBudget | None":
        """Reads a budget as a user gives it: an integer is a number of steps, any other number is seconds; as text "200", and
        "60s" or "60.0". None for no refinement, which is what None and 0 ask for.

        Args:
            name: what an error message calls the value.

        Raises:
            ValueError: it is none of these, below 0, or not finite.

        >>> RefinementBudget.read(200), RefinementBudget.read("60s"), RefinementBudget.read(0)
        (RefinementBudget(steps=200, seconds=None), RefinementBudget(steps=None, seconds=60.0), None)
        """
        number = 0 if value is None else _number(value)
        if number == 0:
            return None
        if not 0 < number < math.inf:
            raise ValueError(
                f"{name} is {value!r}; it must be a number of steps such as 200, seconds such as 60.0 or '60s', or 0 or None for "
                "no refinement"
            )
        return cls(steps=number) if isinstance(number, int) else cls(seconds=number)

    def shared(self, paintings: int) -> "RefinementBudget":
        """The part of each of so many paintings of one photo: the same number of steps, but an equal part of the time.

        >>> RefinementBudget(seconds=60.0).shared(2)
        RefinementBudget(steps=None, seconds=30.0)
        """
        return self if self.seconds is None else RefinementBudget(seconds=self.seconds / paintings)


class LevelTimer:
    """Deals a budget out to levels of growing size, in time as their sides are to each other: a coarse level has many short
    steps.

    Args:
        sides: of the levels, coarse to fine.
        clock: what seconds are measured on.

    >>> timer = LevelTimer([256, 512], RefinementBudget(steps=30))
    >>> timer.steps
    [20, 10]
    """

    def __init__(self, sides: Sequence[int], budget: RefinementBudget, clock: Callable[[], float] = time.monotonic):
        self.sides, self.budget, self.clock = sides, budget, clock
        self.started = clock()
        self.level, self.done, self.begun, self.per_step = 0, 0, 0.0, math.nan
        self.steps = _dealt(budget.steps, [1 / side for side in sides]) if budget.steps is not None else []
        self.ends = [(budget.seconds or 0) * sum(sides[: n + 1]) / sum(sides) for n in range(len(sides))]

    def levels(self) -> Iterator[int]:
        """The sides to work at, one after the other; those that no step is left for are skipped."""
        for number, side in enumerate(self.sides):
            self.level, self.done, self.begun = number, 0, self.seconds
            if number:
                # until a step has been taken, as long as its pixels let expect
                self.per_step *= (side / self.sides[number - 1]) ** 2
            if self.another():
                yield side

    def another(self) -> bool:
        """Whether a step more fits into the level. The very first step always does."""
        if self.budget.steps is not None:
            return self.done < self.steps[self.level]
        return math.isnan(self.per_step) or self.seconds + _STEP_AND_JUDGING * self.per_step <= self.ends[self.level]

    def stepped(self) -> None:
        """A step has been done."""
        self.done += 1
        self.per_step = (self.seconds - self.begun) / self.done

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return self.clock() - self.started

    @property
    def seconds_left(self) -> float:
        """Estimated seconds to the end; infinite before the first of a number of steps."""
        if self.budget.seconds is not None:
            return max(self.budget.seconds - self.seconds, 0.0)
        if math.isnan(self.per_step):
            return math.inf
        done, whole = self._work()
        return self.per_step * (whole - done) / self.sides[self.level] ** 2

    @property
    def fraction(self) -> float:
        """Fraction of the whole work that is done, 0 to 1."""
        if self.budget.seconds is not None:
            return min(self.seconds / self.budget.seconds, 1.0)
        done, whole = self._work()
        return done / whole

    @property
    def fraction_of_level(self) -> float:
        """Fraction of the work of the present level that is done, 0 to 1."""
        if self.budget.steps is not None:
            return self.done / self.steps[self.level]
        return min((self.seconds - self.begun) / max(self.ends[self.level] - self.begun, 1e-9), 1.0)

    def _work(self) -> tuple[int, int]:
        """Done and in all, in pixels times steps."""
        of_levels = [steps * side**2 for steps, side in zip(self.steps, self.sides)]
        return sum(of_levels[: self.level]) + self.done * self.sides[self.level] ** 2, sum(of_levels)


def _number(value: object) -> int | float:
    """Steps as an integer, seconds as a float; NaN for what is neither."""
    if isinstance(value, str):
        text = value.strip().lower()
        for kind, number in ((int, text), (float, text.removesuffix("s"))):
            with contextlib.suppress(ValueError):
                return kind(number)
        return math.nan
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    return int(value) if isinstance(value, Integral) else float(value)


def _dealt(count: int, weights: Sequence[float]) -> list[int]:
    """So many pieces in the proportion of the weights, what does not come out even to the last."""
    bounds = [0, *(int(count * sum(weights[:n]) / sum(weights)) for n in range(1, len(weights))), count]
    return [after - before for before, after in zip(bounds, bounds[1:])]
