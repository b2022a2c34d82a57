import io
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from styleadapt.images.images import load_image, save_image
from styleadapt.images.metadata import ImageMetadata, read_metadata
from styleadapt.pipelines.picture_files import save_picture

from ..conftest import smooth_noise


def described(orientation: int = 6) -> Image.Exif:
    exif = Image.Exif()
    exif.update({ExifTags.Base.Make: "Pinhole", ExifTags.Base.Copyright: "Ann", ExifTags.Base.Orientation: orientation})
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {
            ExifTags.Base.DateTimeOriginal: "2020:02:03 04:05:06",
            ExifTags.Base.ExifImageWidth: 40,
            ExifTags.Base.ExifImageHeight: 30,
            ExifTags.Base.ColorSpace: 65535,
            ExifTags.Base.MakerNote: b"offset 1234",
        }
    )
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (52.0, 31.0, 12.0)})
    return exif


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def photo() -> Image.Image:
    return smooth_noise((40, 30), 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_exif_comes_over_upright_between_all_formats(photo, kind, suffix, tmp_path):
    source = encoded(photo, kind, exif=described().tobytes())
    upright = load_image(source)
    assert upright.size == (30, 40)
    metadata = read_metadata(source)
    assert metadata.format == kind
    save_image(upright, tmp_path / f"out{suffix}", **metadata.options(suffix, upright.size))
    with Image.open(tmp_path / f"out{suffix}") as out:
        exif = out.getexif()
        details, place = exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo)
        assert out.size == (30, 40) and exif[ExifTags.Base.Orientation] == 1
    assert (exif[ExifTags.Base.Make], exif[ExifTags.Base.Copyright]) == ("Pinhole", "Ann")
    assert details[ExifTags.Base.DateTimeOriginal] == "2020:02:03 04:05:06"
    assert (details[ExifTags.Base.ExifImageWidth], details[ExifTags.Base.ExifImageHeight]) == (30, 40)
    assert details[ExifTags.Base.ColorSpace] == 1 and ExifTags.Base.MakerNote not in details
    assert place[1] == "N" and tuple(map(float, place[2])) == (52, 31, 12)
    assert load_image(tmp_path / f"out{suffix}").size == (30, 40), "it is not turned a second time"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", "of 16 bits.png", "of 16 bits.tif"])
def test_text_beyond_ascii_keeps_its_bytes(photo, suffix, tmp_path):
    texts = {ExifTags.Base.Copyright: "© 2024 José Núñez".encode(), ExifTags.Base.Artist: "Jürgen".encode("latin-1")}
    exif = described()
    exif.update(texts)
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.CameraOwnerName] = "日本".encode().decode("latin-1")
    source = encoded(photo, "JPEG", exif=exif.tobytes().replace(b"??????", "日本".encode()))
    picture = np.zeros((40, 30, 3), np.uint16) if "16" in suffix else photo
    save_picture(picture, tmp_path / f"out{suffix}", read_metadata(source))
    with Image.open(tmp_path / f"out{suffix}") as out:
        read = out.getexif()
        details = read.get_ifd(ExifTags.IFD.Exif)
    assert {tag: read[tag].encode("latin-1") for tag in texts} == texts
    assert details[ExifTags.Base.CameraOwnerName].encode("latin-1") == "日本".encode()
    assert details[ExifTags.Base.DateTimeOriginal] == "2020:02:03 04:05:06"


