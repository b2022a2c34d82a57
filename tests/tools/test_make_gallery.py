import pytest
from PIL import Image

from tools import make_gallery


def test_a_gallery_has_a_row_of_photos_and_one_for_each_style(tmp_path, monkeypatch):
    out = tmp_path / "gallery.jpg"
    arguments = ["--photos", "cat", "--styles", "mosaic", "woodcut", "--size", "64", "--max_bytes", "9000"]
    monkeypatch.setattr("sys.argv", ["make_gallery.py", "--output", str(out), *arguments])
    assert make_gallery.main() == 0
    sheet = Image.open(out)
    assert sheet.size == (2 * 64, 3 * 64) and out.stat().st_size < 9000
    assert sheet.getpixel((5, 5)) == (255, 255, 255)


def test_a_file_that_cannot_be_so_small_is_refused():
    with pytest.raises(ValueError, match="max_bytes 10"):
        make_gallery._as_small_jpeg(Image.new("RGB", (64, 64)), 10)
