import json
import shutil
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt import GameAssetPipeline, ImageError, StyleAdapter
from styleadapt.batch.game_folder import stylize_folder
from styleadapt.batch.game_plan import COPY, KEEP, PAINT, broken_references, plan_folder
from styleadapt.errors import ManifestError
from styleadapt.game.sheets import Grid

from ..conftest import smooth_noise, stripes
from ..pipelines.test_game_assets import sprite

SHEET = {
    "frames": {
        "a": {"frame": {"x": 0, "y": 0, "w": 16, "h": 16}},
        "b": {"frame": {"x": 16, "y": 0, "w": 16, "h": 16}},
    },
    "meta": {"image": "hero.png", "size": {"w": 32, "h": 16}},
}
TSX = '<tileset tilewidth="16" tileheight="16" spacing="1" margin="1"><image source="../art/tiles.png"/></tileset>'
TRES = """[gd_resource type="AtlasTexture" format=3]
[ext_resource type="Texture2D" path="res://art/atlas.png" id="1"]
[resource]
atlas = ExtResource("1")
region = Rect2(0, 0, 8, 16)
"""


@pytest.fixture
def pipe(tiny_pipe):
    return GameAssetPipeline(tiny_pipe)


@pytest.fixture
def game(tmp_path):
    """A small game with a sheet, a tile set, an atlas, a material, and what is no picture."""
    game = tmp_path / "game"
    for folder in ("art", "maps", "textures"):
        (game / folder).mkdir(parents=True)
    sheet = Image.new("RGBA", (32, 16))
    for n in range(2):
        sheet.paste(sprite(n, (16, 16)), (16 * n, 0))
    sheet.save(game / "art" / "hero.png")
    (game / "art" / "hero.json").write_text(json.dumps(SHEET), encoding="utf-8")
    smooth_noise((52, 35), 3).save(game / "art" / "tiles.png")
    (game / "maps" / "tiles.tsx").write_text(TSX, encoding="utf-8")
    smooth_noise((32, 16), 4).save(game / "art" / "atlas.png")
    (game / "art" / "atlas.tres").write_text(TRES, encoding="utf-8")
    smooth_noise((24, 24), 5).save(game / "textures" / "wall_albedo.png")
    Image.new("RGB", (24, 24), (128, 128, 255)).save(game / "textures" / "wall_normal.png")
    (game / "project.godot").write_bytes(b"\x00config")
    return game


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGBA")).astype(int)


def transparent_bmp() -> bytes:
    """32 bits a pixel with masks of its channels, of which Pillow writes none."""
    head = struct.pack("<IiiHHIIiiII4I4s48x", 108, 2, 2, 1, 32, 3, 16, 0, 0, 0, 0, 255 << 16, 255 << 8, 255, 255 << 24, b"BGRs")
    return b"BM" + struct.pack("<IHHI", 14 + 108 + 16, 0, 0, 14 + 108) + head + bytes(range(16))


def test_every_file_has_its_plan(game):
    plans = {plan.name: plan for plan in plan_folder(game, Grid(8, 8), tile_match=["textures/*"])}
    assert [name for name, plan in plans.items() if plan.treatment == COPY] == [
        *("art/atlas.tres", "art/hero.json", "maps/tiles.tsx", "project.godot")
    ]
    assert [name for name, plan in plans.items() if plan.treatment == KEEP] == ["textures/wall_normal.png"]
    frames = {name: len(plan.frames(Image.open(plan.path).size)) for name, plan in plans.items() if plan.treatment == PAINT}
    assert frames == {"art/atlas.png": 1, "art/hero.png": 2, "art/tiles.png": 6, "textures/wall_albedo.png": 9}
    assert [name for name, plan in plans.items() if plan.tile] == ["textures/wall_albedo.png"]
    assert plans["art/hero.png"].told_by == (game / "art" / "hero.json",)


