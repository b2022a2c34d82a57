import math

import pytest
import torch

from styleadapt.adaptation.loop import check_budget, keep_best


class Course:
    """A run whose objective follows a list, an entry a check."""

    def __init__(self, objectives):
        self.objectives, self.steps, self.checks = objectives, [], 0

    def step(self, step, fraction):
        self.steps.append(fraction)

    def check(self):
        self.checks += 1
        return {"objective": self.objectives[min(self.checks, len(self.objectives)) - 1]}

    def average(self):
        return {"steps": torch.tensor(len(self.steps))}


def run(course, steps=10, check_every=2, patience=10, report=lambda moment: None):
    return keep_best(
        course,
        max_seconds=60,
        steps=steps,
        check_every=check_every,
        patience=patience,
        report=report,
        started=0.0,
        clock=lambda: 0.0,
    )


@pytest.mark.parametrize(
    "objectives, best, steps",
    [([5, 4, 3, 6], 4, 10), ([5, 6], 0, 10), ([5, 6, 6, 6, 6, 1], 10, 10), ([5, 6, 6, 6, 6, 1], 9, 9), ([5, 4, math.nan], 2, 4)],
    ids=["in the middle", "at the start", "at the last check", "after it", "until it broke"],
)
def test_the_best_state_is_kept(objectives, best, steps):
    outcome = run(course := Course(objectives), steps=9 if steps == 9 else 10)
    assert outcome.steps == len(course.steps) == steps
    assert int(outcome.best["steps"]) == best
    assert outcome.first == {"objective": 5} and outcome.figures["objective"] == min(o for o in objectives if o == o)


def test_no_state_is_checked_twice():
    run(course := Course([5, 4]))
    assert course.checks == 6


def test_it_ends_when_nothing_improves():
    assert run(Course([5, 6]), patience=3).steps == 6


def test_a_run_that_cannot_begin_takes_no_step():
    outcome = run(course := Course([math.nan]))
    assert (outcome.steps, course.steps) == (0, []) and math.isnan(outcome.first["objective"])


def test_reports_come_at_the_start_and_at_every_check_and_can_stop_it():
    seen = []

    def report(moment):
        seen.append((moment.step, moment.fraction))
        if moment.step == 4:
            moment.stop()

    assert run(Course([5, 4, 3]), report=report).steps == 4
    assert seen == [(0, 0.0), (2, 0.2), (4, 0.4)]


@pytest.mark.parametrize(
    "objectives, budget, last",
    [
        ([5, 4, 3], {}, (10, 3)),
        ([5, 4, 3], {"steps": 9}, (9, 3)),
        ([5, 4, 6], {"patience": 2}, (6, 4)),
        ([5, 4, math.nan], {}, (4, 4)),
    ],
    ids=["at a check", "between checks", "nothing improves", "it breaks"],
)
def test_the_last_report_is_of_the_end_and_of_the_best_state(objectives, budget, last):
    seen = []
    run(Course(objectives), report=seen.append, **budget)
    assert (seen[-1].step, seen[-1].figures["objective"], seen[-1].fraction, seen[-1].seconds_left) == (*last, 1.0, 0.0)
    assert [moment.step for moment in seen] == sorted({moment.step for moment in seen}), "one report a step"


def test_time_that_is_up_ends_with_a_report_too():
    seen, ticks = [], iter(range(1000))
    keep_best(
        Course([5, 4]), max_seconds=60, steps=None, check_every=2, patience=10, report=seen.append, started=0.0,
        clock=lambda: float(next(ticks)),
    )  # fmt: skip
    fractions = [moment.fraction for moment in seen]
    assert fractions == sorted(fractions) and len(set(fractions)) == len(fractions) > 3
    assert (seen[-1].fraction, seen[-1].seconds_left) == (1.0, 0.0)
    assert all(moment.seconds_left == pytest.approx(60 - moment.seconds) for moment in seen[1:-1])


@pytest.mark.parametrize("seconds, steps, message", [(60, 0, "`steps` is 0"), (0, None, "`max_seconds` is 0")])
def test_a_budget_that_is_none_is_refused(seconds, steps, message):
    with pytest.raises(ValueError, match=message):
        check_budget(seconds, steps)
