import pytest

from styleadapt.errors import ImageError
from styleadapt.game.godot import project_folder, read_godot
from styleadapt.game.sheets import Grid

FRAMES_4 = """[gd_resource type="SpriteFrames" load_steps=4 format=3 uid="uid://b1"]

[ext_resource type="Texture2D" uid="uid://c2" path="res://art/hero.png" id="1_ab"]
[ext_resource type="Script" path="res://x.gd" id="2_cd"]

[sub_resource type="AtlasTexture" id="AtlasTexture_1"]
atlas = ExtResource("1_ab")
region = Rect2(0, 0, 16, 24)

[sub_resource type="AtlasTexture" id="AtlasTexture_2"]
atlas = ExtResource("1_ab")
region = Rect2(16, 0, 16, 24)

[resource]
animations = [{ "frames": [{ "texture": SubResource("AtlasTexture_1") }] }]
"""
FRAMES_3 = """[gd_resource type="AtlasTexture" load_steps=2 format=2]
[ext_resource path="res://art/hero.png" type="Texture" id=1]
[resource]
atlas = ExtResource( 1 )
region = Rect2( 4, 0, 8, 8 )
"""
TILES = """[gd_resource type="TileSet" load_steps=3 format=3]
[ext_resource type="Texture2D" path="res://art/tiles.png" id="1"]
[sub_resource type="TileSetAtlasSource" id="TileSetAtlasSource_1"]
texture = ExtResource("1")
margins = Vector2i(1, 2)
separation = Vector2i(3, 4)
texture_region_size = Vector2i(32, 24)
0:0/0 = 0
"""
IMPORT = '[remap]\nimporter="texture"\n[deps]\nsource_file="res://art/hero.png"\ndest_files=["res://.godot/imported/hero.ctex"]\n'


def read(tmp_path, text, name="a.tres"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return read_godot(tmp_path / name, tmp_path)


def test_regions_of_both_versions(tmp_path):
    hero = tmp_path / "art" / "hero.png"
    assert [frame.box for frame in read(tmp_path, FRAMES_4)[hero]] == [(0, 0, 16, 24), (16, 0, 32, 24)]
    assert [frame.box for frame in read(tmp_path, FRAMES_3)[hero]] == [(4, 0, 12, 8)]


def test_tile_sets_scenes_and_imports(tmp_path):
    art = tmp_path / "art"
    assert read(tmp_path, TILES) == {art / "tiles.png": Grid(32, 24, (1, 2), (3, 4), exact=False)}
    assert read(tmp_path, TILES.replace("texture_region_size = Vector2i(32, 24)\n", ""))[art / "tiles.png"].width == 16
    assert read(tmp_path, IMPORT, "hero.png.import") == {art / "hero.png": None}
    scene = """[gd_scene format=3]
[ext_resource type="Texture2D" path="res://art/sky.png" id="1"]
[node name="A"]
texture = ExtResource("1")
"""
    assert read(tmp_path, scene, "a.tscn") == {art / "sky.png": None}


def test_half_pixels_are_refused(tmp_path):
    with pytest.raises(ImageError, match=r"a.tres: the region Rect2\(0.5"):
        read(tmp_path, FRAMES_4.replace("Rect2(0,", "Rect2(0.5,"))


def test_the_project_is_the_nearest_folder_with_its_file(tmp_path):
    (tmp_path / "game" / "art").mkdir(parents=True)
    assert project_folder(tmp_path / "game" / "art" / "a.tres", tmp_path) == tmp_path
    (tmp_path / "game" / "project.godot").touch()
    assert project_folder(tmp_path / "game" / "art" / "a.tres", tmp_path) == tmp_path / "game"
