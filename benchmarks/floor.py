"""Computes the least time that a convolutional network can take: its multiply-adds over this machine's rate of convolution."""

import copy
import time

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

# channels, height and width of the maps at 1/8 and at 1/4 of a photo of 1024 px, where most of the generator's arithmetic is
TYPICAL = ((96, 128, 128), (48, 256, 256))


def multiply_adds(network: nn.Module, *shapes: tuple[int, ...]) -> int:
    """Multiply-adds of one forward pass: of convolutions and of products of matrices, whatever layer or function calls them.

    They are counted on tensors without data, so any size costs neither memory nor arithmetic, and `network` is left as it was.

    Args:
        network: where it lies does not matter.
        shapes: of its inputs.

    >>> multiply_adds(nn.Conv2d(3, 8, 3, padding=1), (1, 3, 10, 10))
    21600
    """
    outline = copy.deepcopy(network).to("meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        outline(*(torch.empty(shape, device="meta") for shape in shapes))
    return counter.get_total_flops() // 2


def convolution_rate(channels: int, height: int, width: int, dtype: torch.dtype = torch.float32, repeats: int = 30) -> float:
    """Multiply-adds a second of a 3x3 convolution between maps `(1, channels, height, width)` in channels_last, on the CPU with
    the threads that are set: the fastest of `repeats` calls, after one that warms up.

    >>> convolution_rate(8, 16, 16, repeats=3) > 1e6
    True
    """
    x = torch.rand(1, channels, height, width).to(dtype, memory_format=torch.channels_last)
    weight = torch.rand(channels, channels, 3, 3).to(dtype, memory_format=torch.channels_last)
    seconds = []
    with torch.inference_mode():
        for _ in range(repeats + 1):
            start = time.perf_counter()
            F.conv2d(x, weight, padding=1)
            seconds.append(time.perf_counter() - start)
    return 9 * channels * channels * height * width / min(seconds[1:])


def machine_rate(
    dtype: torch.dtype = torch.float32, maps: tuple[tuple[int, int, int], ...] = TYPICAL, repeats: int = 30
) -> float:
    """The best `convolution_rate` over `maps` (channels, height, width): what a network of such maps could reach at most.

    >>> machine_rate(maps=((4, 8, 8), (8, 16, 16)), repeats=3) > 1e6
    True
    """
    return max(convolution_rate(*sides, dtype=dtype, repeats=repeats) for sides in maps)
