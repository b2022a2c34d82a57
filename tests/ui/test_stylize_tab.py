import gradio as gr
import pytest
from PIL import ExifTags, Image

from styleadapt.ui import examples
from styleadapt.ui.look_choice import BOTH, MY_ADAPTER, STYLE_IMAGES
from styleadapt.ui.studio import Look
from styleadapt.ui.stylize_tab import StylizeEvents, show_source


@pytest.fixture
def events(studio, visitors) -> StylizeEvents:
    return StylizeEvents(studio, visitors)


def test_the_page_opens_with_the_first_examples_stylized_once(events, studio, tmp_path, monkeypatch):
    monkeypatch.setattr(examples, "ASSETS", tmp_path)
    assert StylizeEvents(studio, events.visitors).first_look() is None
    for kind in ("photos", "styles"):
        (tmp_path / kind).mkdir()
        Image.new("RGB", (30, 20)).save(tmp_path / kind / "a.jpg")
    before, after = events.first_look()
    assert before.size == after.size == (30, 20)
    assert events.first_look()[1] is after


def test_a_photo_takes_a_style_and_keeps_its_size(events, photo, styles, visitor):
    (before, after), download, note, same = events.stylize(photo, styles, STYLE_IMAGES, 1.0, False, 1.0, "", 0.5, visitor)
    assert same is visitor
    assert before.size == after.size == (300, 200)
    assert "300 × 200 px" in note
    assert download["interactive"]
    assert Image.open(download["value"]).format == "PNG"
    assert Image.open(download["value"]).tobytes() == after.tobytes()


def test_the_download_keeps_the_exif_of_the_photo_but_for_the_place(events, tmp_path, styles, visitor):
    exif = Image.Exif()
    exif[ExifTags.Base.Artist], exif[ExifTags.Base.Orientation] = "Me", 6
    exif.get_ifd(ExifTags.IFD.GPSInfo)[1] = "N"
    Image.new("RGB", (30, 20)).save(tmp_path / "photo.jpg", exif=exif)
    _, download, *_ = events.stylize(str(tmp_path / "photo.jpg"), styles, STYLE_IMAGES, 1.0, False, 1.0, "", 0.5, visitor)
    with Image.open(download["value"]) as picture:
        found = picture.getexif()
        assert picture.size == (20, 30) and (found[ExifTags.Base.Artist], found[ExifTags.Base.Orientation]) == ("Me", 1)
        assert not found.get_ifd(ExifTags.IFD.GPSInfo)


def test_the_preview_is_small_and_the_download_is_not(events, tmp_path, styles, visitor):
    path = tmp_path / "large.png"
    Image.new("L", (2600, 1300)).save(path)
    (before, after), download, _, _ = events.stylize(str(path), styles, STYLE_IMAGES, 1.0, False, 1.0, "", 0.5, visitor)
    assert before.size == after.size == (1280, 640)
    assert Image.open(download["value"]).size == (2600, 1300)


def test_a_client_without_a_page_gets_a_visit(events, photo, styles):
    *_, visitor = events.stylize(photo, styles, STYLE_IMAGES, 1.0, False, 1.0, "", 0.5, None)
    assert visitor.picture_file.is_file()


def test_settings_are_clamped(events, studio, photo, styles, visitor, monkeypatch):
    seen = []
    monkeypatch.setattr(studio, "stylize", lambda photo, look, *settings: seen.append(settings) or photo)
    events.stylize(photo, styles, STYLE_IMAGES, 40.0, None, None, "", 0.5, visitor)
    assert seen == [(1, False, "auto")]


