import json

import pytest

from styleadapt.errors import ImageError
from styleadapt.game.sheets import Grid, parse_grid, read_sheets, renamed_sheet

FRAME = {
    "frame": {"x": 2, "y": 3, "w": 10, "h": 6},
    "rotated": True,
    "trimmed": True,
    "spriteSourceSize": {"x": 1, "y": 4, "w": 10, "h": 6},
    "sourceSize": {"w": 16, "h": 16},
}
PLAIN = {"frame": {"x": 20, "y": 0, "w": 16, "h": 16}}
META = {"image": "hero.png", "size": {"w": 64, "h": 32}, "app": "x"}


def written(tmp_path, told):
    path = tmp_path / "hero.json"
    path.write_text(told if isinstance(told, str) else json.dumps(told), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "frames", [{"a": FRAME, "b": PLAIN}, [{**FRAME, "filename": "a"}, {**PLAIN, "filename": "b"}]], ids=["hash", "array"]
)
def test_the_frames_of_a_sheet(tmp_path, frames):
    [sheet] = read_sheets(written(tmp_path, {"frames": frames, "meta": META}))
    first, second = sheet.frames
    assert sheet.image == "hero.png" and sheet.size == (64, 32)
    # turned, it is 6 wide and 10 high in the sheet
    assert (first.name, first.box, first.rotated) == ("a", (2, 3, 8, 13), True)
    assert (first.size, first.offset, first.box_size) == ((16, 16), (1, 4), (10, 6))
    assert (second.name, second.box, second.size, second.offset) == ("b", (20, 0, 36, 16), (16, 16), (0, 0))
    sheet.check((64, 32))


def test_texture_packers_list_of_textures(tmp_path):
    told = {"textures": [{"image": "a.png", "frames": [{"filename": "x", **PLAIN}]}, {"image": "b.png", "frames": []}]}
    assert [(sheet.image, len(sheet.frames)) for sheet in read_sheets(written(tmp_path, told))] == [("a.png", 1), ("b.png", 0)]


def test_json_of_another_kind_is_no_sheet(tmp_path):
    for told in ({}, [1], {"frames": 3, "meta": {}}, {"frames": []}, {"meta": "x"}, {"textures": [{"frames": 3}]}):
        assert read_sheets(written(tmp_path, told)) == []


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ('{"frames": ', "hero.json is broken JSON"),
        ({"frames": {"a": {}}, "meta": {}}, "'a' has no rectangle"),
        ({"frames": {"a": {"frame": {"x": 0, "y": 0, "w": 2}}}, "meta": {}}, "None for `h`"),
        ({"frames": {"a": {"frame": {"x": 0, "y": 0.5, "w": 2, "h": 2}}}, "meta": {}}, "0.5 for `y`"),
        ('{"frames": {"a": {"frame": {"x": Infinity}}}, "meta": {}}', "inf for `x`"),
        ({"frames": {"a": {"frame": {"x": 0, "y": 0, "w": 0, "h": 2}}}, "meta": {}}, "0 x 2"),
        ({"frames": {"a": {**FRAME, "sourceSize": {"w": 10, "h": 6}}}, "meta": {}}, "sourceSize"),
    ],
)
def test_broken_sheets_are_refused(tmp_path, told, said):
    with pytest.raises(ImageError, match=said):
        read_sheets(written(tmp_path, told))


def test_frames_have_to_lie_in_the_picture_and_animations_to_have_one_size(tmp_path):
    small = {"frame": {"x": 0, "y": 0, "w": 8, "h": 8}}
    tags = [{"name": "walk", "from": 0, "to": 1}]
    [sheet] = read_sheets(written(tmp_path, {"frames": {"a": PLAIN, "b": small}, "meta": {"frameTags": tags}}))
    with pytest.raises(ImageError, match="'walk' with frames of several sizes .8 x 8, 16 x 16"):
        sheet.check((64, 32))
    with pytest.raises(ImageError, match="lies outside"):
        sheet.check((30, 32))
    [sheet] = read_sheets(written(tmp_path, {"frames": {"a": PLAIN}, "meta": META}))
    with pytest.raises(ImageError, match="says 64 x 32"):
        sheet.check((64, 64))


def test_a_renamed_sheet_keeps_the_rest():
    text = json.dumps({"frames": {"ä": PLAIN}, "meta": META}, indent=1, ensure_ascii=False)
    assert renamed_sheet(text, "hero.png", "villain.png") == text.replace("hero.png", "villain.png")
    assert renamed_sheet(text, "other.png", "villain.png") == text


@pytest.mark.parametrize(
    "text", ['[{"hitbox":[1,2]}]', '{"meta":"x"}', '{"meta":{"image":"hero.png"}}', '{"textures":["hero.png"]}']
)
def test_json_of_another_kind_is_not_renamed(text):
    assert renamed_sheet(text, "hero.png", "villain.png") == text


def test_grids_with_margin_and_spacing():
    frames = Grid(16, 8, (1, 1), (2, 3), exact=False).frames((40, 19))
    assert [frame.box for frame in frames] == [(1, 1, 17, 9), (19, 1, 35, 9)]


def test_a_grid_has_to_fill_the_sheet():
    with pytest.raises(ImageError, match="is 40 x 20 pixels, which frames of 16 x 10 do not fill"):
        parse_grid("16x10").frames((40, 20))
    with pytest.raises(ImageError, match="no room"):
        Grid(64, 8, exact=False).frames((40, 20))
    for text in ("16", "0x4", "axb", "-1x3"):
        with pytest.raises(ImageError, match="grid"):
            parse_grid(text)
