from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from styleadapt.images.metadata import ImageMetadata
from styleadapt.ui import before_after
from styleadapt.ui.before_after import kept_suffix, shown
from styleadapt.ui.limits import PREVIEW_SIDE

PHOTO = Image.new("RGB", (2 * PREVIEW_SIDE, PREVIEW_SIDE), "navy")


@pytest.mark.parametrize(
    ("name", "kind", "picture", "suffix"),
    [
        ("cat.JPEG", "JPEG", Image.new("RGB", (4, 3)), ".jpeg"),
        ("cat.webp", "WEBP", Image.new("RGBA", (4, 3)), ".webp"),
        ("cat.jpg", "JPEG", Image.new("RGBA", (4, 3)), ".png"),
        ("cat.tif", "TIFF", Image.new("RGB", (4, 3)), ".png"),
        ("cat.png", "PNG", np.zeros((3, 4, 3), np.uint16), ".png"),
    ],
)
def test_a_result_keeps_the_photos_format_if_a_browser_shows_it_and_it_can_hold_the_picture(name, kind, picture, suffix):
    assert kept_suffix(Path(name), picture, ImageMetadata(format=kind)) == suffix


def test_the_file_is_whole_and_says_what_the_photo_says_but_not_where_it_was_taken(tmp_path, visitor, monkeypatch):
    monkeypatch.setattr(before_after, "time", SimpleNamespace(monotonic=lambda: 12.5))
    exif = Image.Exif()
    exif[0x010E] = "a cat"
    exif.get_ifd(0x8825)[1] = "N"
    photo, file = tmp_path / "photo.jpg", tmp_path / "result.png"
    PHOTO.save(photo, exif=exif)
    after = Image.new("RGB", PHOTO.size, "red")
    pictures, download, note = shown(str(photo), PHOTO, after, visitor, file, 10.0)
    assert [picture.size for picture in pictures] == [(PREVIEW_SIDE, PREVIEW_SIDE // 2)] * 2
    assert download["value"] == file and download["interactive"]
    assert note == f"{PHOTO.width} × {PHOTO.height} px in 2.5 s"
    with Image.open(file) as saved:
        assert saved.tobytes() == after.tobytes()
        assert saved.getexif()[0x010E] == "a cat" and not saved.getexif().get_ifd(0x8825)


def test_a_picture_of_no_photo_is_shown_all_the_same(tmp_path, visitor):
    (before, after), *_ = shown(None, PHOTO, Image.new("L", (8, 6)), visitor, tmp_path / "result.png", 0.0)
    assert before.size == (PREVIEW_SIDE, PREVIEW_SIDE // 2) and after.size == (8, 6)
    assert (tmp_path / "result.png").is_file()
