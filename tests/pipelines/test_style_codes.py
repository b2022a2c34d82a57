import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from PIL import Image
from torch import nn

from styleadapt.pipelines.style_codes import StyleCodes

CPU = torch.device("cpu")


class Mean(nn.Module):
    """An encoder whose code is the mean of each channel, scaled; it counts its calls."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()), requires_grad=False)
        self.calls = 0

    def forward(self, images):
        self.calls += 1
        return images.mean((2, 3)) * self.scale


def gray(level: int, size=(8, 6)) -> Image.Image:
    return Image.new("RGB", size, (level, level, level))


@pytest.fixture
def encoder():
    return Mean()


def test_an_image_of_the_same_pixels_is_encoded_once(encoder):
    codes = StyleCodes()
    first = codes.of(gray(51), encoder, CPU, torch.float32)
    assert torch.allclose(first, torch.full((1, 3), -0.6))
    assert torch.equal(codes.of(gray(51).copy(), encoder, CPU, torch.float32), first)
    assert encoder.calls == 1


def test_another_size_encoder_or_type_is_another_code(encoder):
    codes = StyleCodes()
    other = Mean()
    codes.of(gray(51), encoder, CPU, torch.float32)
    codes.of(gray(51, (6, 8)), encoder, CPU, torch.float32)
    assert codes.of(gray(51), encoder, CPU, torch.bfloat16).dtype == torch.bfloat16
    codes.of(gray(51), other, CPU, torch.float32)
    assert (encoder.calls, other.calls, len(codes)) == (3, 1, 4)


def test_changed_weights_give_a_new_code(encoder):
    codes = StyleCodes()
    before = codes.of(gray(51), encoder, CPU, torch.float32)
    with torch.no_grad():
        encoder.scale.mul_(2)
    assert torch.allclose(codes.of(gray(51), encoder, CPU, torch.float32), 2 * before)


def test_the_code_unused_the_longest_goes_first(encoder):
    codes = StyleCodes(capacity=2)
    for level in (0, 1, 0, 2, 0):
        codes.of(gray(level), encoder, CPU, torch.float32)
    assert (encoder.calls, len(codes)) == (3, 2)
    codes.of(gray(1), encoder, CPU, torch.float32)
    assert encoder.calls == 4


def test_a_copy_starts_empty(encoder):
    codes = StyleCodes(capacity=3)
    codes.of(gray(0), encoder, CPU, torch.float32)
    for copied in (copy.deepcopy(codes), pickle.loads(pickle.dumps(codes))):
        assert (len(copied), copied.capacity) == (0, 3)


def test_threads_may_share_one(encoder):
    codes = StyleCodes(capacity=4)
    levels = [17 * (n % 11) for n in range(330)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda level: float(codes.of(gray(level), encoder, CPU, torch.float32)[0, 0]), levels))
    assert found == pytest.approx([level / 127.5 - 1 for level in levels], abs=1e-6)
    assert len(codes) == 4
