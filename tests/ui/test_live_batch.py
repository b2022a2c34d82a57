import zipfile
from types import SimpleNamespace

import pytest
from PIL import ExifTags, Image

from styleadapt.batch.stylizing import save_result
from styleadapt.images.metadata import ImageMetadata
from styleadapt.ui import live_batch
from styleadapt.ui.live_batch import BatchFinished, BatchReport, batch_live

from ..conftest import smooth_noise

PAINTINGS = [Image.new("RGB", (8, 8), "red")]


@pytest.fixture
def visit(tmp_path):
    folder = tmp_path / "visit"
    folder.mkdir()
    return folder


@pytest.fixture
def photos(tmp_path):
    """Three photos of different sizes and formats."""
    paths = [tmp_path / name for name in ("sea.jpg", "hill.png", "cat.gif")]
    for number, path in enumerate(paths):
        Image.new("RGB", (30 + number, 20), "white").save(path)
    return paths


def _run(pipeline, photos, visit, styles=PAINTINGS, adapter_file=None):
    return batch_live(pipeline, photos, styles, adapter_file, 1.0, False, visit / "all.zip", visit / "stop")


def _pictures(file):
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        return {name: Image.open(archive.open(name)).convert("RGB") for name in archive.namelist()}


def test_every_photo_is_reported_and_in_the_zip_file_in_its_size(pipeline, photos, visit):
    *reports, finished = _run(pipeline, photos, visit)
    assert [report.done for report in reports] == [0, 1, 2, 3]
    assert all(isinstance(report, BatchReport) for report in reports)
    assert reports[0].seconds_left is None and reports[1].seconds_left > 0 and reports[3].seconds_left == 0
    assert [report.fraction for report in reports] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert finished == BatchFinished(3, 3, []) and not finished.stopped
    pictures = _pictures(visit / "all.zip")
    assert {name: picture.size for name, picture in pictures.items()} == {
        "sea.jpg": (30, 20),
        "hill.png": (31, 20),
        "cat.png": (32, 20),
    }
    assert pictures["hill.png"].getpixel((0, 0)) == reports[2].preview.getpixel((0, 0)) == (255, 127, 127)
    assert [path.name for path in visit.iterdir()] == ["all.zip"]


def test_the_adapter_paints_without_style_images(pipeline, photos, visit):
    file = visit / "adapter"
    file.write_text('{"color": [0, 0, 200]}')
    list(_run(pipeline, photos, visit, None, file))
    assert _pictures(visit / "all.zip")["hill.png"].getpixel((0, 0)) == (127, 127, 227)
    assert pipeline.color is None


def test_a_bad_photo_is_skipped_and_named_without_its_folder(pipeline, photos, visit, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"junk")
    *reports, finished = _run(pipeline, [photos[0], bad, photos[1]], visit)
    assert finished.pictures == 2 and not finished.stopped
    [(name, why)] = finished.failed
    assert name == "bad.png" and "is not an image" in why and str(tmp_path) not in why
    assert reports[2].preview is None
    assert set(_pictures(visit / "all.zip")) == {"sea.jpg", "hill.png"}


def test_without_one_picture_there_is_no_zip_file(pipeline, visit, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"junk")
    *_, finished = _run(pipeline, [tmp_path / "bad.png"], visit)
    assert (finished.pictures, len(finished.failed)) == (0, 1)
    assert list(visit.iterdir()) == []


def test_stop_keeps_what_is_ready(pipeline, photos, visit):
    run = _run(pipeline, photos, visit)
    next(run), next(run)
    (visit / "stop").touch()
    [finished] = run
    assert finished == BatchFinished(1, 3, []) and finished.stopped
    assert set(_pictures(visit / "all.zip")) == {"sea.jpg"}


def test_a_closed_stream_leaves_no_part_and_the_earlier_zip_file(pipeline, photos, visit):
    (visit / "all.zip").write_bytes(b"earlier")
    run = _run(pipeline, photos, visit)
    next(run), next(run)
    assert len(list(visit.iterdir())) == 2
    run.close()
    assert [path.read_bytes() for path in visit.iterdir()] == [b"earlier"]


def test_a_visitor_who_is_gone_gets_no_folder_back(pipeline, photos, visit):
    run = _run(pipeline, photos, visit)
    next(run), next(run)
    for path in (*visit.glob("batch-*/*"), *visit.iterdir()):
        path.rmdir() if path.is_dir() else path.unlink()
    visit.rmdir()
    assert list(run) == []
    assert not visit.exists()


