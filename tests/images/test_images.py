"""`images.images`: every kind of source becomes the picture a viewer shows, and every bad one a one-line error that names it."""

import errno
import io
import os
import resource
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from styleadapt.errors import ImageError
from styleadapt.images import images
from styleadapt.images.images import image_to_tensor, load_image, open_image, save_image, split_alpha, tensor_to_image

from ..conftest import smooth_noise

ORIENTATION = 0x0112
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def png(width: int, height: int, bits: int, color: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG by hand; `rows` come with their filter bytes."""
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    packed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(image: Image.Image) -> list:
    return np.asarray(image).reshape(-1, len(image.getbands())).tolist()


def refusal(source, **options) -> str:
    with pytest.raises(ImageError) as caught:
        load_image(source, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def swapped_profile() -> bytes:
    """An sRGB profile in which red and green have changed places."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"????", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"????", b"gXYZ", 1)


class TestSources:
    def test_every_source_gives_the_same_picture(self, picture, tmp_path):
        path = tmp_path / "a.png"
        image = Image.fromarray(picture)
        image.save(path)
        data = path.read_bytes()
        pipe_in, pipe_out = os.pipe()
        os.write(pipe_out, data)
        os.close(pipe_out)
        with open(path, "rb") as file, os.fdopen(pipe_in, "rb") as pipe, Image.open(path) as lazy:
            file.seek(9)
            for source in (path, str(path), file, pipe, io.BytesIO(data), data, image, lazy, picture, picture[:, ::-1][:, ::-1]):
                loaded = load_image(source)
                assert loaded.mode == "RGB"
                assert np.array_equal(loaded, picture)
            assert not file.closed

    def test_result_is_independent_of_the_source(self, picture):
        image = Image.fromarray(picture)
        load_image(image).paste("white", (0, 0, 7, 5))
        rgba = np.zeros((2, 2, 4), np.uint8)
        loaded = load_image(rgba)
        rgba[:] = 9
        assert np.array_equal(image, picture)
        assert loaded.getpixel((0, 0)) == (0, 0, 0, 0)

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM"])
    def test_formats_are_known_by_content(self, kind, tmp_path):
        path = tmp_path / "misnamed.txt"
        path.write_bytes(encoded(Image.new("RGB", (4, 3), (200, 40, 40)), kind))
        assert np.abs(np.asarray(load_image(path), int) - (200, 40, 40)).max() < 8

    def test_arrays(self):
        assert pixels(load_image(np.array([[0, 128, 129, 65535]], np.uint16))) == [[0] * 3, [0] * 3, [1] * 3, [255] * 3]
        assert pixels(load_image(np.array([[0, 65535]], ">u2"))) == [[0] * 3, [255] * 3]
        assert pixels(load_image(np.array([[[0.0], [0.5], [1.0]]], np.float16))) == [[0] * 3, [128] * 3, [255] * 3]
        assert pixels(load_image(np.full((1, 1, 4), 0.2))) == [[51] * 4]

    @pytest.mark.parametrize(
        ("array", "complaint"),
        [
            (np.zeros((0, 3), np.uint8), "no pixels (3 x 0)"),
            (np.zeros((2, 2, 2), np.uint8), "shape (2, 2, 2)"),
            (np.zeros(4, np.uint8), "shape (4,)"),
            (np.zeros((2, 2), np.int64), "dtype int64"),
            (np.full((2, 2), np.nan), "NaN"),
            (np.full((2, 2), np.inf), "from inf to inf"),
            (np.full((2, 2, 3), 255.0), "from 255 to 255"),
            (np.full((2, 2), -0.1), "from -0.1"),
        ],
    )
    def test_bad_arrays(self, array, complaint):
        message = refusal(array)
        assert message.startswith("the array ")
        assert complaint in message

    def test_wrong_type(self):
        with pytest.raises(TypeError, match="NoneType"):
            load_image(None)


class TestModes:
    @pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBX", "YCbCr", "HSV", "LAB", "CMYK", "P"])
    def test_opaque_modes(self, mode):
        gray = load_image(Image.new("RGB", (3, 2), "white").convert(mode))
        assert gray.mode == "RGB"
        assert min(low for low, _ in gray.getextrema()) >= 253

    @pytest.mark.parametrize("mode", ["LA", "La", "RGBA", "RGBa", "PA"])
    def test_alpha_modes(self, mode):
        source = Image.new("LA", (1, 1), (200, 128))
        source = source.convert(mode) if mode in ("La", "RGBA") else source.convert("RGBA").convert(mode)
        loaded = load_image(source)
        assert loaded.mode == "RGBA"
        assert np.abs(np.array(pixels(loaded)[0]) - (200, 200, 200, 128)).max() <= 2

    def test_16_bit_gray_png_is_scaled(self):
        values = [0, 128, 129, 257, 32768, 65535]
        data = png(6, 1, 16, 0, b"\0" + struct.pack(">6H", *values))
        assert pixels(load_image(data)) == [[round(v / 257)] * 3 for v in values]

    def test_16_bit_color_png(self):
        assert pixels(load_image(png(1, 1, 16, 2, b"\0" + struct.pack(">3H", 0, 0x8080, 65535)))) == [[0, 128, 255]]

    @pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
    def test_integer_modes(self, mode):
        source = Image.new(mode, (2, 1), 65535)
        source.putpixel((0, 0), 2570)
        assert pixels(load_image(source)) == [[10] * 3, [255] * 3]

    def test_32_bit_integers_beyond_16_bits(self):
        source = Image.fromarray(np.array([[-5, 0, 400_000, 1_000_000]], np.int32))
        assert pixels(load_image(source)) == [[0] * 3, [0] * 3, [102] * 3, [255] * 3]

    @pytest.mark.parametrize("top", [1, 255, 65535])
    def test_float_files(self, top, tmp_path):
        path = tmp_path / "f.tif"
        Image.fromarray(np.array([[0, 0.2, 1]], np.float32) * top).save(path)
        assert pixels(load_image(path)) == [[0] * 3, [51] * 3, [255] * 3]

    def test_float_file_with_nan(self, tmp_path):
        path = tmp_path / "f.tif"
        Image.fromarray(np.array([[0, np.nan]], np.float32)).save(path)
        assert refusal(path) == f"{path} holds NaN or infinite values"

    def test_cmyk_jpeg(self):
        loaded = load_image(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95))
        assert loaded.mode == "RGB"
        assert np.abs(np.array(pixels(loaded)) - (255, 0, 0)).max() < 6

    def test_palette_with_transparency(self, tmp_path):
        source = Image.new("P", (3, 1))
        source.putpalette([10, 20, 30, 200, 100, 0, 1, 2, 3])
        source.putdata([0, 1, 2])
        opaque = load_image(encoded(source, "PNG"))
        one = load_image(encoded(source, "PNG", transparency=1))
        several = load_image(encoded(source, "PNG", transparency=bytes([255, 128, 0])))
        unused = load_image(encoded(source.crop((0, 0, 1, 1)), "PNG", transparency=1))
        assert pixels(opaque) == [[10, 20, 30], [200, 100, 0], [1, 2, 3]]
        assert pixels(one) == [[10, 20, 30, 255], [200, 100, 0, 0], [1, 2, 3, 255]]
        assert pixels(several) == [[10, 20, 30, 255], [200, 100, 0, 128], [1, 2, 3, 0]]
        assert pixels(unused) == [[10, 20, 30]]

    @pytest.mark.parametrize(
        ("bits", "row", "key", "shown"),
        [
            (1, b"\x40", 1, [0, 255]),
            (2, b"\x60", 2, [85, 170]),
            (4, b"\x3c", 12, [51, 204]),
            (8, b"\x07\x09", 9, [7, 9]),
            (16, struct.pack(">2H", 2570, 2571), 2571, [10, 10]),
        ],
    )
    def test_transparent_gray(self, bits, row, key, shown):
        data = png(2, 1, bits, 0, b"\0" + row, (b"tRNS", struct.pack(">H", key)))
        assert pixels(load_image(data)) == [[shown[0]] * 3 + [255], [shown[1]] * 3 + [0]]

    @pytest.mark.parametrize(("bits", "sample"), [(8, "B"), (16, "H")])
    def test_transparent_color(self, bits, sample):
        top = 2**bits - 1
        row = struct.pack(f">6{sample}", top, 0, top, top, 0, 0)
        data = png(2, 1, bits, 2, b"\0" + row, (b"tRNS", struct.pack(">3H", top, 0, 0)))
        assert pixels(load_image(data)) == [[255, 0, 255, 255], [255, 0, 0, 0]]

    def test_color_profile_is_applied(self):
        source = Image.new("RGBA", (1, 1), (255, 0, 0, 7))
        loaded = load_image(encoded(source, "PNG", icc_profile=swapped_profile()))
        red, green, blue, alpha = loaded.getpixel((0, 0))
        assert red < 3
        assert green > 252
        assert blue < 3
        assert alpha == 7
        assert "icc_profile" not in loaded.info

    def test_profiles_that_change_nothing(self, picture):
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        for profile in (srgb, b"broken", srgb[:200]):
            assert np.array_equal(load_image(encoded(Image.fromarray(picture), "PNG", icc_profile=profile)), picture)
        gray = Image.new("L", (1, 1), 90)
        assert pixels(load_image(encoded(gray, "PNG", icc_profile=swapped_profile()))) == [[90] * 3]


