import copy

import pytest
import torch

from styleadapt.training.average import MovingAverage


def averaged(average: MovingAverage) -> list[torch.Tensor]:
    with average.in_place():
        return [parameter.detach().clone() for parameter in average.parameters]


def test_a_loaded_average_goes_on_where_it_stood(tmp_path):
    torch.manual_seed(0)
    module = torch.nn.Conv2d(4, 4, 3).to(memory_format=torch.channels_last)
    average = MovingAverage(list(module.parameters()), decay=0.9)

    def step(each):
        with torch.no_grad():
            for parameter in each.parameters:
                parameter.mul_(1.1)
        each.step()

    for _ in range(3):
        step(average)
    average.save(tmp_path)
    again = MovingAverage(list(copy.deepcopy(module).parameters()), decay=0.9)
    again.load(tmp_path, average.steps)
    for each in (average, again):
        step(each)
    assert again.steps == 4
    assert all(map(torch.equal, averaged(average), averaged(again)))


def test_the_average_of_other_parameters_is_not_taken(tmp_path):
    MovingAverage([torch.nn.Parameter(torch.ones(2))], decay=0.9).save(tmp_path)
    with pytest.raises(ValueError):
        MovingAverage([torch.nn.Parameter(torch.ones(2)) for _ in range(2)], decay=0.9).load(tmp_path, 1)