def test_a_full_zip_file_takes_no_more(pipeline, photos, visit, monkeypatch):
    monkeypatch.setattr(live_batch, "MAX_ZIP_BYTES", 1)
    *_, finished = _run(pipeline, photos, visit)
    assert finished.pictures == 1
    assert [why for _, why in finished.failed] == ["the ZIP file is full at 0 MB: send it in another batch"] * 2


def test_names_stay_and_never_become_paths_or_equal(pipeline, visit, tmp_path):
    paths = [tmp_path / name for name in ("Sea.PNG", "sea.png", "..\\..\\x<y.png", "nul.png", "写真.webp")]
    for path in paths:
        Image.new("RGB", (4, 4)).save(path)
    list(_run(pipeline, paths, visit))
    assert list(_pictures(visit / "all.zip")) == ["Sea.png", "sea-2.png", "x_y.png", "nul_.png", "写真.webp"]


def test_what_a_jpeg_cannot_hold_becomes_a_png(pipeline, visit, tmp_path, monkeypatch):
    path = tmp_path / "transparent.jpg"
    Image.new("RGBA", (4, 4), (9, 9, 9, 0)).save(path, "PNG")
    keep = type(pipeline)(color=(0, 0, 0))
    monkeypatch.setattr(type(pipeline), "__call__", lambda self, photo, **_: SimpleNamespace(images=[photo]))
    list(_run(keep, [path], visit))
    with zipfile.ZipFile(visit / "all.zip") as archive:
        assert Image.open(archive.open("transparent.png")).mode == "RGBA"


def test_what_the_file_says_beside_its_pixels_is_kept_but_for_the_place(pipeline, visit, tmp_path):
    path, exif = tmp_path / "a.jpg", Image.Exif()
    exif[ExifTags.Base.Artist], exif[ExifTags.Base.Orientation] = "Me", 6
    exif.get_ifd(ExifTags.IFD.GPSInfo)[1] = "N"
    Image.new("RGB", (30, 20)).save(path, exif=exif, dpi=(300, 300))
    list(_run(pipeline, [path], visit))
    with zipfile.ZipFile(visit / "all.zip") as archive, Image.open(archive.open("a.jpg")) as picture:
        assert picture.size == (20, 30) and picture.info["dpi"] == (300, 300)
        assert picture.getexif()[ExifTags.Base.Artist] == "Me"
        assert picture.getexif()[ExifTags.Base.Orientation] == 1
        assert not picture.getexif().get_ifd(ExifTags.IFD.GPSInfo), "nobody publishes by accident where a photo was taken"


@pytest.mark.parametrize(
    "name, kind, expected",
    [
        ("photo.avif", "AVIF", "photo.png"),
        ("photo.JFIF", "JPEG", "photo.jpg"),
        ("photo.jp2", "JPEG2000", "photo.png"),
        ("photo.tif", "TIFF", "photo.png"),
        ("photo.png", "JPEG", "photo.jpg"),
        ("photo.jpg", "WEBP", "photo.webp"),
        ("photo.JPEG", "JPEG", "photo.jpeg"),
        ("photo.2024", "JPEG", "photo.2024.jpg"),
        ("photo", "PNG", "photo.png"),
    ],
)
def test_a_picture_has_the_one_extension_that_its_format_has(pipeline, visit, tmp_path, name, kind, expected):
    Image.new("RGB", (16, 16), "white").save(tmp_path / name, kind)
    list(_run(pipeline, [tmp_path / name], visit))
    with zipfile.ZipFile(visit / "all.zip") as archive:
        assert archive.namelist() == [expected]


def test_webp_is_written_as_the_command_line_writes_it(pipeline, visit, tmp_path):
    photo = smooth_noise((64, 48), seed=1)
    photo.save(tmp_path / "a.webp", lossless=True)
    list(_run(pipeline, [tmp_path / "a.webp"], visit))
    painted = pipeline(tmp_path / "a.webp", style=PAINTINGS).images[0]
    save_result(painted, tmp_path / "expected.webp", ImageMetadata())
    with zipfile.ZipFile(visit / "all.zip") as archive:
        assert archive.read("a.webp") == (tmp_path / "expected.webp").read_bytes()
