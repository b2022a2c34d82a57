import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt import ImageError
from styleadapt.pipelines.regions import read_mask, region_opacities

from ..conftest import smooth_noise

SIZE = (60, 40)


def left_half(size=SIZE) -> Image.Image:
    mask = Image.new("L", size)
    mask.paste(255, (0, 0, size[0] // 2, size[1]))
    return mask


def laid_over(ground: int, levels, masks, mask_feather=0.0) -> np.ndarray:
    """Plain pictures of gray `levels` laid over each other, `(H, W)`."""
    result = Image.new("L", SIZE, ground)
    for level, opacity in zip(levels, region_opacities(masks, SIZE, mask_feather)):
        result = Image.composite(Image.new("L", SIZE, level), result, opacity)
    return np.asarray(result, float)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "I;16"])
def test_a_mask_without_alpha_is_its_brightness(mode):
    mask = left_half()
    deep = Image.fromarray(np.asarray(mask).astype(np.uint16) * 257)
    assert np.array_equal(read_mask(deep if mode == "I;16" else mask.convert("RGB").convert(mode)), mask)


def test_arrays_and_tensors_of_uint8_may_hold_truth_values():
    truth = (np.asarray(left_half()) > 0).astype(np.uint8)
    for given in (truth, torch.from_numpy(truth), truth > 0, truth * 255):
        assert np.array_equal(read_mask(given), left_half())
    assert np.asarray(read_mask(Image.fromarray(truth))).max() == 1


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_a_mask_that_is_not_opaque_is_its_alpha(mode):
    painted = Image.new(mode, SIZE)
    painted.putalpha(left_half())
    assert np.array_equal(read_mask(painted), left_half())
    opaque = left_half().convert(mode)
    assert opaque.getchannel("A").getextrema() == (255, 255)
    assert np.array_equal(read_mask(opaque), left_half())


@pytest.mark.parametrize("mask", [Image.new("L", SIZE), Image.new("RGBA", SIZE, (255, 255, 255, 0))])
def test_a_mask_that_covers_nothing_is_refused_by_name(mask):
    with pytest.raises(ImageError, match="`mask` 2 of 3 is black or transparent all over"):
        read_mask(mask, "`mask` 2 of 3")


def test_a_file_that_is_no_image_is_refused_by_name(tmp_path):
    (tmp_path / "mask.png").write_text("no image")
    with pytest.raises(ImageError, match="mask.png"):
        read_mask(tmp_path / "mask.png")


def test_pictures_are_shared_by_weight_whatever_the_order():
    masks = [smooth_noise(SIZE, seed).convert("L").point(lambda level, seed=seed: level * seed // 3) for seed in (1, 2, 3)]
    weights = np.stack([np.asarray(mask, float) for mask in masks])
    total = weights.sum(0)
    assert (total < 255).any() and (total > 255).any()
    weights /= np.maximum(total, 255)
    levels = (40, 120, 250)
    expected = np.tensordot(levels, weights, 1) + 200 * (1 - weights.sum(0))
    assert np.abs(laid_over(200, levels, masks) - expected).max() <= 3
    assert np.abs(laid_over(200, levels[::-1], masks[::-1]) - expected).max() <= 3


def test_equal_pictures_stay_to_the_bit_and_uncovered_ground_too():
    masks = [smooth_noise(SIZE, seed).convert("L") for seed in (1, 2)]
    assert (laid_over(77, (77, 77), masks, 0.1) == 77).all()
    found = laid_over(200, (10,), [left_half()])
    assert (found[:, :30] == 10).all() and (found[:, 30:] == 200).all()


@pytest.mark.parametrize("mask_feather", [0.1, 0.3])
def test_a_border_is_as_wide_as_the_feather_says(mask_feather):
    size = (400, 20)
    row = np.asarray(region_opacities([left_half(size)], size, mask_feather)[0])[10].astype(int)
    assert (np.diff(row) <= 0).all() and row[0] == 255 and row[-1] == 0
    assert abs(int(row[199]) + int(row[200]) - 255) <= 2
    slope = ((row > 0) & (row < 255)).sum()
    assert 0.75 * mask_feather * 400 <= slope <= mask_feather * 400 + 4


def test_a_mask_of_any_size_is_stretched_to_the_photo():
    [opacity] = region_opacities([left_half((6, 50))], SIZE, 0)
    assert opacity.size == SIZE
    assert (np.asarray(opacity)[:, :20] == 255).all() and (np.asarray(opacity)[:, 40:] == 0).all()


def test_a_photo_higher_than_a_band_of_rows_has_no_step():
    size = (3, 700)
    mask = Image.linear_gradient("L").resize(size)
    [opacity] = region_opacities([mask], size, 0)
    assert np.array_equal(opacity, mask)


def test_a_photo_of_one_pixel_is_taken():
    assert region_opacities([left_half()], (1, 1), 0.5)[0].size == (1, 1)
