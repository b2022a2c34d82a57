"""Files as users have them, through the whole pipeline: each is stylized as a viewer shows it, or refused by name."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from styleadapt import ImageError

from ..conftest import smooth_noise


@pytest.fixture
def stylize(tiny_pipe, painting):
    """One photo in, one picture out, at full strength."""
    return lambda photo: tiny_pipe(photo, style=painting).images[0]


def assert_same(result: Image.Image, expected: Image.Image) -> None:
    assert (result.mode, result.size) == (expected.mode, expected.size)
    assert np.array_equal(result, expected)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "tiff"])
def test_a_truncated_photo_is_refused_by_name(stylize, photo, tmp_path, suffix):
    file = tmp_path / f"half.{suffix}"
    photo.save(file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(ImageError, match=f"half.{suffix}") as caught:
        stylize(file)
    assert "\n" not in str(caught.value)


def test_a_truncated_style_image_is_refused_by_name(tiny_pipe, photo, painting, tmp_path):
    painting.save(tmp_path / "half.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "half.png").read_bytes()[:100])
    with pytest.raises(ImageError, match="half.png"):
        tiny_pipe(photo, style=tmp_path / "half.png")


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_rotated_photo_comes_back_upright(stylize, photo, tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo.save(tmp_path / "turned.jpg", exif=exif)
    with Image.open(tmp_path / "turned.jpg") as file:
        upright = ImageOps.exif_transpose(file)
    result = stylize(tmp_path / "turned.jpg")
    assert result.size == (photo.size[::-1] if orientation >= 5 else photo.size)
    assert not result.getexif()
    assert_same(result, stylize(upright))


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_of_an_animation_the_first_frame_is_taken(stylize, photo, tmp_path, suffix):
    file = tmp_path / f"moving.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {}
    first = photo.quantize(64).convert("RGB")
    first.save(file, save_all=True, append_images=[smooth_noise(photo.size, seed) for seed in (8, 9)], **options)
    with Image.open(file) as animation:
        assert animation.n_frames == 3
        shown = animation.convert("RGB")
    assert_same(stylize(file), stylize(shown))


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bits_are_scaled_not_clipped(stylize, photo, tmp_path, suffix):
    gray = photo.convert("L")
    Image.fromarray(np.asarray(gray).astype(np.uint16) * 257).save(tmp_path / f"deep.{suffix}")
    assert_same(stylize(tmp_path / f"deep.{suffix}"), stylize(gray))


@pytest.mark.parametrize("suffix", ["jpg", "tiff"])
def test_cmyk_is_converted(stylize, photo, tmp_path, suffix):
    photo.convert("CMYK").save(tmp_path / f"print.{suffix}")
    with Image.open(tmp_path / f"print.{suffix}") as file:
        assert file.mode == "CMYK"
        shown = file.convert("RGB")
    assert_same(stylize(tmp_path / f"print.{suffix}"), stylize(shown))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "1"])
def test_one_pixel_comes_back_as_one(stylize, tmp_path, mode):
    Image.new(mode, (1, 1)).save(tmp_path / "dot.png")
    result = stylize(tmp_path / "dot.png")
    assert result.size == (1, 1) and result.mode == ("RGBA" if mode == "RGBA" else "RGB")


def test_a_style_image_of_one_pixel_is_taken(tiny_pipe, photo):
    assert tiny_pipe(photo, style=Image.new("RGB", (1, 1), "red")).images[0].size == photo.size


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff"])
def test_alpha_is_kept_to_the_bit(stylize, photo, tmp_path, suffix):
    alpha = Image.linear_gradient("L").resize(photo.size)
    clear = photo.copy()
    clear.putalpha(alpha)
    options = {"lossless": True, "exact": True} if suffix == "webp" else {}
    clear.save(tmp_path / f"clear.{suffix}", **options)
    result = stylize(tmp_path / f"clear.{suffix}")
    assert_same(result.getchannel("A"), alpha)
    assert_same(result.convert("RGB"), stylize(photo))


def test_the_transparent_color_of_a_palette_becomes_alpha(stylize, photo, tmp_path):
    palette = photo.quantize(16)
    palette.save(tmp_path / "sticker.png", transparency=3)
    result = stylize(tmp_path / "sticker.png")
    assert_same(result.getchannel("A"), Image.fromarray(np.where(np.asarray(palette) == 3, 0, 255).astype(np.uint8)))


def test_a_truncated_mask_is_refused_by_name(tiny_pipe, photo, painting, tmp_path):
    photo.save(tmp_path / "half.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "half.png").read_bytes()[:100])
    with pytest.raises(ImageError, match="half.png"):
        tiny_pipe(photo, style=painting, mask=tmp_path / "half.png")


def test_a_rotated_mask_is_taken_upright(tiny_pipe, photo, painting, tmp_path):
    mask = Image.new("L", photo.size)
    mask.paste(255, (0, 0, photo.width, 16))
    exif = Image.Exif()
    exif[0x0112] = 6
    mask.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    results = [tiny_pipe(photo, style=painting, mask=m, mask_feather=0).images[0] for m in (mask, tmp_path / "turned.png")]
    assert_same(*results)


def test_a_mask_of_one_pixel_covers_all(tiny_pipe, photo, painting, stylize):
    assert_same(tiny_pipe(photo, style=painting, mask=Image.new("1", (1, 1), 1)).images[0], stylize(photo))
