"""Formats and chunks that are read, and what is said of those that are not."""

import io
import struct
import sys
import zlib
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from styleadapt.errors import ImageError
from styleadapt.images.formats import READABLE_EXTENSIONS
from styleadapt.images.images import load_image

from ..conftest import smooth_noise

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


@pytest.mark.parametrize("suffix", READABLE_EXTENSIONS)
def test_every_readable_extension_belongs_to_a_format_that_is_read(suffix, photo, tmp_path):
    Image.init()
    kind = {".dib": "BMP", ".mpo": "JPEG"}.get(suffix) or Image.registered_extensions().get(suffix, "JPEG")
    mode = {".pbm": "1", ".pgm": "L", ".pfm": "F"}.get(suffix, "RGB")
    file = tmp_path / f"a{suffix}"
    photo.convert(mode).save(file, kind)
    assert load_image(file).size == photo.size


@pytest.mark.parametrize("name", ["a.heic", "a.HEIF", "renamed.jpg"])
def test_a_heic_picture_names_the_package_that_reads_it(tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / name).write_bytes(HEIC + bytes(100))
    with pytest.raises(ImageError, match=f"{name} is a HEIC picture, .* pip install pillow-heif"):
        load_image(tmp_path / name)


def test_a_heic_picture_is_read_where_the_package_is_installed(photo, tmp_path, monkeypatch):
    package = ModuleType("pillow_heif")
    package.register_heif_opener = lambda: monkeypatch.setitem(Image.OPEN, "HEIF", (lambda file, name: photo.copy(), None))
    monkeypatch.setitem(sys.modules, "pillow_heif", package)
    (tmp_path / "a.heic").write_bytes(HEIC)
    assert np.array_equal(load_image(tmp_path / "a.heic"), photo)


@pytest.mark.parametrize("suffix", ["nef", "DNG", "cr2"])
def test_a_raw_file_is_refused_although_its_preview_could_be_read(tmp_path, suffix):
    smooth_noise((16, 12), 0).save(tmp_path / f"a.{suffix}", "TIFF")
    with pytest.raises(ImageError, match=rf"a\.{suffix} is a camera's raw file; develop it"):
        load_image(tmp_path / f"a.{suffix}")


def test_another_format_is_refused_with_a_way_out(tmp_path):
    (tmp_path / "a.psd").write_bytes(b"8BPS" + bytes(100))
    with pytest.raises(ImageError, match=r"a\.psd is not an image of a known format .*; save it in one of them instead of \.psd"):
        load_image(tmp_path / "a.psd")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(photo: Image.Image, *chunks: bytes, before: bytes = b"IDAT") -> bytes:
    file = io.BytesIO()
    photo.save(file, "PNG", dpi=(300, 300))
    data = file.getvalue()
    place = data.index(before) - 4
    return data[:place] + b"".join(chunks) + data[place:]


LONG = b"x" * (3 << 20)
RANDOM = np.random.default_rng(0).integers(0, 256, 2 << 20, np.uint8).tobytes()
OVERSIZED = {
    "text": chunk(b"zTXt", b"prompt\0\0" + zlib.compress(LONG)),
    "text that does not compress": chunk(b"zTXt", b"prompt\0\0" + zlib.compress(RANDOM)),
    "international text": chunk(b"iTXt", b"prompt\0\1\0en\0\0" + zlib.compress(LONG)),
    "profile": chunk(b"iCCP", b"large\0\0" + zlib.compress(LONG)),
    "unknown compression": chunk(b"zTXt", b"prompt\0\7" + LONG),
    "plain texts": b"".join(chunk(b"tEXt", b"part%d\0" % n + LONG) for n in range(25)),
}


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
@pytest.mark.parametrize("kind", OVERSIZED)
def test_a_chunk_over_pillows_limits_does_not_cost_the_picture(kind, before, photo, tmp_path):
    if (kind, before) == ("profile", b"IEND"):
        pytest.skip("a profile lies before the picture")
    (tmp_path / "a.png").write_bytes(png_with(photo, OVERSIZED[kind], before=before))
    for source in (tmp_path / "a.png", (tmp_path / "a.png").read_bytes()):
        assert np.array_equal(load_image(source), photo)


def test_what_fits_stays_beside_what_does_not(photo):
    turned = Image.Exif()
    turned[0x0112] = 6
    exif = chunk(b"eXIf", turned.tobytes()[6:])
    assert load_image(png_with(photo, OVERSIZED["text"], exif, OVERSIZED["profile"])).size == photo.size[::-1]


def test_a_truncated_file_with_a_long_text_is_still_refused(photo):
    with pytest.raises(ImageError, match="cannot be decoded"):
        load_image(png_with(photo, OVERSIZED["text"])[:-200])
