"""Folders and data sets, with a stand-in for the pipeline: what is made, kept, skipped, refused."""

import errno
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import ExifTags, Image, ImageOps

from styleadapt.batch import stylizing as batch
from styleadapt.batch.photo_sources import FolderPhotos, Photo, PhotoData
from styleadapt.batch.stylizing import make_pictures
from styleadapt.errors import ManifestError
from styleadapt.images.images import load_image

from ..conftest import smooth_noise


class Render:
    """Turns photos into their negatives, and counts them."""

    def __init__(self):
        self.calls = 0

    def __call__(self, data: PhotoData) -> Image.Image:
        photo = load_image(data.encoded)
        self.calls += 1
        negative = ImageOps.invert(photo.convert("RGB"))
        if photo.mode == "RGBA":
            negative.putalpha(photo.getchannel("A"))
        return negative


@pytest.fixture
def render() -> Render:
    return Render()


@pytest.fixture
def photos(tmp_path) -> Path:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    smooth_noise((20, 10), 0).save(folder / "a.png")
    smooth_noise((20, 12), 1).save(folder / "b.JPG", quality=95)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    smooth_noise((20, 14), 2).save(folder / "sub" / "a.webp", lossless=True)
    return folder


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def manifest_lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def process(index: int, processes: int = 2) -> SimpleNamespace:
    return SimpleNamespace(
        is_main_process=index == 0, process_index=index, num_processes=processes, wait_for_everyone=lambda: None
    )


