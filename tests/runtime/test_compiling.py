import copy
import functools

import pytest
import torch
from torch._dynamo.utils import counters

from styleadapt.models.generator import StyleGenerator
from styleadapt.runtime.bands import render
from styleadapt.runtime.compiling import MAX_SIZES, CompiledRender

from ..conftest import TINY_GENERATOR

CODE = torch.linspace(-1, 1, TINY_GENERATOR["code_dim"])[None]


@pytest.fixture
def generator():
    torch.manual_seed(0)
    model = StyleGenerator(**TINY_GENERATOR).eval().requires_grad_(False)
    torch._dynamo.reset()
    counters.clear()
    yield model
    torch._dynamo.reset()


@pytest.fixture
def traced(monkeypatch):
    """Programs are traced and run as they are, which takes no compiler."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))


def photo(height: int, width: int) -> torch.Tensor:
    return torch.randint(256, (height, width, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(height + width))


def graphs() -> int:
    return counters["stats"]["unique_graphs"]


def difference(generator, compiled, pixels, dtype=None) -> float:
    expected = render(generator, pixels, CODE, dtype).float()
    return float((compiled(generator, pixels, CODE, dtype).float() - expected).abs().max())


def test_weights_and_copies_share_what_was_compiled_for_a_size(generator, traced):
    compiled = CompiledRender()
    assert difference(generator, compiled, photo(40, 50)) <= 1
    first = graphs()
    assert first > 0
    generator.blocks8[0].conv1.weight.mul_(1.5)
    assert difference(generator, compiled, photo(40, 50)) <= 1
    assert difference(copy.deepcopy(generator), compiled, photo(40, 50)) <= 1
    assert graphs() == first


def test_each_size_is_a_program_until_there_are_too_many(generator, traced):
    compiled = CompiledRender()
    for n in range(MAX_SIZES + 2):
        assert difference(generator, compiled, photo(16 + n, 20)) <= 1
    full = graphs()
    assert full == MAX_SIZES
    assert difference(generator, compiled, photo(16, 20)) <= 1
    assert difference(generator, compiled, photo(99, 20)) <= 1
    assert graphs() == full


def test_large_photos_are_not_compiled(generator, traced, monkeypatch):
    monkeypatch.setattr("styleadapt.runtime.compiling.MAX_PIXELS", 100)
    assert difference(generator, CompiledRender(), photo(10, 11)) == 0
    assert graphs() == 0


def test_bfloat16_is_calculated_in(generator, traced):
    compiled, pixels = CompiledRender(), photo(40, 50)
    exact, rounded = (compiled(generator, pixels, CODE, dtype).float() for dtype in (None, torch.bfloat16))
    assert 0 < (exact - rounded).abs().mean() < 3
    assert generator.dtype == torch.float32


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="`mode` is 'fastest'") as caught:
        CompiledRender("fastest")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_the_compiler_s_code_gives_the_same(generator):
    assert difference(generator, CompiledRender(), photo(77, 60)) <= 1
