from pathlib import Path

import pytest
from PIL import Image

import styleadapt
from styleadapt.drawn.styles import STYLES

ASSETS = Path(styleadapt.__file__).parent / "assets"
PHOTOS = sorted((ASSETS / "photos").iterdir())
DRAWN = sorted((ASSETS / "styles").iterdir())


@pytest.mark.parametrize("path", PHOTOS + DRAWN, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_image_opens_and_is_listed_with_its_license(path):
    with Image.open(path) as image:
        image.load()
        assert image.format == "JPEG" and image.mode == "RGB"
        assert not image.getexif()
        assert 256 <= min(image.size) <= max(image.size) <= 640
    assert path.stat().st_size < 200_000
    assert f"`{path.parent.name}/{path.name}`" in (ASSETS / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("files", [PHOTOS, DRAWN], ids=["photos", "styles"])
def test_a_folder_stays_small(files):
    assert sum(path.stat().st_size for path in files) < 1_200_000


def test_there_are_enough_photos_and_every_drawn_style():
    assert 12 <= len(PHOTOS) <= 16
    assert {path.stem for path in DRAWN} == set(STYLES)
    assert all(Image.open(path).size == (512, 512) for path in DRAWN)