def test_a_folder_keeps_names_formats_and_folders_and_lists_what_is_broken(photos, render, tmp_path):
    out = tmp_path / "out"
    seen = []
    entries = make_pictures(render, FolderPhotos(photos), out, {"strength": 1.0}, callback=seen.append)
    assert files(out) == ["a.png", "b.JPG", "manifest.jsonl", "settings.json", "sub/a.webp"]
    assert load_image(out / "a.png").tobytes() == ImageOps.invert(smooth_noise((20, 10), 0)).tobytes()
    lines = manifest_lines(out)
    assert [(line["input"], line["output"]) for line in lines if line["status"] == "done"] == [
        ("a.png", "a.png"), ("b.JPG", "b.JPG"), ("sub/a.webp", "sub/a.webp")
    ]  # fmt: skip
    assert [(line["input"], line["output"]) for line in lines if line["status"] == "failed"] == [("broken.png", None)]
    assert (lines[3]["width"], lines[3]["height"]) == (20, 14) and lines[2]["error"].startswith("cannot be decoded")
    assert [entry.input for entry in entries] == [line["input"] for line in lines]
    assert [(p.finished, p.total) for p in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_second_run_makes_only_what_failed_changed_came_or_is_gone(photos, render, tmp_path):
    out = tmp_path / "out"
    make_pictures(render, FolderPhotos(photos), out, {})
    before = (out / "a.png").stat().st_mtime_ns
    render.calls = 0
    assert len(make_pictures(render, FolderPhotos(photos), out, {})) == 4 and render.calls == 0
    smooth_noise((8, 8), 3).save(photos / "broken.png")
    smooth_noise((20, 11), 4).save(photos / "b.JPG")
    smooth_noise((8, 9), 5).save(photos / "z.png")
    (out / "sub" / "a.webp").unlink()
    entries = make_pictures(render, FolderPhotos(photos), out, {})
    assert render.calls == 4 and [entry.error for entry in entries] == [None] * 5
    assert load_image(out / "b.JPG").size == (20, 11) and load_image(out / "broken.png").size == (8, 8)
    assert (out / "a.png").stat().st_mtime_ns == before


def test_a_broken_photo_that_was_removed_is_forgotten(photos, render, tmp_path):
    out = tmp_path / "out"
    make_pictures(render, FolderPhotos(photos), out, {})
    (photos / "broken.png").unlink()
    (photos / "a.png").unlink()
    entries = make_pictures(render, FolderPhotos(photos), out, {})
    assert [entry.input for entry in entries] == ["a.png", "b.JPG", "sub/a.webp"], "a result stays"


def test_processes_share_the_photos_and_one_manifest(photos, tmp_path):
    out, shares = tmp_path / "out", [Render(), Render()]
    first = process(0)
    # the main process stops before the others have begun, as a killed one would
    with pytest.raises(KeyboardInterrupt):
        make_pictures(_interrupted, FolderPhotos(photos), out, {}, state=first)
    assert make_pictures(shares[1], FolderPhotos(photos), out, {}, state=process(1)) == []
    assert files(out) == ["b.JPG", "manifest.part-1.jsonl", "settings.json", "sub/a.webp"]
    entries = make_pictures(shares[0], FolderPhotos(photos), out, {}, state=first)
    assert [share.calls for share in shares] == [1, 2]
    assert [entry.input for entry in entries] == ["a.png", "b.JPG", "broken.png", "sub/a.webp"]
    assert files(out) == ["a.png", "b.JPG", "manifest.jsonl", "settings.json", "sub/a.webp"]


def _interrupted(data):
    raise KeyboardInterrupt


def test_half_a_line_of_a_killed_run_costs_one_photo(photos, render, tmp_path):
    out = tmp_path / "out"
    make_pictures(render, FolderPhotos(photos), out, {})
    text = (out / "manifest.jsonl").read_text()
    (out / "manifest.jsonl").unlink()
    (out / "manifest.part-0.jsonl").write_text(text[: text.rindex('"sub/a.webp"')])
    (out / ".0123.partial").write_bytes(b"half a picture")
    render.calls = 0
    entries = make_pictures(render, FolderPhotos(photos), out, {})
    assert render.calls == 1 and len(entries) == 4 and files(out)[0] == "a.png"


def test_other_settings_are_refused_and_overwriting_leaves_nothing_behind(photos, render, tmp_path):
    out = tmp_path / "out"
    make_pictures(render, FolderPhotos(photos), out, {"strength": 1.0})
    before = files(out)
    with pytest.raises(ManifestError, match=r"`strength` is 0.5, but the results in .*out were made with 1.0; .*--overwrite"):
        make_pictures(render, FolderPhotos(photos), out, {"strength": 0.5})
    with pytest.raises(ManifestError, match="`format` is 'png'"):
        make_pictures(render, FolderPhotos(photos), out, {"strength": 1.0}, format="png")
    assert files(out) == before
    make_pictures(render, FolderPhotos(photos), out, {"strength": 0.5}, format="png", overwrite=True)
    assert files(out) == ["a.png", "b.png", "manifest.jsonl", "settings.json", "sub/a.png"]
    render.calls = 0
    make_pictures(render, FolderPhotos(photos), out, {"strength": 0.5}, format="png")
    assert render.calls == 0


def test_a_manifest_from_elsewhere_cannot_remove_files_outside(photos, render, tmp_path):
    out = tmp_path / "out"
    make_pictures(render, FolderPhotos(photos), out, {})
    outside = [tmp_path / "precious.png", photos / "a.png"]
    outside[0].touch()
    lines = manifest_lines(out)
    for line, target in zip(lines, ("../precious.png", str(outside[1]))):
        line["output"] = target
    (out / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    make_pictures(render, FolderPhotos(photos), out, {}, format="png", overwrite=True)
    assert all(path.is_file() for path in outside)


def test_a_folder_with_something_else_in_it_is_left_alone(photos, render, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").touch()
    with pytest.raises(ManifestError, match="holds thesis.txt and no results"):
        make_pictures(render, FolderPhotos(photos), tmp_path / "out", {}, overwrite=True)
    assert files(tmp_path / "out") == ["thesis.txt"]


@pytest.mark.parametrize(
    "format, names",
    [
        ("png", ["g.png", "o.png", "t.png"]),
        ("jpeg", ["g.jpg", "o.jpg", "t.png"]),
        ("webp", ["g.webp", "o.webp", "t.webp"]),
        ("keep", ["g.png", "o.tif", "t.bmp"]),
    ],
)
def test_formats_and_transparency(render, format, names, tmp_path):
    (tmp_path / "in").mkdir()
    smooth_noise((9, 9), 0).save(tmp_path / "in" / "g.gif")
    smooth_noise((9, 9), 0).save(tmp_path / "in" / "o.tif")
    clear = smooth_noise((9, 9), 0)
    clear.putalpha(100)
    clear.save(tmp_path / "in" / "t.png")
    if format == "keep":
        (tmp_path / "in" / "t.png").unlink()
        smooth_noise((9, 9), 0).save(tmp_path / "in" / "t.bmp")
    make_pictures(render, FolderPhotos(tmp_path / "in"), tmp_path / "out", {}, format=format)
    assert files(tmp_path / "out") == [*names[:1], "manifest.jsonl", names[1], "settings.json", names[2]]
    if format != "keep":
        assert load_image(tmp_path / "out" / names[2]).getchannel("A").getextrema() == (100, 100)


@pytest.mark.parametrize(
    "metadata, described, located", [("all", True, True), ("no-location", True, False), ("none", False, False)]
)
def test_metadata_is_kept_as_far_as_asked_for(render, metadata, described, located, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Artist], exif[ExifTags.Base.Orientation] = "Ann", 6
    exif.get_ifd(ExifTags.IFD.GPSInfo)[1] = "N"
    (tmp_path / "in").mkdir()
    smooth_noise((20, 10), 0).save(tmp_path / "in" / "a.jpg", exif=exif)
    make_pictures(render, FolderPhotos(tmp_path / "in"), tmp_path / "out", {}, metadata=metadata)
    with Image.open(tmp_path / "out" / "a.jpg") as out:
        found = out.getexif()
        assert out.size == (10, 20)
        assert (found.get(ExifTags.Base.Artist) == "Ann", bool(found.get_ifd(ExifTags.IFD.GPSInfo))) == (described, located)


def test_a_full_disk_ends_the_run_and_the_next_goes_on(photos, render, tmp_path, monkeypatch):
    out, save = tmp_path / "out", batch.save_picture

    def full(image, path, *arguments):
        if Path(path).name == "b.JPG":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        save(image, path, *arguments)

    monkeypatch.setattr(batch, "save_picture", full)
    with pytest.raises(OSError, match="No space left on device; what is finished is kept.*b.JPG"):
        make_pictures(render, FolderPhotos(photos), out, {})
    assert files(out) == ["a.png", "manifest.part-0.jsonl", "settings.json"]
    monkeypatch.setattr(batch, "save_picture", save)
    render.calls = 0
    assert len(make_pictures(render, FolderPhotos(photos), out, {})) == 4 and render.calls == 2


def test_hostile_names_stay_inside_and_apart(render, tmp_path):
    names = ["../../outside", "/etc/passwd", "A\0b", "a", "A", "a", "nul", "x" * 3000, "sub/..\\..\\c"]
    picture = tmp_path / "p.png"
    smooth_noise((8, 8), 0).save(picture)
    photos = [Photo(n, f"row {n}", name, "", lambda: PhotoData(picture.read_bytes())) for n, name in enumerate(names)]
    entries = make_pictures(render, photos, tmp_path / "deep" / "er" / "out", {}, format="png")
    assert [entry.error for entry in entries] == [None] * len(names)
    assert len({entry.output.lower() for entry in entries}) == len(names)
    assert files(tmp_path) == ["deep/er/out/" + name for name in files(tmp_path / "deep" / "er" / "out")] + ["p.png"]


@pytest.mark.parametrize("torch_raises", [False, True])
def test_memory_that_is_not_enough_for_one_photo_fails_that_one(photos, tmp_path, torch_raises):
    def render(data):
        photo = load_image(data.encoded)
        if photo.height == 12:
            if torch_raises:
                torch.empty(1 << 60, dtype=torch.uint8)
            raise MemoryError
        return photo

    entries = make_pictures(render, FolderPhotos(photos), tmp_path / "out", {})
    said = "allocate memory" if torch_raises else "MemoryError"
    assert [entry.input for entry in entries if entry.error and said in entry.error] == ["b.JPG"]


def test_a_defect_is_no_failed_photo(photos, tmp_path):
    with pytest.raises(ZeroDivisionError):
        make_pictures(lambda data: 1 / 0, FolderPhotos(photos), tmp_path / "out", {})


@pytest.mark.parametrize("option", [{"format": "gif"}, {"metadata": "some"}])
def test_an_unknown_option_is_refused_before_anything_is_written(photos, render, option, tmp_path):
    with pytest.raises(ValueError, match="must be one of"):
        make_pictures(render, FolderPhotos(photos), tmp_path / "out", {}, **option)
    assert not (tmp_path / "out").exists()
