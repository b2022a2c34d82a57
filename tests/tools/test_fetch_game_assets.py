import importlib.util
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("fetch_game_assets", ROOT / "tools" / "fetch_game_assets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wad(lumps) -> bytes:
    data, table = b"", b""
    for name, content in lumps:
        table += struct.pack("<ii8s", 12 + len(data), len(content), name.encode())
        data += content
    return struct.pack("<4sii", b"IWAD", len(lumps), 12 + len(data)) + data + table


def picture() -> bytes:
    """3 wide and 5 high: a post of two pixels in the first column, none in the second, two posts in the third."""
    columns = [
        bytes([1, 2, 0, 7, 8, 0, 255]),
        bytes([255]),
        bytes([0, 1, 0, 9, 0, 4, 1, 0, 10, 0, 255]),
    ]
    offsets, place = [], 8 + 4 * 3
    for column in columns:
        offsets.append(place)
        place += len(column)
    return struct.pack("<HHhh3I", 3, 5, 0, 0, *offsets) + b"".join(columns)


PALETTE = np.arange(768, dtype=np.int64).astype(np.uint8).reshape(256, 3)


def test_textures_and_sprites_are_taken_out_of_a_wad_file(script, tmp_path):
    flat = bytes(range(256)) * 16
    lumps = [("PLAYPAL", PALETTE.tobytes()), ("F_START", b""), ("FLOOR[1", flat), ("F1_END", b""), ("F_END", b"")]
    lumps += [("S_START", b""), ("TROO\\1", picture()), ("S_END", b"")]
    (tmp_path / "usr").mkdir()
    (tmp_path / "usr" / "game.wad").write_bytes(wad(lumps))
    assert script.take_freedoom(tmp_path, tmp_path / "out") == 2
    [texture] = (tmp_path / "out" / "textures").iterdir()
    assert texture.name == "floor-1.png"
    assert (np.asarray(Image.open(texture))[0, :5] == PALETTE[:5]).all()
    [sprite] = (tmp_path / "out" / "sprites").iterdir()
    pixels = np.asarray(Image.open(sprite))
    assert pixels.shape == (5, 3, 4)
    assert np.argwhere(pixels[..., 3]).tolist() == [[0, 2], [1, 0], [2, 0], [4, 2]]
    assert (pixels[2, 0, :3] == PALETTE[8]).all() and (pixels[4, 2, :3] == PALETTE[10]).all()


def test_a_file_that_is_no_wad_is_refused(script):
    with pytest.raises(ValueError, match="damaged"):
        list(script.read_wad(b"rubbish and more"))


def test_an_existing_folder_is_left_alone(command, tmp_path):
    (tmp_path / "assets" / "tiled").mkdir(parents=True)
    done = command("fetch_game_assets", tmp_path / "assets", "--of", "tiled")
    assert done.returncode == 1 and "exists; delete it" in done.stderr