def wide_gamut_profile() -> bytes:
    """sRGB's profile with red and green exchanged: whoever ignores it shows wrong colors, plainly."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"....", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"....", b"gXYZ", 1)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_a_photo_with_a_profile_becomes_a_tagged_srgb_picture(photo, suffix, tmp_path):
    source = encoded(photo, "PNG", icc_profile=wide_gamut_profile())
    shown, metadata = load_image(source), read_metadata(source)
    assert np.abs(np.asarray(shown, int) - np.asarray(photo, int)).max() > 50, "the profile matters"
    save_image(shown, tmp_path / f"out{suffix}", **metadata.options(suffix, shown.size))
    with Image.open(tmp_path / f"out{suffix}") as out:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(out.info["icc_profile"])))
        assert "sRGB" in name
    difference = np.abs(np.asarray(load_image(tmp_path / f"out{suffix}"), int) - np.asarray(shown, int))
    assert difference.mean() < 3, "a viewer shows the colors that were shown before"


def test_a_photo_without_metadata_gets_none(photo):
    metadata = read_metadata(encoded(photo, "PNG"))
    assert metadata == ImageMetadata(format="PNG")
    assert all(metadata.options(suffix, photo.size) == {} for suffix in (".jpg", ".png", ".webp", ".tif", ".bmp", ".gif"))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp"])
def test_resolution_comes_over(photo, suffix, tmp_path):
    metadata = read_metadata(encoded(photo, "JPEG", dpi=(240, 240)))
    save_image(photo, tmp_path / f"out{suffix}", **metadata.options(suffix, photo.size))
    assert Image.open(tmp_path / f"out{suffix}").info["dpi"] == pytest.approx((240, 240), abs=0.1)


def test_what_a_format_cannot_hold_is_left_out(photo, tmp_path):
    metadata = read_metadata(encoded(photo, "JPEG", exif=described().tobytes(), dpi=(240, 240), icc_profile=wide_gamut_profile()))
    for suffix in (".bmp", ".gif"):
        save_image(photo, tmp_path / f"out{suffix}", **metadata.options(suffix, photo.size))
        assert Image.open(tmp_path / f"out{suffix}").size == photo.size


def test_the_place_can_be_left_out(photo):
    metadata = read_metadata(encoded(photo, "JPEG", exif=described().tobytes())).without_location()
    written = metadata.options(".jpg", photo.size)["exif"]
    assert written[ExifTags.Base.Make] == "Pinhole" and not written.get_ifd(ExifTags.IFD.GPSInfo)


@pytest.mark.parametrize("cut", [1, 12, 30, 60, 120, 300])
def test_damaged_metadata_stops_nothing(photo, cut, tmp_path):
    whole = encoded(photo, "JPEG", exif=described().tobytes(), dpi=(72, 72))
    damaged = whole[:cut] + bytes(20) + whole[cut + 20 :]
    metadata = read_metadata(damaged)
    save_image(photo, tmp_path / "out.jpg", **metadata.options(".jpg", photo.size))
    assert load_image(tmp_path / "out.jpg").size == photo.size


def test_too_much_for_a_jpeg_file_is_left_out(photo, tmp_path):
    source = read_metadata(encoded(photo, "JPEG", exif=described().tobytes()))
    metadata = replace(source, photo=((ExifTags.Base.ImageDescription, "x" * 70000),))
    save_image(photo, tmp_path / "out.jpg", **metadata.options(".jpg", photo.size))
    assert not Image.open(tmp_path / "out.jpg").getexif()


@pytest.mark.parametrize("source", [b"", b"no image", "absent.jpg"])
def test_no_image_has_no_metadata(source):
    assert read_metadata(source) == ImageMetadata()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def raw_profile(kind: bytes, name: bytes, data: bytes) -> bytes:
    """A chunk of text as ImageMagick writes it."""
    digits = data.hex().encode()
    lines = b"\n".join(digits[start : start + 72] for start in range(0, len(digits), 72))
    text = b"\n" + name + b"\n%8d\n" % len(data) + lines + b"\n"
    start = {b"tEXt": b"\0", b"zTXt": b"\0\0", b"iTXt": b"\0\1\0en\0\0"}[kind]
    return chunk(kind, b"Raw profile type " + name + start + (text if kind == b"tEXt" else zlib.compress(text)))


EXIF = described().tobytes()
# with the prefix that it has in a JPEG file, and without
BARE = EXIF.removeprefix(b"Exif\0\0")


@pytest.mark.parametrize(
    "written",
    [
        chunk(b"eXIf", BARE),
        chunk(b"eXIf", b"Exif\0\0" + BARE),
        raw_profile(b"tEXt", b"exif", BARE),
        raw_profile(b"zTXt", b"exif", b"Exif\0\0" + BARE),
        raw_profile(b"iTXt", b"exif", BARE),
        raw_profile(b"zTXt", b"APP1", b"Exif\0\0" + BARE),
        raw_profile(b"zTXt", b"APP1", b"http://ns.adobe.com/xap/1.0/\0<x/>") + raw_profile(b"zTXt", b"exif", BARE),
    ],
    ids=["chunk", "prefixed chunk", "text", "compressed text", "international text", "APP1", "XMP before it"],
)
@pytest.mark.parametrize("behind", [False, True], ids=["before the pixels", "behind them"])
def test_exif_is_found_wherever_a_png_file_has_it(photo, written, behind, tmp_path):
    whole = encoded(photo, "PNG")
    at = whole.index(b"IEND") - 4 if behind else whole.index(b"IDAT") - 4
    (tmp_path / "in.png").write_bytes(whole[:at] + written + whole[at:])
    for source in (tmp_path / "in.png", (tmp_path / "in.png").read_bytes()):
        metadata = read_metadata(source)
        assert dict(metadata.photo)[ExifTags.Base.Make] == "Pinhole"
        assert dict(metadata.exposure)[ExifTags.Base.DateTimeOriginal] == "2020:02:03 04:05:06"
        assert dict(metadata.location)[1] == "N"


@pytest.mark.parametrize(
    "written",
    [
        raw_profile(b"zTXt", b"exif", BARE)[:90],
        chunk(b"zTXt", b"Raw profile type exif\0\0" + b"no zlib"),
        chunk(b"tEXt", b"Raw profile type exif\0\nexif\nmany\nzz"),
        chunk(b"tEXt", b"Raw profile type exif\0"),
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(bytes(50_000_000))),
        struct.pack(">I4s", 2**31, b"eXIf"),
        chunk(b"eXIf", b""),
    ],
)
def test_a_broken_profile_of_a_png_file_is_left_out(photo, written):
    whole = encoded(photo, "PNG")
    at = whole.index(b"IEND") - 4
    assert read_metadata(whole[:at] + written + whole[at:]) == ImageMetadata(format="PNG")


def test_metadata_of_a_photo_beyond_pillows_limit_is_kept(photo):
    small = encoded(photo, "JPEG", exif=described().tobytes(), dpi=(300, 300))
    at = small.index(b"\xff\xc0") + 5
    # Its header alone says 15,000 x 13,000 pixels, which `load_image` takes and Pillow by itself refuses.
    metadata = read_metadata(small[:at] + struct.pack(">HH", 13000, 15000) + small[at + 4 :])
    assert metadata == read_metadata(small) and metadata.format == "JPEG" and metadata.photo
