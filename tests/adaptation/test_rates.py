import pytest

from styleadapt.adaptation.schedules import SCHEDULES, rate_factor


@pytest.mark.parametrize(
    "name, at", [("constant", (1, 1, 1)), ("linear", (1, 0.5, 0)), ("linear_second_half", (1, 1, 0)), ("cosine", (1, 0.51, 0.02))]
)
def test_courses_at_start_middle_and_end(name, at):
    assert [rate_factor(name, 100, done) for done in (0.0, 0.5, 1.0)] == pytest.approx(at)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_rate_rises_over_the_first_steps(name):
    assert rate_factor(name, 0, 0.0) == pytest.approx(0.1)
    assert rate_factor(name, 4, 0.0) == pytest.approx(0.5)