def test_the_same_folder_comes_out(pipe, game, tmp_path):
    entries = stylize_folder(pipe, game, tmp_path / "out", stripes(64), tile_match=["textures/*"])
    assert not [entry for entry in entries if entry.error]
    before = sorted(path.relative_to(game) for path in game.rglob("*"))
    own = {"manifest.jsonl", "settings.json", "set.safetensors"}
    assert [
        p for p in sorted(path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*")) if p.name not in own
    ] == (before)
    for name in ("project.godot", "art/hero.json", "maps/tiles.tsx", "textures/wall_normal.png"):
        assert (tmp_path / "out" / name).read_bytes() == (game / name).read_bytes()
    for name in ("art/hero.png", "art/tiles.png", "art/atlas.png", "textures/wall_albedo.png"):
        old, new = pixels(game / name), pixels(tmp_path / "out" / name)
        assert old.shape == new.shape and (old[..., 3] == new[..., 3]).all()
        assert np.abs(old - new)[old[..., 3] > 0].mean() > 3
    lines = [json.loads(line) for line in (tmp_path / "out" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    hero = next(line for line in lines if line["input"] == "art/hero.png")
    assert (hero["status"], hero["columns"]["frames"], hero["width"], hero["height"]) == ("done", 2, 32, 16)
    assert broken_references(game, tmp_path / "out", [entry.input for entry in entries]) == []


def test_a_run_goes_on_with_the_look_of_the_set(pipe, game, tmp_path):
    out = tmp_path / "out"
    stylize_folder(pipe, game, out, stripes(64), colors=8)
    painted = pixels(out / "art" / "hero.png")
    (out / "art" / "hero.png").unlink()
    smooth_noise((40, 24), 9).save(game / "art" / "new.png")
    finished = []
    stylize_folder(pipe, game, out, stripes(64), colors=8, callback=lambda progress: finished.append(progress.entry.input))
    assert finished == ["art/hero.png", "art/new.png"]
    assert (pixels(out / "art" / "hero.png") == painted).all()
    palette = {tuple(map(int, line.split()[:3])) for line in (out / "palette.gpl").read_text(encoding="utf-8").splitlines()[3:]}
    assert len(palette) <= 8 and {tuple(color[:3]) for color in pixels(out / "art" / "new.png").reshape(-1, 4)} <= palette
    with pytest.raises(ManifestError, match="`colors` is 9"):
        stylize_folder(pipe, game, out, stripes(64), colors=9)
    stylize_folder(pipe, game, out, stripes(64), colors=2, overwrite=True)
    assert len({tuple(color) for color in pixels(out / "art" / "new.png").reshape(-1, 4)}) <= 2


def test_a_run_goes_on_where_style_codes_are_rounded_otherwise(pipe, game, tmp_path, monkeypatch):
    code = torch.ones(1, pipe.stylizer.generator.config.code_dim)
    pipe.stylizer.load_adapter(StyleAdapter({}, code, code, pipe.stylizer.fingerprint))
    stylize_folder(pipe, game, tmp_path / "out", stripes(64))
    encode = pipe.stylizer.encode_style
    monkeypatch.setattr(pipe.stylizer, "encode_style", lambda *styles: encode(*styles) * 1.01)
    finished = []
    stylize_folder(pipe, game, tmp_path / "out", stripes(64), callback=finished.append)
    assert not finished
    with pytest.raises(ManifestError, match="`styles` is"):
        stylize_folder(pipe, game, tmp_path / "out", stripes(32))
    pipe.stylizer.set_adapters("default", 0.5)
    with pytest.raises(ManifestError, match="`adapters` is"):
        stylize_folder(pipe, game, tmp_path / "out", stripes(64))


def test_a_changed_sheet_is_made_again(pipe, game, tmp_path):
    stylize_folder(pipe, game, tmp_path / "out", stripes(64))
    told = {**SHEET, "frames": {"a": SHEET["frames"]["a"]}, "longer": True}
    (game / "art" / "hero.json").write_text(json.dumps(told), encoding="utf-8")
    finished = []
    stylize_folder(pipe, game, tmp_path / "out", stripes(64), callback=lambda progress: finished.append(progress.entry.input))
    assert finished == ["art/hero.json", "art/hero.png"]


def test_normal_maps_follow_the_strokes(pipe, game, tmp_path):
    stylize_folder(pipe, game, tmp_path / "out", stripes(64), normals="match")
    kept, matched = (pixels(folder / "textures" / "wall_normal.png") for folder in (game, tmp_path / "out"))
    assert np.abs(kept - matched)[..., :2].max() > 2
    assert (matched[..., 2] > 128).all()


def test_bad_files_are_told_and_the_rest_goes_on(pipe, game, tmp_path):
    tag = {"frameTags": [{"name": "walk", "from": 0, "to": 1}]}
    small = {"frame": {"x": 0, "y": 0, "w": 8, "h": 8}}
    frames = [smooth_noise((8, 8), n) for n in range(2)]
    for name in ("run.webp", "run.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], lossless=True)
    bad = {
        "dot.png": (Image.new("RGB", (1, 1)), None, "is 1 x 1 pixel"),
        "broken.png": (smooth_noise((8, 8), 1), '{"frames":', "broken.json is broken JSON"),
        "walk.png": (smooth_noise((32, 32), 1), {"frames": [SHEET["frames"]["a"], small], "meta": tag}, "several sizes"),
        "out.png": (smooth_noise((16, 8), 1), SHEET, "its JSON file says 32 x 16"),
        "odd.png": (smooth_noise((20, 16), 1), None, "frames of 16 x 16 do not fill"),
        "rubbish.png": (b"rubbish", None, "is not an image"),
        "a.tga": (b"rubbish", None, "format that is not written"),
        "broken.tsx": (b"<tileset", None, "broken XML"),
        "set.safetensors": (b"", None, "rename it"),
        "run.webp": ((tmp_path / "run.webp").read_bytes(), None, "is an animation of 2 frames"),
        "run.png": ((tmp_path / "run.png").read_bytes(), None, "is an animation of 2 frames"),
        "ghost.bmp": (transparent_bmp(), None, "save it as PNG"),
        "notes.txt": (None, None, "cannot be read: No such file"),
        "gone.png": (None, None, "does not exist"),
    }
    shutil.rmtree(game / "textures")
    for name, (content, told, _) in bad.items():
        if content is None:
            (game / name).symlink_to(tmp_path / "nowhere")
        elif isinstance(content, bytes):
            (game / name).write_bytes(content)
        else:
            content.save(game / name)
        if told is not None:
            text = told if isinstance(told, str) else json.dumps({**told, "meta": {**told["meta"], "image": name}})
            (game / name).with_suffix(".json").write_text(text, encoding="utf-8")
    scene = '[gd_scene]\n[ext_resource type="Texture2D" path="res://dot.png" id="1"]\n'
    (game / "dot.tscn").write_text(scene, encoding="utf-8")
    before = {path: path.read_bytes() for path in game.rglob("*") if path.is_file()}
    entries = {entry.input: entry for entry in stylize_folder(pipe, game, tmp_path / "out", stripes(64), grid=Grid(16, 16))}
    for name, (_, _, said) in bad.items():
        assert said in (entries[name].error or ""), (name, entries[name].error)
        assert name in ("set.safetensors",) or not (tmp_path / "out" / name).exists()
    assert sum(entry.error is not None for entry in entries.values()) == len(bad)
    assert (tmp_path / "out" / "art" / "hero.png").is_file()
    assert {path: path.read_bytes() for path in before} == before
    made = [name for name, entry in entries.items() if not entry.error]
    assert broken_references(game, tmp_path / "out", made) == [("dot.tscn", "dot.png")]


def test_a_jpeg_cannot_be_held_to_a_palette(pipe, game, tmp_path):
    smooth_noise((24, 24), 1).save(game / "sky.jpg")
    entries = {entry.input: entry for entry in stylize_folder(pipe, game, tmp_path / "out", stripes(64), colors=4)}
    assert "save it as PNG" in entries["sky.jpg"].error
    assert not entries["art/hero.png"].error


def test_what_cannot_begin_is_refused(pipe, game, tmp_path):
    with pytest.raises(ValueError, match="lie in one another"):
        stylize_folder(pipe, game, game / "out", stripes(64))
    with pytest.raises(ManifestError, match="holds"):
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "a.txt").touch()
        stylize_folder(pipe, game, tmp_path / "full", stripes(64))
    (tmp_path / "empty.hex").touch()
    with pytest.raises(ImageError, match="holds no color"):
        stylize_folder(pipe, game, tmp_path / "out", stripes(64), palette=tmp_path / "empty.hex")
    assert not (tmp_path / "out").exists()
    (tmp_path / "dots").mkdir()
    with pytest.raises(FileNotFoundError, match="no picture to paint"):
        stylize_folder(pipe, tmp_path / "dots", tmp_path / "out", stripes(64))
    Image.new("RGB", (1, 1)).save(tmp_path / "dots" / "a.png")
    with pytest.raises(ImageError, match="no picture can be painted; the first of 1: a.png: is 1 x 1"):
        stylize_folder(pipe, tmp_path / "dots", tmp_path / "out", stripes(64))


def test_work_that_is_stopped_keeps_what_is_finished(pipe, game, tmp_path, monkeypatch):
    monkeypatch.setattr("styleadapt.batch.game_folder._FILES_AT_A_TIME", 2)
    asked = iter([False, True])
    entries = stylize_folder(pipe, game, tmp_path / "out", stripes(64), stop=lambda: next(asked))
    assert [entry.input for entry in entries] == ["art/atlas.png", "art/atlas.tres"]


def test_matched_normal_maps_keep_their_alpha_and_the_colors_under_it(pipe, game, tmp_path):
    height = Image.linear_gradient("L").resize((24, 24))
    normals = Image.new("RGB", (24, 24), (128, 128, 255))
    normals.putalpha(height)
    normals.save(game / "textures" / "wall_nrm.png")
    stylize_folder(pipe, game, tmp_path / "out", stripes(64), normals="match")
    plain, matched = (pixels(tmp_path / "out" / "textures" / f"wall_{name}.png") for name in ("normal", "nrm"))
    assert (matched[..., :3] == plain[..., :3]).all() and (matched[..., 3] == np.asarray(height)).all()


def test_a_matched_normal_map_is_made_again_with_its_color_map(pipe, game, tmp_path):
    finished = []
    for normals in ("match", "keep"):
        out = tmp_path / normals
        stylize_folder(pipe, game, out, stripes(64), normals=normals)
        smooth_noise((24, 24), 6, cell=len(normals)).save(game / "textures" / "wall_albedo.png")
        finished.append([])
        add = finished[-1].append
        stylize_folder(pipe, game, out, stripes(64), normals=normals, callback=lambda progress: add(progress.entry.input))  # noqa: B023
    assert finished == [["textures/wall_albedo.png", "textures/wall_normal.png"], ["textures/wall_albedo.png"]]