def test_the_stroke_size_reaches_picture_and_strip(events, studio, photo, styles, visitor, monkeypatch):
    seen = []
    for work in ("stylize", "strip"):
        monkeypatch.setattr(studio, work, lambda photo, look, *settings: seen.append(settings[-1]) or photo)
    events.stylize(photo, styles, STYLE_IMAGES, 1.0, False, 1.0, "", 0.5, visitor, "0.02")
    events.strip(photo, styles, STYLE_IMAGES, False, 1.0, "", 0.5, visitor, "0.04")
    assert seen == [0.02, 0.04]
    with pytest.raises(gr.Error, match="stroke size is 'broad'; it must be a number above 0 and up to 1"):
        events.stylize(photo, styles, STYLE_IMAGES, 1.0, False, 1.0, "", 0.5, visitor, "broad")


def test_the_adapter_styles_without_style_images(events, photo, visitor):
    visitor.adapter_file.write_text('{"color": [0, 0, 200]}')
    (_, after), *_ = events.stylize(photo, None, MY_ADAPTER, 1.0, False, 0.5, "", 0.5, visitor)
    assert after.getpixel((0, 0)) == (0, 0, 50)


def test_without_an_adapter_the_visitor_is_told_where_to_get_one(events, photo, visitor):
    with pytest.raises(gr.Error, match="Adapt tab"):
        events.stylize(photo, None, MY_ADAPTER, 1.0, False, 1.0, "", 0.5, visitor)


def test_one_visitors_adapter_never_reaches_another(events, studio, photo, styles, visitors):
    owner, other = visitors.open(), visitors.open()
    owner.adapter_file.write_text('{"color": [0, 0, 200]}')
    (_, plain), *_ = events.stylize(photo, styles, STYLE_IMAGES, 1.0, False, 1.0, "", 0.5, other)
    events.stylize(photo, None, MY_ADAPTER, 1.0, False, 1.0, "", 0.5, owner)
    (_, again), *_ = events.stylize(photo, styles, STYLE_IMAGES, 1.0, False, 1.0, "", 0.5, other)
    assert plain.tobytes() == again.tobytes()
    assert studio.pipeline.color is None
    with pytest.raises(gr.Error):
        events.stylize(photo, None, MY_ADAPTER, 1.0, False, 1.0, "", 0.5, other)


def test_both_blends_the_adapter_with_the_style_images_by_their_shares(events, photo, styles, visitor, tmp_path):
    visitor.adapter_file.write_text('{"color": [0, 0, 200]}')
    black = tmp_path / "black.png"
    Image.new("RGB", (8, 8)).save(black)
    (_, after), *_ = events.stylize(photo, [*styles, (str(black), None)], BOTH, 1.0, False, 1.0, "3, 1", 0.75, visitor)
    assert after.getpixel((0, 0)) == (24, 0, 75)


def test_an_unknown_source_is_refused(events, photo, styles, visitor):
    with pytest.raises(gr.Error, match="Style images, My adapter, Both"):
        events.stylize(photo, styles, "the moon", 1.0, False, 1.0, "", 0.5, visitor)


def test_a_strip_can_be_looked_at_and_downloaded(events, photo, styles, visitor):
    shown, download, same = events.strip(photo, styles, STYLE_IMAGES, False, 1.0, "", 0.5, visitor)
    assert same is visitor and shown == str(download["value"]) and download["interactive"]
    assert Image.open(shown).size == (5 * 300, 200)


def test_a_strip_knows_the_adapter(events, studio, photo, styles, visitor, monkeypatch):
    seen = []
    monkeypatch.setattr(studio, "strip", lambda photo, look, keep, strokes: seen.append((look, keep)) or photo)
    visitor.adapter_file.write_bytes(b"weights")
    events.strip(photo, None, MY_ADAPTER, True, 0.7, "", 0.5, visitor)
    assert seen == [(Look(adapter_file=visitor.adapter_file, adapter_weight=0.7), True)]


@pytest.mark.parametrize(
    ("source", "visible"),
    [(STYLE_IMAGES, [True, False, False]), (MY_ADAPTER, [False, True, False]), (BOTH, [True, True, True])],
)
def test_the_source_decides_which_settings_show(source, visible):
    assert [update["visible"] for update in show_source(source)] == visible
