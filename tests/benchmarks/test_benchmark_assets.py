import base64
import importlib.util
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from styleadapt import GameAssetPipeline

from ..conftest import smooth_noise, stripes
from ..pipelines.test_game_assets import sprite

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("benchmark_assets", ROOT / "benchmarks" / "benchmark_assets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_seam_is_told_from_a_texture_without_one(script):
    y, x = np.mgrid[:32, :32]
    waves = 128 + 100 * np.sin(2 * np.pi * (x + 2 * y) / 32)
    ramp = 8.0 * x
    whole, broken = (script.seam_ratio(Image.fromarray(p.astype(np.uint8))) for p in (waves, ramp))
    assert whole < 1.05 and broken > 20


def test_what_has_one_color_is_compared_between_pieces(script):
    red, blue = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    light, dark = Image.new("RGB", (4, 4), (90, 90, 90)), Image.new("RGB", (4, 4), (60, 60, 60))
    assert script.same_color_apart([red, red, blue], [light, dark, dark]) == 30
    assert script.same_color_apart([red, blue], [light, dark]) == 0


def test_a_map_is_drawn_from_its_tiles(script, tmp_path):
    tiles = Image.new("RGB", (19, 10), (1, 1, 1))
    for n, color in enumerate(((200, 0, 0), (255, 0, 255))):
        tiles.paste(color, (1 + 9 * n, 1, 9 + 9 * n, 9))
    tiles.save(tmp_path / "tiles.png")
    numbers = base64.b64encode(zlib.compress(struct.pack("<4I", 1, 0, 2, 1))).decode()
    (tmp_path / "a.tmx").write_text(
        '<map width="2" height="2" tilewidth="8" tileheight="8"><tileset firstgid="1" tilewidth="8" tileheight="8" spacing="1" '
        'margin="1"><image source="tiles.png" trans="ff00ff"/></tileset><layer><data encoding="base64" compression="zlib">'
        f"{numbers}</data></layer></map>",
        encoding="utf-8",
    )
    drawn = script.draw_map(tmp_path / "a.tmx")
    assert drawn.size == (16, 16)
    assert [drawn.getpixel(at) for at in ((3, 3), (12, 3), (3, 12), (12, 12))] == [
        *((200, 0, 0, 255), (0, 0, 0, 0), (0, 0, 0, 0), (200, 0, 0, 255))
    ]


def test_marks_are_measured(script, tiny_pipe, tmp_path):
    pipe = GameAssetPipeline(tiny_pipe)
    stripes(64).save(tmp_path / "style.png")
    style = str(tmp_path / "style.png")
    textures = [smooth_noise((32, 32), n, cell=4) for n in range(6)]
    figures = script.measure_textures(pipe, textures, style, tmp_path)
    assert json.loads(json.dumps(figures))["equal_to_one_level_after_rolling"] == figures["textures"] == 6
    assert (tmp_path / "textures.png").is_file()
    sprites = [sprite(n, (72, 72)) for n in range(3)]
    figures = script.measure_sprites(pipe, sprites, style, 4, tmp_path)
    assert figures["alpha_identical"] == 3 and figures["colors_found_in_the_set"] <= 4
    assert figures["largest_difference_of_a_frame_alone"] <= 1
    figures = script.measure_consistency(pipe, {"sprites": sprites[:2]}, style, "embedded")
    assert figures["sprites"]["sources"]["gram"] > 0
