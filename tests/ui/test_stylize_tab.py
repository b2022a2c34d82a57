import gradio as gr
import pytest
from PIL import Image

from styleadapt.ui import examples
from styleadapt.ui.stylize_tab import MY_ADAPTER, STYLE_IMAGES, StylizeEvents, show_source


@pytest.fixture
def events(studio, visitors) -> StylizeEvents:
    return StylizeEvents(studio, visitors)


def test_the_page_opens_with_the_first_examples_stylised_once(events, studio, tmp_path, monkeypatch):
    monkeypatch.setattr(examples, "ASSETS", tmp_path)
    assert StylizeEvents(studio, events.visitors).first_look() is None
    for kind in ("photos", "styles"):
        (tmp_path / kind).mkdir()
        Image.new("RGB", (30, 20)).save(tmp_path / kind / "a.jpg")
    before, after = events.first_look()
    assert before.size == after.size == (30, 20)
    assert events.first_look()[1] is after


def test_a_photo_takes_a_style_and_keeps_its_size(events, photo, styles, visitor):
    (before, after), download, note, same = events.stylise(photo, styles, STYLE_IMAGES, 1.0, False, 1.0, visitor)
    assert same is visitor
    assert before.size == after.size == (300, 200)
    assert "300 × 200 px" in note
    assert download["interactive"]
    assert Image.open(download["value"]).format == "PNG"
    assert Image.open(download["value"]).tobytes() == after.tobytes()


def test_the_preview_is_small_and_the_download_is_not(events, tmp_path, styles, visitor):
    path = tmp_path / "large.png"
    Image.new("L", (2600, 1300)).save(path)
    (before, after), download, _, _ = events.stylise(str(path), styles, STYLE_IMAGES, 1.0, False, 1.0, visitor)
    assert before.size == after.size == (1280, 640)
    assert Image.open(download["value"]).size == (2600, 1300)


def test_a_client_without_a_page_gets_a_visit(events, photo, styles):
    *_, visitor = events.stylise(photo, styles, STYLE_IMAGES, 1.0, False, 1.0, None)
    assert visitor.picture_file.is_file()


def test_settings_are_clamped(events, studio, photo, styles, visitor, monkeypatch):
    seen = []
    monkeypatch.setattr(studio, "stylise", lambda photo, paintings, *settings: seen.append(settings) or photo)
    events.stylise(photo, styles, STYLE_IMAGES, 40.0, None, None, visitor)
    assert seen == [(1, False)]


def test_the_adapter_styles_without_style_images(events, photo, visitor):
    visitor.adapter_file.write_text('{"color": [0, 0, 200]}')
    (_, after), *_ = events.stylise(photo, None, MY_ADAPTER, 1.0, False, 0.5, visitor)
    assert after.getpixel((0, 0)) == (0, 0, 50)


def test_without_an_adapter_the_visitor_is_told_where_to_get_one(events, photo, visitor):
    with pytest.raises(gr.Error, match="Adapt tab"):
        events.stylise(photo, None, MY_ADAPTER, 1.0, False, 1.0, visitor)


def test_one_visitors_adapter_never_reaches_another(events, studio, photo, styles, visitors):
    owner, other = visitors.open(), visitors.open()
    owner.adapter_file.write_text('{"color": [0, 0, 200]}')
    (_, plain), *_ = events.stylise(photo, styles, STYLE_IMAGES, 1.0, False, 1.0, other)
    events.stylise(photo, None, MY_ADAPTER, 1.0, False, 1.0, owner)
    (_, again), *_ = events.stylise(photo, styles, STYLE_IMAGES, 1.0, False, 1.0, other)
    assert plain.tobytes() == again.tobytes()
    assert studio.pipeline.color is None
    with pytest.raises(gr.Error):
        events.stylise(photo, None, MY_ADAPTER, 1.0, False, 1.0, other)


def test_the_source_decides_which_settings_show():
    assert [update["visible"] for update in show_source(STYLE_IMAGES)] == [True, False]
    assert [update["visible"] for update in show_source(MY_ADAPTER)] == [False, True]
