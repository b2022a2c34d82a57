import io

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps

from styleadapt.images.metadata import read_metadata
from styleadapt.pipelines.picture_files import has_alpha, own_profile, picture_size, save_picture
from styleadapt.pipelines.pictures import read_picture

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()


def deep(channels=3, size=(5, 4)):
    return np.random.default_rng(0).integers(0, 65536, (size[1], size[0], channels), np.uint16)


def jpeg(path, **options):
    exif = Image.Exif()
    exif[ExifTags.Base.Artist], exif[ExifTags.Base.Orientation] = "Ada", 6
    Image.new("RGB", (5, 4), "teal").save(path, exif=exif, dpi=(300, 300), **options)
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_16_bits_of_color_come_back_from_a_file_with_the_metadata_and_the_photos_own_profile(tmp_path, channels, suffix):
    source = jpeg(tmp_path / "source.jpg", icc_profile=PROFILE)
    levels, path = deep(channels), tmp_path / "new" / f"deep{suffix}"
    save_picture(levels, path, read_metadata(source), source, compress_level=1)
    read = read_picture(path)
    assert np.array_equal(read.result(read.pixels), levels) and read.deep
    with Image.open(path) as image:
        image.load()
        assert image.getexif()[ExifTags.Base.Artist] == "Ada" and image.info["icc_profile"] == PROFILE
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert has_alpha(levels) == (channels == 4) and picture_size(levels) == (5, 4)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".bmp"])
def test_other_formats_hold_8_bits_of_color(tmp_path, suffix):
    levels = np.full((4, 5, 3), 51400, np.uint16)
    save_picture(levels, tmp_path / f"shallow{suffix}")
    assert Image.open(tmp_path / f"shallow{suffix}").convert("RGB").getpixel((2, 2)) == (200, 200, 200)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp", ".bmp"])
def test_gray_pictures_of_16_bits_are_never_clipped(tmp_path, suffix):
    picture = Image.fromarray(np.full((4, 5), 51400, np.uint16))
    save_picture(picture, tmp_path / f"gray{suffix}")
    read = read_picture(tmp_path / f"gray{suffix}")
    assert read.deep == (suffix in (".png", ".tif"))
    assert read.pixels.mean() == pytest.approx(51400 / 32767.5 - 1, abs=0.005)


def test_a_gray_picture_gets_no_profile_of_color(tmp_path):
    source = jpeg(tmp_path / "source.jpg", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for mode, profiled in (("L", False), ("RGB", True)):
        save_picture(Image.new(mode, (5, 4)), tmp_path / "out.png", read_metadata(source), source)
        assert ("icc_profile" in Image.open(tmp_path / "out.png").info) == profiled


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tif"])
def test_gray_with_alpha_goes_into_every_format(tmp_path, suffix):
    save_picture(Image.new("LA", (5, 4), (200, 255)), tmp_path / f"gray{suffix}")
    assert Image.open(tmp_path / f"gray{suffix}").convert("RGB").getpixel((2, 2)) == (200, 200, 200)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_files_are_turned_upright_as_shallow_ones_are(tmp_path, orientation):
    levels = deep()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    _, plain = cv2.imencode(".png", levels)
    chunk = io.BytesIO()
    Image.new("RGB", (1, 1)).save(chunk, "PNG", exif=exif)
    found = chunk.getvalue()
    start = found.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(found[start : start + 4], "big")
    data = plain.tobytes()
    data = data[:33] + found[start:end] + data[33:]
    (tmp_path / "turned.png").write_bytes(data)
    expected = ImageOps.exif_transpose(Image.open(tmp_path / "turned.png").convert("RGB"))
    for source in (tmp_path / "turned.png", data):
        read = read_picture(source)
        assert read.deep and np.abs((read.pixels + 1) * 127.5 - np.asarray(expected)).max() < 1.01


def test_a_profile_is_found_in_a_photo_larger_than_pillow_opens(monkeypatch, tmp_path):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    assert own_profile(jpeg(tmp_path / "large.jpg", icc_profile=PROFILE)) == PROFILE
