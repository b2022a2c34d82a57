import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from styleadapt.errors import ImageError
from styleadapt.game.sheets import Grid
from styleadapt.ui import live_assets
from styleadapt.ui.live_assets import AssetsFinished, AssetsReport, assets_live

from ..conftest import smooth_noise, stripes
from ..pipelines.test_game_assets import sprite

OPTIONS = {"colors": None, "dither": False, "strength": 1.0}


@pytest.fixture
def make(tiny_pipe, tmp_path):
    """Runs a set to its end: its reports, what it has finished with, and the names in the ZIP file."""
    visit = tmp_path / "visit"
    visit.mkdir()

    def run(files, tile=False, grid=None, pipe=tiny_pipe, **options):
        targets = visit / "assets.zip", visit / "animation.webp", visit / "stop"
        *reports, finished = assets_live(pipe, files, [stripes(64)], None, tile, grid, OPTIONS | options, *targets)
        names = zipfile.ZipFile(targets[0]).namelist() if targets[0].exists() else []
        return reports, finished, names

    return run


@pytest.fixture
def uploads(tmp_path):
    """A sheet of two frames with its JSON file, and a texture."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    sheet = Image.new("RGBA", (32, 16))
    for n in range(2):
        sheet.paste(sprite(n + 1, (16, 16)), (16 * n, 0))
    sheet.save(folder / "hero.png")
    frames = {str(n): {"frame": {"x": 16 * n, "y": 0, "w": 16, "h": 16}} for n in range(2)}
    (folder / "hero.json").write_text(json.dumps({"frames": frames, "meta": {"image": "hero.png"}}), encoding="utf-8")
    smooth_noise((24, 24), 3).save(folder / "wall.png")
    return [folder / "hero.png", folder / "hero.json", folder / "wall.png"]


def test_a_set_becomes_a_zip_file_with_its_sheet_animated(make, uploads, tmp_path):
    reports, finished, names = make(uploads, colors=4)
    assert reports[0] == AssetsReport(0, 3) and reports[-1].done == 3
    assert names == ["hero.json", "hero.png", "manifest.jsonl", "palette.gpl", "palette.hex", "wall.png"]
    assert (finished.pictures, finished.files, finished.failed, finished.animated, finished.stopped) == (2, 3, [], True, False)
    assert [(picture.size, name) for picture, name in finished.previews] == [((32, 16), "hero.png"), ((24, 24), "wall.png")]
    with Image.open(tmp_path / "visit" / "animation.webp") as animation:
        assert animation.n_frames == 2
    with zipfile.ZipFile(tmp_path / "visit" / "assets.zip") as archive, archive.open("hero.png") as file:
        assert (np.asarray(Image.open(file).convert("RGBA"))[..., 3] == np.asarray(Image.open(uploads[0]))[..., 3]).all()


def test_textures_are_seen_three_times_three(make, uploads):
    _, finished, _ = make([uploads[2]], tile=True)
    [(preview, _)] = finished.previews
    assert preview.size == (72, 72) and not finished.animated
    pixels = np.asarray(preview)
    assert (pixels[:24, :24] == pixels[24:48, 48:]).all()


def test_pictures_of_one_size_are_an_animation_and_of_several_are_none(make, tmp_path):
    paths = [tmp_path / f"{n}.png" for n in range(3)]
    for n, path in enumerate(paths):
        sprite(n + 1, (16, 16) if n < 2 else (24, 24)).save(path)
    assert make(paths[:2])[1].animated
    assert not make(paths)[1].animated
    assert make(paths[:1], grid=Grid(8, 8))[1].animated


def test_bad_files_are_listed(make, uploads, tmp_path):
    bad = {
        "a.txt": b"words",
        "b.png": b"rubbish",
        "walk.json": b'{"frames":',
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    smooth_noise((16, 16), 1).save(tmp_path / "walk.png")
    (tmp_path / "twice").mkdir()
    smooth_noise((16, 16), 1).save(tmp_path / "twice" / "wall.png")
    more = [tmp_path / name for name in (*bad, "walk.png", "twice/wall.png")]
    _, finished, names = make([*uploads, *more])
    told = dict(finished.failed)
    assert "no picture of a kind" in told["a.txt"] and "not an image" in told["b.png"]
    assert "broken JSON" in told["walk.png"] and "name of another file" in told["wall.png"]
    assert finished.pictures == 2 and not finished.stopped and "walk.png" not in names


def test_too_many_pixels_are_refused(make, uploads, monkeypatch):
    monkeypatch.setattr(live_assets, "MAX_ASSET_PIXELS", 600)
    with pytest.raises(ImageError, match="more than 600 pixels together"):
        make(uploads)


@pytest.mark.parametrize("trimmed", [True, False], ids=["large frames", "many frames"])
def test_too_many_pixels_in_frames_are_refused(make, uploads, monkeypatch, trimmed):
    monkeypatch.setattr(live_assets, "MAX_ASSET_PIXELS", 2000)
    with pytest.raises(ImageError, match="frames of the sheets have more than 2,000 pixels together"):
        if not trimmed:
            make([uploads[0]], grid=Grid(2, 2))
        told = json.loads(uploads[1].read_text(encoding="utf-8"))
        for frame in told["frames"].values():
            frame |= {"sourceSize": {"w": 40, "h": 40}, "spriteSourceSize": {"x": 0, "y": 0}}
        uploads[1].write_text(json.dumps(told), encoding="utf-8")
        make(uploads[:2])


def test_without_a_picture_the_set_ends_with_what_failed(make, uploads, tmp_path):
    bad = tmp_path / "bad.jpg"
    smooth_noise((64, 64), 1).save(bad)
    bad.write_bytes(bad.read_bytes()[:100])
    _, finished, names = make([bad, uploads[1]])
    assert (finished.pictures, finished.files, finished.previews, finished.stopped, names) == (0, 2, [], False, [])
    [(name, reason)] = finished.failed
    assert name == "bad.jpg" and "Truncated" in reason


def test_files_without_a_picture_to_paint_are_refused(make, uploads, tmp_path):
    smooth_noise((16, 16), 1).save(tmp_path / "wall_normal.png")
    with pytest.raises(ImageError, match="^There is no picture to paint among the files"):
        make([uploads[1], tmp_path / "wall_normal.png"])


def test_a_set_that_is_stopped_keeps_what_is_ready(make, uploads, tmp_path, monkeypatch):
    (tmp_path / "visit" / "stop").touch()
    _, finished, names = make(uploads)
    assert finished == AssetsFinished(0, 3, [], [], False, True) and names == []


def test_a_name_from_a_visitor_is_no_path(make, tmp_path):
    strange = tmp_path / ".._.._x.png"
    smooth_noise((16, 16), 1).save(strange)
    _, finished, names = make([strange])
    assert finished.pictures == 1 and all("/" not in name and not name.startswith(".") for name in names)
