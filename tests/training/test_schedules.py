import math

import pytest
import torch
from diffusers.optimization import SchedulerType, get_scheduler

from styleadapt.errors import ConfigError
from styleadapt.training.schedules import SCHEDULES, advance_schedule, build_schedule, second_half_factor


def rates(name: str, steps: int, warmup: int = 0, total: int = 8, **options) -> list[float]:
    """Rates of the steps from a base rate of 1 (2 for a second group), before each step."""
    parameters = [torch.nn.Parameter(torch.ones(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": parameters[:1]}, {"params": parameters[1:], "lr": 2.0}], lr=1.0)
    schedule = build_schedule(name, optimizer, warmup, total, **options)
    seen = []
    for step in range(1, steps + 1):
        first, second = schedule.get_last_lr()
        assert second == pytest.approx(2 * first) and [group["lr"] for group in optimizer.param_groups] == [first, second]
        seen.append(first)
        optimizer.step()
        advance_schedule(schedule, step)
    return seen


# base rate 1 over 8 steps, worked out by hand
REFERENCE = {
    "constant": ({}, [1] * 8),
    "constant_with_warmup": ({"warmup": 2}, [0, 0.5] + [1] * 6),
    "linear": ({}, [1 - n / 8 for n in range(8)]),
    "cosine": ({}, [(1 + math.cos(math.pi * n / 8)) / 2 for n in range(8)]),
    "cosine_with_restarts": ({"num_cycles": 2}, [(1 + math.cos(math.pi * (n % 4) / 4)) / 2 for n in range(8)]),
    "polynomial": ({"power": 2.0}, [(1 - n / 8) ** 2 for n in range(8)]),
    "piecewise_constant": ({"step_rules": "1:2,0.5:4,0.25"}, [1, 1, 0.5, 0.5] + [0.25] * 4),
    "linear_second_half": ({}, [1, 1, 1, 1, 1, 0.75, 0.5, 0.25]),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_values_by_hand(name):
    options, expected = REFERENCE[name]
    assert rates(name, 8, **options) == pytest.approx(expected, abs=1e-6)


def test_all_of_diffusers_names_are_there():
    assert {kind.value for kind in SchedulerType} | {"linear_second_half"} == set(SCHEDULES)


def test_a_warm_up_leads_into_the_constant_half_and_the_end_is_zero():
    assert rates("linear_second_half", 9, warmup=2) == pytest.approx([0, 0.5, 1, 1, 1, 0.75, 0.5, 0.25, 0])
    assert second_half_factor(9, 0, 8) == 0.0


def test_the_base_training_keeps_its_curve():
    """What the engine asked of diffusers so far."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    theirs = get_scheduler("cosine", optimizer, num_warmup_steps=3, num_training_steps=8).lr_lambdas[0]
    assert rates("cosine", 8, warmup=3) == pytest.approx([theirs(n) for n in range(8)])


@pytest.mark.parametrize(
    "name, options", [("cosin", {}), ("piecewise_constant", {}), ("piecewise_constant", {"step_rules": "1:a,2"})]
)
def test_unknown_names_and_rules_are_refused(name, options):
    with pytest.raises(ConfigError, match=name):
        rates(name, 1, **options)


@pytest.mark.parametrize("name", ["cosine", "linear_second_half"])
def test_a_saved_schedule_goes_on_where_it_stood(name):
    optimizers = [torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0) for _ in range(2)]
    one, two = (build_schedule(name, optimizer, 0, 8) for optimizer in optimizers)
    advance_schedule(one, 6)
    two.load_state_dict(one.state_dict())
    optimizers[1].load_state_dict(optimizers[0].state_dict())
    assert optimizers[1].param_groups[0]["lr"] == optimizers[0].param_groups[0]["lr"] and one.get_last_lr() == two.get_last_lr()
    for schedule in (one, two):
        advance_schedule(schedule, 7)
    assert one.get_last_lr() == two.get_last_lr()


@pytest.mark.parametrize("name", ["cosine", "linear_second_half", "polynomial"])
def test_a_schedule_that_is_advanced_at_once_is_where_torch_steps_it_to(name):
    optimizers = [torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.3) for _ in range(2)]
    one, two = (build_schedule(name, optimizer, 2, 20) for optimizer in optimizers)
    for _ in range(13):
        optimizers[0].step()
        one.step()
    advance_schedule(two, 13)
    assert one.get_last_lr() == two.get_last_lr() and one.last_epoch == two.last_epoch
    assert optimizers[0].param_groups[0]["lr"] == optimizers[1].param_groups[0]["lr"]
