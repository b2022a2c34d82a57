import zipfile
from functools import partial

import gradio as gr
import pytest
from gradio.data_classes import FileData, ListFiles
from PIL import Image

from styleadapt.ui import batch_tab
from styleadapt.ui.batch_tab import BatchEvents, build_batch_tab, finished_text, report_text, uploaded_paths
from styleadapt.ui.limits import MAX_BATCH
from styleadapt.ui.live_batch import BatchFinished, BatchReport, batch_live
from styleadapt.ui.look_choice import MY_ADAPTER, STYLE_IMAGES


@pytest.fixture
def events(studio, pipeline, visitors, monkeypatch) -> BatchEvents:
    monkeypatch.setattr(studio, "batch", partial(batch_live, pipeline), raising=False)
    return BatchEvents(studio, visitors)


@pytest.fixture
def photos(tmp_path):
    paths = [tmp_path / "sea.jpg", tmp_path / "hill.png"]
    for path in paths:
        Image.new("RGB", (30, 20), "white").save(path)
    return [str(path) for path in paths]


def _batch(events, photos, styles, visitor, source=STYLE_IMAGES):
    return events.batch(photos, styles, source, 1.0, False, visitor)


def test_a_batch_shows_its_progress_and_ends_with_a_zip_file(events, photos, styles, visitor, monkeypatch):
    monkeypatch.setattr(batch_tab, "SECONDS_BETWEEN_PREVIEWS", 0)
    _, (text, *_), (_, pictures, file, _), *_, (last, shown, download, same) = _batch(events, photos, styles, visitor)
    assert "0 of 2 photos" in text and "<progress" in text
    assert [name for _, name in pictures] == ["sea.jpg", "hill.png"]
    assert file.get("value") is None
    assert "2 of 2 photos are stylized" in last and same is visitor
    assert [(picture.size, name) for picture, name in shown] == [((30, 20), "sea.jpg"), ((30, 20), "hill.png")]
    assert download["value"] == visitor.zip_file and download["interactive"]
    assert zipfile.ZipFile(visitor.zip_file).namelist() == ["sea.jpg", "hill.png"]
    assert not visitor.stop()


def test_pictures_are_sent_now_and_then_and_all_at_the_end(events, photos, styles, visitor):
    shown = [pictures for _, pictures, *_ in _batch(events, photos, styles, visitor)]
    assert [isinstance(pictures, list) for pictures in shown] == [True, True, False, False, True]


def test_stop_keeps_the_pictures_that_are_ready(events, photos, styles, visitor):
    events.prepare(visitor)
    run = _batch(events, photos, styles, visitor)
    next(run), next(run), next(run)
    assert "keeping the pictures that are ready" in events.stop(visitor)
    *_, (text, _, download, _) = run
    assert "Stopped. 1 of 2 photos are stylized." in text
    assert download["interactive"]
    assert "nothing to stop" in events.stop(visitor)


def test_a_batch_stopped_in_the_queue_makes_nothing(events, photos, styles, visitor):
    events.prepare(visitor)
    events.stop(visitor)
    *_, (text, pictures, download, _) = _batch(events, photos, styles, visitor)
    assert "Stopped. 0 of 2" in text and pictures == []
    assert "interactive" not in download and not visitor.zip_file.exists()


def test_bad_files_are_listed_and_quoted_safely(events, photos, styles, visitor, tmp_path):
    bad = tmp_path / "<b>.png"
    bad.write_bytes(b"junk")
    *_, (text, *_) = _batch(events, [photos[0], str(bad)], styles, visitor)
    assert "1 of 2 photos are stylized" in text
    assert "<li>&lt;b&gt;.png: is not an image" in text
    assert str(tmp_path) not in text


def test_the_adapter_is_taken_when_it_is_chosen(events, photos, visitor):
    with pytest.raises(gr.Error, match="Adapt tab"):
        list(_batch(events, photos, None, visitor, MY_ADAPTER))
    visitor.adapter_file.write_text('{"color": [0, 0, 200]}')
    *_, (_, [(picture, _), _], _, _) = _batch(events, photos, None, visitor, MY_ADAPTER)
    assert picture.getpixel((0, 0)) == (127, 127, 227)


@pytest.mark.parametrize(
    ("count", "with_style", "message"),
    [(0, True, "Choose photos"), (MAX_BATCH + 1, True, f"up to {MAX_BATCH}"), (1, False, "style image first")],
)
def test_what_is_missing_or_too_much_is_said_and_ends_the_run(events, photos, styles, visitor, count, with_style, message):
    events.prepare(visitor)
    with pytest.raises(gr.Error, match=message):
        list(_batch(events, photos[:1] * count, styles if with_style else None, visitor))
    assert not visitor.stop()


def test_settings_are_clamped(events, studio, photos, styles, visitor, monkeypatch):
    seen = []
    monkeypatch.setattr(studio, "batch", lambda photos, paintings, adapter, *settings: seen.append(settings) or [])
    list(events.batch(photos, styles, STYLE_IMAGES, 40.0, None, visitor))
    list(events.batch(photos, styles, STYLE_IMAGES, 1, True, visitor, "0.02"))
    assert [(*settings[:2], settings[-1]) for settings in seen] == [(1, False, "auto"), (1, True, 0.02)]


def test_a_client_without_a_page_gets_a_visit(events, photos, styles):
    *_, (_, _, download, visitor) = _batch(events, photos, styles, None)
    assert download["value"] == visitor.zip_file and visitor.zip_file.is_file()


def test_texts():
    assert report_text(BatchReport(0, 12)) == "0 of 12 photos"
    assert report_text(BatchReport(3, 12, 33.2)) == "3 of 12 photos, 34 s left"
    assert "Skipped" not in finished_text(BatchFinished(2, 2, []))
    assert "Download" not in finished_text(BatchFinished(0, 1, [("a.png", "a.png is empty")]))
    assert "<li>a.png: is empty</li>" in finished_text(BatchFinished(0, 1, [("a.png", "a.png is empty")]))


def test_uploads_are_taken_unopened_one_or_many():
    files = [FileData(path="/cache/a.png"), FileData(path="/cache/b.txt")]
    assert uploaded_paths(ListFiles(root=files)) == ["/cache/a.png", "/cache/b.txt"]
    assert uploaded_paths(files[0]) == ["/cache/a.png"]
    assert uploaded_paths(None) == []


def test_the_api_is_named_documented_and_one_at_a_time(studio, visitors):
    with gr.Blocks() as app:
        build_batch_tab(studio, visitors, gr.State())
    assert set(app.get_api_info()["named_endpoints"]) == {"/batch"}
    [function] = [function for function in app.fns.values() if function.api_name == "batch"]
    assert (function.concurrency_limit, function.concurrency_id) == (1, "cpu")
    for parameter in ("photos", "style", "source", "strength", "preserve_color", "stroke_size"):
        assert f"{parameter}:" in function.fn.__doc__
