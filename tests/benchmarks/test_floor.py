import itertools

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F

import floor
from floor import convolution_rate, machine_rate, multiply_adds
from styleadapt.models.generator import StyleGenerator

from ..conftest import TINY_GENERATOR


class Mixed(nn.Module):
    """A strided convolution, one that is no module, and a linear layer."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1, padding_mode="replicate")
        self.linear = nn.Linear(8, 5)

    def forward(self, x):
        x = F.conv2d(self.conv(x), torch.ones(8, 8, 1, 1, device=x.device))
        return self.linear(x.mean((2, 3)))


def test_layers_and_functions_count_alike_and_the_network_stays():
    network = Mixed()
    # the maps are 10 x 4
    assert multiply_adds(network, (2, 3, 20, 8)) == 2 * (40 * 8 * 27 + 40 * 8 * 8 + 8 * 5)
    assert {p.device.type for p in network.parameters()} == {"cpu"}


def test_the_generators_grow_with_the_pixels_without_taking_memory():
    generator = StyleGenerator(**TINY_GENERATOR)
    # the margin brings them to 800 and 8,000
    small, large = (multiply_adds(generator, (1, 3, side, side), (1, 16)) for side in (792, 7992))
    assert large / small == pytest.approx(100, rel=0.01)
    assert 500 < large / 8000**2 < 5000


@pytest.fixture
def clock(monkeypatch):
    """Sets how long each call of a convolution takes, and notes what is convolved."""
    convolved = []

    def convolve(x, weight, **_):
        assert x.is_contiguous(memory_format=torch.channels_last) and x.dtype == weight.dtype
        convolved.append((*x.shape[1:], x.dtype))

    def set_to(*seconds):
        edges = itertools.accumulate(itertools.chain.from_iterable((1.0, taken) for taken in seconds))
        monkeypatch.setattr(floor.time, "perf_counter", lambda: next(edges))
        return convolved

    monkeypatch.setattr(floor.F, "conv2d", convolve)
    return set_to


def test_the_fastest_call_counts_but_for_the_first(clock):
    convolved = clock(0.125, 1.0, 0.5, 0.75)
    rate = convolution_rate(4, 6, 10, torch.bfloat16, repeats=3)
    assert rate == pytest.approx(9 * 4 * 4 * 6 * 10 / 0.5)
    assert convolved == [(4, 6, 10, torch.bfloat16)] * 4


def test_the_machine_is_as_fast_as_on_its_best_maps(clock):
    clock(1.0, 1.0, 1.0, 0.25)
    assert machine_rate(maps=((4, 6, 10), (2, 6, 10)), repeats=1) == pytest.approx(9 * 4 * 60 / 0.25)
