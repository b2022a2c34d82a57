import gradio as gr
import pytest
from PIL import Image

from styleadapt.ui import live_refinement
from styleadapt.ui.fine_painting import FAST, FINE, FineEvents, show_quality
from styleadapt.ui.look_choice import BOTH, MY_ADAPTER, STYLE_IMAGES


@pytest.fixture
def events(studio, visitors) -> FineEvents:
    return FineEvents(studio, visitors)


@pytest.fixture(autouse=True)
def every_step_is_reported(monkeypatch):
    monkeypatch.setattr(live_refinement, "SECONDS_BETWEEN_REPORTS", 0)
    monkeypatch.setattr(live_refinement, "SECONDS_BETWEEN_PREVIEWS", 0)


def run(events, photo, styles, visitor, source=STYLE_IMAGES, seconds=30.0):
    return list(events.refine(photo, styles, source, 1.0, False, 1.0, "", 0.5, visitor, "auto", seconds))


def test_the_visitor_watches_and_gets_the_picture(events, photo, styles, visitor):
    first, *steps, last = run(events, photo, styles, visitor)
    assert "Preparing" in first[0]
    assert "s left" in steps[0][0] and "<progress" in steps[0][0]
    before, preview = steps[0][1]
    assert before.size == preview.size
    text, (_, after), download, note, _ = last
    assert "Done after 5 steps" in text and "300 × 200 px" in note
    assert Image.open(download["value"]).tobytes() == after.tobytes()
    assert not visitor.stop()


def test_stop_keeps_the_best_so_far(events, photo, styles, visitor):
    work = events.refine(photo, styles, STYLE_IMAGES, 1.0, False, 1.0, "", 0.5, visitor)
    events.prepare(visitor)
    next(work)
    assert "best picture so far" in events.stop(visitor)
    *_, last = work
    assert "Done after" in last[0] and last[2]["interactive"]


def test_seconds_are_clamped(events, studio, photo, styles, visitor, monkeypatch):
    seen = []
    monkeypatch.setattr(studio, "refine", lambda photo, look, *settings: seen.append(settings[3]) or iter(()))
    for seconds in (0, 60, 1e6, None):
        run(events, photo, styles, visitor, seconds=seconds)
    assert seen == [10, 60, 180, 60]


def test_an_adapter_alone_is_told_what_is_missing(events, photo, styles, visitor):
    visitor.adapter_file.write_text('{"color": [0, 0, 200]}')
    with pytest.raises(gr.Error, match="needs style images"):
        run(events, photo, None, visitor, MY_ADAPTER)
    assert not visitor.stop()
    assert "Done" in run(events, photo, styles, visitor, BOTH)[-1][0]


def test_the_choice_shows_one_button_or_the_other():
    assert [update["visible"] for update in (*show_quality(FAST), *show_quality(FINE))] == [True, False, False, True]