class TestOrientation:
    @pytest.mark.parametrize("orientation", UPRIGHT)
    @pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "image"])
    def test_against_numpy(self, orientation, kind, picture):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        source = Image.fromarray(picture)
        if kind == "image":
            source.info["exif"] = exif.tobytes()
        else:
            source = encoded(source, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
        loaded = load_image(source)
        assert np.array_equal(loaded, UPRIGHT[orientation](picture))
        assert np.array_equal(load_image(loaded), loaded)

    def test_jpeg(self):
        exif = Image.Exif()
        exif[ORIENTATION] = 6
        assert open_image(encoded(Image.new("RGB", (9, 4)), "JPEG", exif=exif)).size == (4, 9)

    def test_alpha_turns_too(self):
        source = Image.new("RGBA", (2, 1), (0, 0, 0, 255))
        source.putpixel((0, 0), (0, 0, 0, 0))
        exif = Image.Exif()
        exif[ORIENTATION] = 2
        assert pixels(load_image(encoded(source, "PNG", exif=exif))) == [[0, 0, 0, 255], [0, 0, 0, 0]]

    def test_broken_exif_is_ignored(self, picture):
        data = encoded(Image.fromarray(picture), "PNG", exif=b"Exif\0\0not exif")
        assert np.array_equal(load_image(data), picture)


class TestFrames:
    COLORS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))

    @pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
    def test_choice(self, kind, tmp_path):
        frames = [Image.new("RGB", (4, 4), color) for color in self.COLORS]
        path = tmp_path / "moving.img"
        options = {"lossless": True} if kind == "WEBP" else {}
        path.write_bytes(encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options))
        assert open_image(path).getpixel((1, 1)) == self.COLORS[0]
        for n, color in enumerate(self.COLORS):
            assert load_image(path, frame=n).convert("RGB").getpixel((1, 1)) == color
        assert refusal(path, frame=3) == f"{path} has no frame 3, only 3, counted from 0"
        assert refusal(path, frame=-1).startswith(f"{path} has no frame -1")

    def test_pil_image_stays_where_it_stands(self):
        frames = [Image.new("RGB", (4, 4), color) for color in self.COLORS]
        with Image.open(io.BytesIO(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))) as source:
            assert load_image(source, frame=2).convert("RGB").getpixel((0, 0)) == self.COLORS[2]
            assert source.tell() == 0
            source.seek(1)
            assert load_image(source).convert("RGB").getpixel((0, 0)) == self.COLORS[1]

    def test_still_image_has_one(self, picture):
        assert "has no frame 1, only 1" in refusal(encoded(Image.fromarray(picture), "JPEG"), frame=1)
        assert "has no frame 1, only 1" in refusal(picture, frame=1)


