import sys
import types

import numpy as np
import pytest
from PIL import Image

from tools import prepare_textures


def noisy(size=(64, 64), seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 200, (*size[::-1], 3), np.uint8))


@pytest.fixture
def wad(monkeypatch, tmp_path):
    """A game file, as a stand-in of omgifol reads it."""

    class Lump:
        def __init__(self, image):
            self.image = image

        def to_Image(self):  # noqa: N802  omgifol's name
            if self.image is None:
                raise ValueError("broken")
            return self.image

    holed = noisy(seed=2).convert("RGBA")
    holed.putpixel((3, 3), (0, 0, 0, 0))
    flats = {"FLOOR/1": Lump(noisy()), "AGAIN": Lump(noisy()), "BROKEN": Lump(None)}
    patches = {"WALL": Lump(noisy((128, 64), 1)), "HOLE": Lump(holed), "SMALL": Lump(noisy((32, 64), 3))}
    module = types.SimpleNamespace(WAD=lambda path: types.SimpleNamespace(flats=flats, patches=patches))
    monkeypatch.setitem(sys.modules, "omg", module)
    return tmp_path / "game.wad"


def test_opaque_textures_are_kept_once_and_by_safe_names(wad, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["prepare_textures.py", str(wad), "-o", str(tmp_path / "out")])
    assert prepare_textures.main() == 0
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["game-flats-floor_1.png", "game-patches-wall.png"]
    told = capsys.readouterr()
    assert "2 textures" in told.out and "BROKEN cannot be read" in told.err


def test_holes_and_single_colors_are_of_no_use():
    holed = noisy()
    holed.paste((255, 0, 255), (0, 0, 8, 8))
    assert not prepare_textures.useful(holed) and not prepare_textures.useful(Image.new("RGB", (64, 64), "gray"))
    assert prepare_textures.useful(noisy())
