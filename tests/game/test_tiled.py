import pytest

from styleadapt.errors import ImageError
from styleadapt.game.sheets import Grid
from styleadapt.game.tiled import TiledImage, read_tiled

TSX = """<?xml version="1.0" encoding="UTF-8"?>
<tileset name="desert" tilewidth="32" tileheight="16" spacing="1" margin="2" tilecount="48" columns="8">
 <image source="../art/desert.png" trans="ff00fe" width="265" height="199"/>
</tileset>"""
TMX = """<map version="1.8" tilewidth="8" tileheight="8">
 <tileset firstgid="1" source="desert.tsx"/>
 <tileset firstgid="50" name="in" tilewidth="8" tileheight="8"><image source="in.png" width="64" height="64"/></tileset>
 <tileset firstgid="90" name="many" tilewidth="9" tileheight="9"><tile id="0"><image source="a/one.png"/></tile></tileset>
 <imagelayer name="sky"><image source="sky.png"/></imagelayer>
</map>"""


def test_tile_sets_and_maps(tmp_path):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "desert.tsx").write_text(TSX, encoding="utf-8")
    (tmp_path / "maps" / "level.tmx").write_text(TMX, encoding="utf-8")
    desert = Grid(32, 16, (2, 2), (1, 1), exact=False)
    assert read_tiled(tmp_path / "maps" / "desert.tsx") == {tmp_path / "art" / "desert.png": TiledImage(desert, (255, 0, 254))}
    maps = tmp_path / "maps"
    assert read_tiled(maps / "level.tmx") == {
        maps / "in.png": TiledImage(Grid(8, 8, exact=False)),
        maps / "a" / "one.png": TiledImage(),
        maps / "sky.png": TiledImage(),
    }


@pytest.mark.parametrize(("before", "after", "said"), [("</tileset>", "", "broken XML"), ('"32"', '"many"', "tilewidth='many'")])
def test_broken_files_are_refused(tmp_path, before, after, said):
    (tmp_path / "a.tsx").write_text(TSX.replace(before, after), encoding="utf-8")
    with pytest.raises(ImageError, match=said):
        read_tiled(tmp_path / "a.tsx")