class TestBadFiles:
    def test_missing_folder_empty(self, tmp_path):
        assert refusal(tmp_path / "none.png") == f"{tmp_path / 'none.png'} does not exist"
        assert refusal(str(tmp_path)) == f"{tmp_path} is a folder, not an image"
        (tmp_path / "empty.png").touch()
        assert refusal(tmp_path / "empty.png") == f"{tmp_path / 'empty.png'} is empty"
        assert refusal(b"") == "the image is empty"
        assert refusal("a\0b.png").startswith("'a\\x00b.png' ")
        assert refusal(tmp_path / "two\nlines.png").endswith("lines.png' does not exist")

    def test_text_named_jpg(self, tmp_path):
        path = tmp_path / "text.jpg"
        for text in ("this is no image\n" * 20, "P", "P6 what", "BM"):
            path.write_text(text)
            assert refusal(path).startswith(f"{path} ")
        path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
        assert "not an image of a known format (JPEG, PNG" in refusal(path)

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
    @pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
    def test_truncated(self, kind, share, tmp_path):
        noise = np.random.default_rng(1).integers(0, 256, (40, 40, 3), np.uint8)
        data = encoded(Image.fromarray(noise), kind)
        path = tmp_path / "cut.img"
        path.write_bytes(data[: int(share * len(data))])
        assert refusal(path).startswith(f"{path} ")

    def test_truncated_progressive_jpeg(self):
        noise = np.random.default_rng(1).integers(0, 256, (40, 40, 3), np.uint8)
        data = encoded(Image.fromarray(noise), "JPEG", progressive=True)
        assert "the image cannot be decoded: image file is truncated" in refusal(data[: len(data) * 3 // 4])

    def test_lazy_pil_image_of_a_truncated_file(self, tmp_path):
        path = tmp_path / "cut.jpg"
        data = encoded(Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 40, 3), np.uint8)), "JPEG")
        path.write_bytes(data[: len(data) // 2])
        with Image.open(path) as source:
            assert refusal(source).startswith(f"{path} cannot be decoded")

    def test_damaged_png(self):
        data = bytearray(png(2, 2, 8, 0, bytes(6)))
        data[45] ^= 255
        assert refusal(bytes(data)).startswith("the image cannot be decoded")

    def test_bomb_is_refused_before_decoding(self, tmp_path):
        path = tmp_path / "bomb.png"
        path.write_bytes(png(60_000, 60_000, 8, 0, b"not pixels"))
        message = refusal(path)
        assert message.startswith(f"{path} has 60000 x 60000 = 3,600,000,000 pixels, the limit is 200,000,000")
        assert "max_pixels=3600000000" in message
        with open(path, "rb") as file:
            assert refusal(file) == message

    def test_limit_is_exact_and_adjustable(self, picture):
        data = encoded(Image.fromarray(picture), "PNG")
        assert load_image(data, max_pixels=35).size == (7, 5)
        for source in (data, picture, Image.fromarray(picture)):
            assert "has 7 x 5 = 35 pixels, the limit is 34" in refusal(source, max_pixels=34)

    def test_later_page_is_checked(self):
        pages = [Image.new("L", (2, 2)), Image.new("L", (50, 50))]
        data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
        assert load_image(data, max_pixels=100).size == (2, 2)
        assert "has 50 x 50 = 2,500 pixels" in refusal(data, frame=1, max_pixels=100)

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
    def test_pillows_own_limit_does_not_interfere(self, kind, picture, monkeypatch):
        data = encoded(Image.fromarray(picture), kind)
        for limit in (20, 10):
            monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                assert load_image(data).size == (7, 5)
            assert limit == Image.MAX_IMAGE_PIXELS

    @pytest.mark.parametrize("size", [(1, 1), (1, 20_000), (20_000, 1)])
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
    def test_extreme_sizes(self, size, kind):
        loaded = open_image(encoded(Image.new("RGB", size, "white"), kind))
        assert loaded.size == size
        assert tensor_to_image(image_to_tensor(loaded))[0].size == size

    def test_pil_image_without_pixels(self):
        assert refusal(Image.new("RGB", (0, 4))) == "the image has no pixels (0 x 4)"


class TestAlpha:
    def test_open_image_composites_on_white(self):
        source = Image.new("RGBA", (3, 1), (0, 100, 200, 255))
        source.putpixel((1, 0), (0, 100, 200, 0))
        source.putpixel((2, 0), (0, 100, 200, 51))
        assert pixels(open_image(source)) == [[0, 100, 200], [255, 255, 255], [204, 224, 244]]

    def test_plain_jpeg_is_not_changed(self, picture):
        data = encoded(Image.fromarray(picture), "JPEG")
        assert np.array_equal(open_image(data), Image.open(io.BytesIO(data)))

    def test_split_keeps_hidden_colors(self):
        source = Image.fromarray(np.random.default_rng(2).integers(0, 256, (4, 4, 4), np.uint8))
        rgb, alpha = split_alpha(source)
        rgb.putalpha(alpha)
        assert np.array_equal(rgb, source)

    def test_split_without_alpha(self):
        image = Image.new("RGB", (2, 2))
        assert split_alpha(image) == (image, None)
        with pytest.raises(ImageError, match="mode LA"):
            split_alpha(Image.new("LA", (2, 2)))


class TestTensors:
    def test_round_trip_is_exact(self):
        levels = np.arange(256 * 3, dtype=np.uint8).reshape(16, 16, 3)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tensor = image_to_tensor(Image.fromarray(levels))
            (back,) = tensor_to_image(tensor)
        assert tensor.shape == (1, 3, 16, 16)
        assert tensor.dtype == torch.float32
        assert tensor.is_contiguous(memory_format=torch.channels_last)
        assert tensor.min() == -1
        assert tensor.max() == 1
        assert np.array_equal(back, levels)

    def test_layout(self, picture):
        tensor = image_to_tensor(Image.fromarray(picture))
        assert tensor.shape == (1, 3, 5, 7)
        assert torch.allclose(tensor[0, :, 3, 2], torch.from_numpy(picture[3, 2].astype(np.float32)) / 127.5 - 1)

    def test_input_is_left_alone_and_values_are_clamped(self):
        tensor = torch.tensor([-9.0, 9.0, 0.6 / 127.5]).view(1, 3, 1, 1).requires_grad_()
        before = tensor.detach().clone()
        assert pixels(tensor_to_image(tensor)[0]) == [[0, 255, 128]]
        assert torch.equal(tensor, before)

    @pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
    def test_other_precisions(self, dtype):
        assert pixels(tensor_to_image(torch.ones(1, 3, 1, 1, dtype=dtype))[0]) == [[255] * 3]

    def test_strided_batch(self, picture):
        batch = torch.cat([image_to_tensor(Image.fromarray(a)) for a in (picture, 255 - picture)])
        first, second = tensor_to_image(batch.to(memory_format=torch.channels_last))
        assert np.array_equal(first, picture)
        assert np.array_equal(second, 255 - picture)
        assert tensor_to_image(batch[:0]) == []

    @pytest.mark.parametrize("shape", [(3, 4, 4), (1, 4, 4, 3), (1, 3, 0, 4)])
    def test_wrong_shape(self, shape):
        with pytest.raises(ValueError, match="tensor has shape"):
            tensor_to_image(torch.zeros(shape))

    def test_nan_and_integers(self):
        tensor = torch.zeros(3, 3, 2, 2)
        tensor[1, 2, 0, 1] = float("nan")
        with pytest.raises(ValueError, match="tensor holds NaN in image 1 of 3"):
            tensor_to_image(tensor)
        with pytest.raises(ValueError, match="dtype torch.uint8"):
            tensor_to_image(torch.zeros(1, 3, 2, 2, dtype=torch.uint8))

    @pytest.mark.parametrize("image", [Image.new("L", (2, 2)), Image.new("RGB", (0, 2))])
    def test_not_an_rgb_image(self, image):
        with pytest.raises(ImageError, match="the image has"):
            image_to_tensor(image)


class TestSave:
    @pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.bmp", "a.tif", "a.tiff"])
    def test_lossless(self, name, picture, tmp_path):
        path = tmp_path / "new" / "deep" / name
        save_image(Image.fromarray(picture), path)
        assert np.array_equal(load_image(path), picture)
        assert os.listdir(path.parent) == [name]

    @pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
    def test_alpha_is_kept(self, name, tmp_path):
        save_image(Image.new("RGBA", (2, 2), (9, 8, 7, 100)), tmp_path / name)
        assert load_image(tmp_path / name).getpixel((0, 0))[3] == 100

    @pytest.mark.parametrize("name", ["a.jpg", "a.jpeg", "a.webp", "a.gif"])
    def test_lossy(self, name, tmp_path):
        save_image(Image.new("RGB", (16, 16), (250, 5, 5)), str(tmp_path / name))
        assert np.abs(np.asarray(load_image(tmp_path / name), int) - (250, 5, 5)).max() < 8

    def test_webp_is_as_good_as_jpeg(self, tmp_path):
        picture = smooth_noise((64, 48), seed=1)
        save_image(picture, tmp_path / "default.webp")
        save_image(picture, tmp_path / "95.webp", quality=95)
        save_image(picture, tmp_path / "80.webp", quality=80)
        written = {name: (tmp_path / f"{name}.webp").read_bytes() for name in ("default", "95", "80")}
        assert written["default"] == written["95"] != written["80"]

    def test_jpeg_defaults_and_options(self, picture, tmp_path):
        image = Image.fromarray(picture)
        for name, options in (("a.jpg", {}), ("b.jpg", {"quality": 30, "subsampling": 2})):
            save_image(image, tmp_path / name, **options)
        assert (tmp_path / "a.jpg").read_bytes() == encoded(image, "JPEG", quality=95, subsampling=0)
        assert (tmp_path / "b.jpg").read_bytes() == encoded(image, "JPEG", quality=30, subsampling=2)

    @pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA", "1", "I;16", "F"])
    def test_any_mode_as_jpeg(self, mode, tmp_path):
        save_image(Image.new(mode, (8, 8)), tmp_path / "a.jpg")
        with Image.open(tmp_path / "a.jpg") as saved:
            assert saved.mode == "RGB"
            assert saved.getpixel((0, 0)) == ((255, 255, 255) if "A" in mode else (0, 0, 0))

    @pytest.mark.parametrize("mode", ["RGBA", "LA"])
    def test_a_bitmap_has_white_where_it_would_be_transparent(self, mode, tmp_path):
        save_image(Image.new(mode, (8, 8)), tmp_path / "a.bmp")
        with Image.open(tmp_path / "a.bmp") as saved:
            assert (saved.mode, saved.getpixel((0, 0))) == ("RGB", (255, 255, 255))

    @pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
    def test_profile_goes_along(self, name, tmp_path):
        image = Image.new("RGB", (8, 8), (255, 0, 0))
        image.info["icc_profile"] = swapped_profile()
        save_image(image, tmp_path / name)
        assert np.abs(np.asarray(load_image(tmp_path / name), int) - (0, 255, 0)).max() < 6

    @pytest.mark.parametrize("name", ["a.xyz", "a", "a.eps"])
    def test_unknown_extension(self, name, tmp_path):
        with pytest.raises(ImageError, match=r"unknown extension .*\.jpg, .*\.png"):
            save_image(Image.new("RGB", (2, 2)), tmp_path / "new" / name)
        assert os.listdir(tmp_path) == []

    def test_format_cannot_hold_it(self, tmp_path):
        with pytest.raises(ImageError, match="a.webp cannot be written as WEBP: .*16383"):
            save_image(Image.new("RGB", (1, 20_000)), tmp_path / "a.webp")
        with pytest.raises(ImageError, match="a.png cannot be written as PNG"):
            save_image(Image.new("F", (1, 1)), tmp_path / "a.png")
        assert os.listdir(tmp_path) == []

    def test_full_disk_leaves_the_old_file(self, tmp_path):
        path = tmp_path / "a.png"
        path.write_bytes(b"old")
        noise = Image.fromarray(np.random.default_rng(3).integers(0, 256, (50, 50, 3), np.uint8))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            with pytest.raises(OSError) as caught:
                save_image(noise, path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert caught.value.errno == errno.EFBIG
        assert caught.value.filename == str(path)
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["a.png"]

    def test_failures_name_the_path(self, tmp_path):
        (tmp_path / "file").touch()
        (tmp_path / "a.png").mkdir()
        for path in (tmp_path / "file" / "a.png", tmp_path / "a.png"):
            with pytest.raises(OSError) as caught:
                save_image(Image.new("RGB", (2, 2)), path)
            assert caught.value.filename == str(path)
        assert sorted(os.listdir(tmp_path)) == ["a.png", "file"]

    def test_interruption_leaves_nothing(self, tmp_path, monkeypatch):
        def interrupt(*_):
            assert len(os.listdir(tmp_path)) == 1
            raise KeyboardInterrupt

        monkeypatch.setattr(images.os, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            save_image(Image.new("RGB", (2, 2)), tmp_path / "a.png")
        assert os.listdir(tmp_path) == []
