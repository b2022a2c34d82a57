import pytest
import torch

from styleadapt.images.images import tensor_to_image
from styleadapt.models.generator import StyleGenerator
from styleadapt.models.layers import AdaLIN, channel_moments
from styleadapt.runtime.bands import _moments, render

from ..conftest import TINY_GENERATOR


def generator() -> StyleGenerator:
    """A small one whose every part shows in the picture."""
    torch.manual_seed(0)
    model = StyleGenerator(channels=(8, 12), blocks=(2, 2), half_channels=6, full_channels=5, code_dim=16).eval()
    for name, parameter in model.named_parameters():
        if "noise" in name or "pixel_gain" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def photo(height: int, width: int) -> torch.Tensor:
    """Light and dark areas, fine grain."""
    rng = torch.Generator().manual_seed(height * width)
    coarse = torch.rand(1, 3, 6, 6, generator=rng)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    grain = 0.2 * torch.rand(1, 3, height, width, generator=rng)
    return ((0.8 * smooth + grain)[0].permute(1, 2, 0) * 255).byte()


@torch.inference_mode()
def whole(model: StyleGenerator, pixels: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
    """What `forward` makes of all rows at once, in bytes."""
    x = pixels.permute(2, 0, 1)[None].float().div(127.5).sub(1)
    levels = model(x, code).sample[0].add(1).mul(127.5).round().permute(1, 2, 0)
    return levels.byte()


SIZES = [(1, 1), (3, 200), (64, 64), (130, 97), (257, 80), (520, 40)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("band_pixels", [1, 1 << 20])
def test_the_picture_is_that_of_the_whole_in_one_band_and_in_many(size, band_pixels):
    model, pixels, code = generator(), photo(*size), torch.randn(1, 16, generator=torch.Generator().manual_seed(1))
    expected, found = whole(model, pixels, code), render(model, pixels, code, band_pixels=band_pixels)
    assert found.shape == pixels.shape
    difference = (found.float() - expected.float()).abs()
    assert difference.max() <= 1
    assert difference.mean() < 0.01


def test_no_step_shows_where_bands_meet():
    model, pixels, code = generator(), photo(700, 90), torch.randn(1, 16, generator=torch.Generator().manual_seed(2))
    difference = render(model, pixels, code, band_pixels=1).float() - whole(model, pixels, code).float()
    by_row = difference.mean((1, 2)).abs()
    assert by_row.max() < 0.1


def test_tiles_with_statistics_of_their_own_would_not_pass():
    model, pixels, code = generator(), photo(700, 90), torch.randn(1, 16, generator=torch.Generator().manual_seed(2))
    half = torch.cat([render(model, part.contiguous(), code) for part in pixels.chunk(2)])
    assert (half.float() - whole(model, pixels, code).float()).abs().mean() > 1


def test_memory_of_the_full_resolution_is_not_held(monkeypatch):
    """The widest map that is ever painted at full resolution is a band's."""
    model, pixels, code = generator(), photo(600, 64), torch.zeros(1, 16)
    rows = []
    original = type(model.to_rgb)._conv_forward

    def watched(layer, x, weight, bias):
        if layer is model.to_rgb:
            rows.append(x.shape[2])
        return original(layer, x, weight, bias)

    monkeypatch.setattr(type(model.to_rgb), "_conv_forward", watched)
    render(model, pixels, code, band_pixels=1)
    assert 600 <= sum(rows) < 1000
    assert max(rows) <= 64 + 4


def test_maps_in_bfloat16_give_nearly_the_same_picture():
    model, pixels, code = generator(), photo(130, 97), torch.randn(1, 16, generator=torch.Generator().manual_seed(3))
    exact, rounded = render(model, pixels, code), render(model, pixels, code, dtype=torch.bfloat16)
    difference = (exact.float() - rounded.float()).abs().mean()
    assert 0 < difference < 3
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_generator_in_half_precision_renders_in_it(dtype):
    model, pixels, code = generator(), photo(40, 50), torch.ones(1, 16)
    exact = render(model, pixels, code).float()
    assert (render(model.to(dtype), pixels, code.to(dtype)) - exact).abs().mean() < 3


def test_moments_are_those_of_all_devices():
    x = torch.randn(1, 5, 7, 9)
    for found, expected in zip(_moments(x), channel_moments(x)):
        torch.testing.assert_close(found, expected)
    assert [m.shape for m in _moments(x.to("meta"))] == [(1, 5), (1, 5)]


def test_the_photo_is_left_as_it_was():
    model, pixels = generator(), photo(40, 50)
    before = pixels.clone()
    render(model, pixels, torch.zeros(1, 16))
    assert torch.equal(pixels, before)


def test_damaged_weights_are_told():
    model = generator()
    with torch.no_grad():
        model.blocks4[0].conv1.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        render(model, photo(20, 20), torch.zeros(1, 16))


def test_bytes_are_rounded_as_images_are():
    model, pixels, code = generator(), photo(33, 47), torch.zeros(1, 16)
    x = pixels.permute(2, 0, 1)[None].float().div(127.5).sub(1)
    with torch.inference_mode():
        image = tensor_to_image(model(x, code).sample)[0]
    levels = torch.tensor(list(image.get_flattened_data())).view(33, 47, 3)
    assert (render(model, pixels, code).int() - levels).abs().max() <= 1


def test_coefficients_are_the_layer():
    torch.manual_seed(0)
    layer, x, code = AdaLIN(6, 4), torch.randn(2, 6, 9, 11), torch.randn(2, 4)
    scale, shift = layer.coefficients(x.mean((2, 3)), x.var((2, 3), unbiased=False), code)
    torch.testing.assert_close(layer(x, code), x * scale[..., None, None] + shift[..., None, None])


def test_bands_follow_the_kernels_of_the_code(monkeypatch):
    torch.manual_seed(0)
    generator = StyleGenerator(**TINY_GENERATOR, kernel_rank=2).eval()
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith("basis_out"):
                parameter.normal_(std=0.2)
    photo = torch.randint(0, 256, (150, 90, 3), dtype=torch.uint8)
    code = torch.randn(1, TINY_GENERATOR["code_dim"])
    whole = generator(photo.permute(2, 0, 1)[None].float() / 127.5 - 1, code).sample
    expected = ((whole[0] + 1) * 127.5).round().clamp(0, 255).permute(1, 2, 0)
    assert (render(generator, photo, code, band_pixels=64 * 98).float() - expected).abs().max() <= 1
