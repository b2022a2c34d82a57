import struct
import zlib

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt.errors import ImageError
from styleadapt.pipelines.picture_files import save_picture
from styleadapt.pipelines.pictures import read_picture

from ..conftest import smooth_noise

RNG = np.random.default_rng(0)


def returned(source):
    picture = read_picture(source)
    return picture, picture.result(picture.pixels)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_8_bits_come_back_as_they_were(mode):
    source = smooth_noise((20, 14), 0).convert(mode)
    if "A" in mode:
        source.putalpha(Image.fromarray(RNG.integers(0, 256, (14, 20), np.uint8)))
    picture, result = returned(source)
    assert result.mode == mode and np.array_equal(np.asarray(result), np.asarray(source))
    assert picture.pixels.shape == (14, 20, 3) and picture.gray == mode.startswith("L") and not picture.deep


@pytest.mark.parametrize("shape", [(14, 20), (14, 20, 3), (14, 20, 4)])
def test_16_bits_come_back_as_they_were_from_a_file_and_from_an_array(shape, tmp_path):
    levels = RNG.integers(0, 65536, shape, np.uint16)
    swapped = levels if levels.ndim == 2 else cv2.cvtColor(levels, cv2.COLOR_RGBA2BGRA if shape[-1] == 4 else cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(tmp_path / "deep.png"), swapped)
    for source in (levels, tmp_path / "deep.png"):
        picture, result = returned(source)
        assert picture.deep and np.array_equal(np.asarray(result), levels)
        assert isinstance(result, Image.Image) == (len(shape) == 2)


def test_gray_of_16_bits_in_pillow():
    levels = RNG.integers(0, 65536, (5, 4), np.uint16)
    _, result = returned(Image.fromarray(levels))
    assert result.mode == "I;16" and np.array_equal(np.asarray(result), levels)


def test_noise_of_a_float_image_goes_beyond_black_and_white():
    noisy = (RNG.random((6, 7, 3)) + RNG.normal(0, 0.2, (6, 7, 3))).astype(np.float32)
    picture, result = returned(noisy)
    assert np.allclose(picture.pixels, 2 * noisy - 1, atol=1e-6)
    assert np.array_equal(np.asarray(result), np.clip(np.rint(noisy * 255), 0, 255))
    assert returned(noisy[..., 0])[1].mode == "L"


@pytest.mark.parametrize(
    "source, message",
    [
        (np.full((3, 3, 3), np.nan), "NaN or infinite"),
        (np.full((3, 3, 3), 128.0), "divide by 255"),
        (np.zeros((3, 3, 2)), "shape"),
        (np.zeros((0, 3), np.uint16), "shape"),
        (np.zeros((2, 2), np.int64), "int64"),
        ("nowhere.png", "does not exist"),
    ],
)
def test_what_is_no_picture_is_refused(source, message):
    with pytest.raises(ImageError, match=message):
        read_picture(source)


def test_floats_are_taken_from_tensors_and_from_pillow():
    noisy = (RNG.random((6, 7, 3)) + RNG.normal(0, 0.2, (6, 7, 3))).astype(np.float32)
    expected = read_picture(noisy)
    given = torch.from_numpy(noisy).permute(2, 0, 1)
    for tensor in (given, given.double()):
        assert np.allclose(read_picture(tensor).pixels, expected.pixels, atol=1e-6)
    gray = read_picture(Image.fromarray(noisy[..., 0]))
    assert gray.gray and np.allclose(gray.pixels[..., 1], 2 * noisy[..., 0] - 1)
    assert read_picture(given[:1]).gray and not read_picture((given.clamp(0, 1) * 255).to(torch.uint8)).gray


@pytest.mark.parametrize("mode", ["L", "I;16", "RGB"])
def test_a_long_text_does_not_hide_what_a_png_file_holds(mode, tmp_path):
    source = Image.new(mode, (6, 5), 77) if mode != "RGB" else np.full((5, 6, 3), 7700, np.uint16)
    save_picture(source, tmp_path / "plain.png")
    plain = (tmp_path / "plain.png").read_bytes()
    text = b"zTXtComment\0\0" + zlib.compress(b"a" * 3_000_000)
    data = plain[:33] + struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text)) + plain[33:]
    expected, found = read_picture(plain), read_picture(data)
    assert (found.gray, found.deep) == (expected.gray, expected.deep) == (mode != "RGB", mode != "L")
    assert np.array_equal(found.pixels, expected.pixels)
