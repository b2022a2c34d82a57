import time

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F

from layer_times import BETWEEN, IMAGES, layer_times


class Small(nn.Module):
    def __init__(self, wait=0.0):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3)
        self.conv2 = nn.Conv2d(8, 3, 3, padding=1, padding_mode="replicate")
        self.wait = wait

    def forward(self, x):
        h = F.relu(self.conv1(x))
        time.sleep(self.wait)
        h = h - h.mean((2, 3), keepdim=True)
        return self.conv2(F.interpolate(h, scale_factor=2, mode="bilinear") + 1)


def by_kind(call, repeats=1):
    return {part.kind: part for part in layer_times(call, repeats)}


@torch.inference_mode()
def test_every_kind_is_found_and_the_parts_make_the_whole():
    network, x = Small(), torch.rand(1, 3, 64, 64)
    network(x)
    start = time.perf_counter()
    parts = layer_times(lambda: network(x), repeats=1)
    outside = time.perf_counter() - start
    kinds = {part.kind for part in parts}
    expected = {"convolutions", "padding", "upsampling", "activations", "normalization and noise", "additions", IMAGES, BETWEEN}
    assert kinds >= expected and len(kinds) == len(parts)
    assert [part.seconds for part in parts] == sorted((part.seconds for part in parts), reverse=True)
    assert all(part.seconds >= 0 for part in parts) and 0 < sum(part.seconds for part in parts) < outside
    assert all(("::" in part.mostly) == (part.kind not in (IMAGES, BETWEEN)) for part in parts)


@torch.inference_mode()
def test_time_outside_the_network_and_between_its_operations_is_told_apart():
    network, x = Small(wait=0.2), torch.rand(1, 3, 16, 16)

    def call():
        time.sleep(0.3)
        network(x)
        time.sleep(0.1)

    parts = by_kind(call)
    assert parts[IMAGES].seconds >= 0.4 and parts[BETWEEN].seconds >= 0.2
    assert parts["convolutions"].seconds < parts[BETWEEN].seconds


@torch.inference_mode()
def test_the_fastest_call_is_taken_and_the_first_is_not():
    network, x = Small(), torch.rand(1, 3, 16, 16)
    waits = iter([0.0, 1.0, 0.1, 1.0])

    def call():
        time.sleep(next(waits))
        network(x)

    assert 0.1 <= by_kind(call, repeats=3)[IMAGES].seconds < 1
    assert next(waits, None) is None


def test_a_call_without_a_network_is_refused():
    with pytest.raises(ValueError, match="ran no convolution"):
        layer_times(lambda: torch.ones(3) + 1)
