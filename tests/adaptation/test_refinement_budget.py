import math

import numpy as np
import pytest

from styleadapt.adaptation.refinement_budget import LevelTimer, RefinementBudget


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def run(timer: LevelTimer, clock: Clock, cost: dict[int, float]) -> dict[int, int]:
    """Steps at each side, where a step of a side takes `cost` seconds."""
    counted = {}
    for side in timer.levels():
        while timer.another():
            clock.now += cost[side]
            timer.stepped()
        counted[side] = timer.done
    return counted


@pytest.mark.parametrize("off", [None, 0, 0.0, "0", "0s"])
def test_nothing_and_zero_are_off(off):
    assert RefinementBudget.read(off) is None


@pytest.mark.parametrize("steps", [200, "200", " 200 ", np.int64(200)])
def test_integers_are_steps(steps):
    assert RefinementBudget.read(steps) == RefinementBudget(steps=200)


@pytest.mark.parametrize("seconds", [1.5, "1.5s", "1.5 S", "1.5", np.float64(1.5)])
def test_other_numbers_are_seconds(seconds):
    assert RefinementBudget.read(seconds) == RefinementBudget(seconds=1.5)


@pytest.mark.parametrize(
    "bad", [-1, -0.5, "-3s", math.nan, math.inf, "infs", "nans", "inf", "nan", True, False, "abc", "", "s", [3], 1j]
)
def test_all_else_is_refused_by_name(bad):
    with pytest.raises(ValueError, match=r"--refine is .*; it must be a number of steps such as 200, seconds"):
        RefinementBudget.read(bad, "--refine")


def test_paintings_share_seconds_and_not_steps():
    assert RefinementBudget(seconds=9.0).shared(3).seconds == 3 and RefinementBudget(steps=9).shared(3).steps == 9


@pytest.mark.parametrize(("steps", "dealt"), [(1, [0, 0, 1]), (6, [3, 1, 2]), (660, [360, 180, 120])])
def test_steps_are_all_taken_and_coarse_levels_have_most(steps, dealt):
    clock = Clock()
    timer = LevelTimer([256, 512, 768], RefinementBudget(steps=steps), clock)
    assert timer.steps == dealt
    counted = run(timer, clock, {256: 1, 512: 4, 768: 9})
    assert sum(counted.values()) == steps and timer.fraction == 1 and timer.seconds_left == pytest.approx(0)


def test_seconds_are_kept_and_dealt_out_as_the_sides_are():
    clock = Clock()
    timer = LevelTimer([256, 512], RefinementBudget(seconds=60.0), clock)
    counted = run(timer, clock, {256: 0.05, 512: 0.2})
    assert 55 < timer.seconds <= 60
    assert 0.05 * counted[256] == pytest.approx(20, abs=0.5) and 0.2 * counted[512] == pytest.approx(40, abs=1)


def test_a_slow_machine_takes_one_coarse_step_and_skips_the_fine_ones():
    clock = Clock()
    timer = LevelTimer([256, 512], RefinementBudget(seconds=0.5), clock)
    assert run(timer, clock, {256: 1.0, 512: 4.0}) == {256: 1}


def test_fractions_grow_and_time_left_falls():
    clock = Clock()
    timer = LevelTimer([256, 512], RefinementBudget(steps=12), clock)
    fractions, left = [], []
    for side in timer.levels():
        while timer.another():
            assert 0 <= timer.fraction_of_level < 1
            fractions.append(timer.fraction)
            left.append(timer.seconds_left)
            clock.now += side / 256
            timer.stepped()
    assert fractions == sorted(fractions) and fractions[0] == 0 and left[0] == math.inf
    assert left[1] == pytest.approx(7 + 4 * 4)  # a pixel more is expected to cost as much
