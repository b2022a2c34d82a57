from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import pytest
from PIL import Image

from styleadapt.pipelines.video import SMOOTHING, VideoSummary
from styleadapt.ui import video_tab
from styleadapt.ui.live_video import VideoFinished, VideoReport
from styleadapt.ui.look_choice import MY_ADAPTER, STYLE_IMAGES
from styleadapt.ui.video_tab import VideoEvents, build_video_tab, finished_text, report_text

FRAME = Image.new("RGB", (64, 48), "red")
SUMMARY = VideoSummary(frames=48, width=64, height=48, fps=24.0, seconds=2.0, audio=True)


@pytest.fixture
def work(studio, monkeypatch):
    """A stand-in for `Studio.video`, which notes its arguments and looks for the stop file after each frame."""
    seen = SimpleNamespace(arguments=None)

    def video(source, target, *arguments):
        seen.arguments = arguments
        stop_file = arguments[5]
        target.write_bytes(b"clip")
        for frame in range(1, 4):
            if stop_file.exists():
                break
            yield VideoReport(frame, 3, 3.0 - frame, frame / 3, FRAME if frame == 1 else None)
        yield VideoFinished(replace(SUMMARY, stopped=stop_file.exists()))

    monkeypatch.setattr(studio, "video", video)
    return seen


@pytest.fixture
def events(studio, visitors, work, monkeypatch) -> VideoEvents:
    monkeypatch.setattr(video_tab, "check_clip", lambda path: None)
    return VideoEvents(studio, visitors)


@pytest.fixture
def clip(tmp_path) -> str:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"frames")
    return str(path)


def _video(events, clip, styles, visitor, source=STYLE_IMAGES):
    return events.video(clip, styles, source, 0.5, True, 0.75, 256, visitor)


def test_a_clip_is_watched_and_can_be_played_and_downloaded(events, clip, styles, visitor):
    first, second, third, *_, last = _video(events, clip, styles, visitor)
    assert first[1] is None and first[2] is None and not first[3]["interactive"]
    assert "Frame 1 of 3, 2 s left" in second[0] and second[1] is FRAME
    assert "Frame 2 of 3" in third[0] and "value" not in third[1]
    text, _, playable, download, same = last
    assert "48 frames of 64 × 48 px, 2.0 s with sound" in text and same is visitor
    assert playable == download["value"] == visitor.video_file and download["interactive"]
    assert not visitor.stop()


def test_the_settings_arrive(events, work, clip, styles, visitor):
    list(_video(events, clip, styles, visitor))
    [painting], adapter_file, strength, keep, side, _, smoothing, strokes = work.arguments
    assert painting.size == (64, 64) and adapter_file is None
    assert (strength, keep, side, smoothing, strokes) == (0.5, True, 256, 0.75, "auto")


def test_settings_are_clamped(events, work, clip, styles, visitor):
    list(events.video(clip, styles, STYLE_IMAGES, 40, None, -3, 100_000, visitor))
    _, _, strength, keep, side, _, smoothing, _ = work.arguments
    assert (strength, keep, side, smoothing) == (1, False, video_tab.MAX_VIDEO_SIDE, 0)
    list(events.video(clip, styles, STYLE_IMAGES, 1, False, 0.9, 512, visitor, "0.02"))
    assert work.arguments[-1] == 0.02


def test_a_mistyped_setting_is_told_before_the_last_result_is_cleared(events, work, clip, styles, visitor):
    with pytest.raises(gr.Error, match="stroke size"):
        next(events.video(clip, styles, STYLE_IMAGES, 1, False, 0.9, 512, visitor, "2%"))
    assert work.arguments is None


def test_the_adapter_is_taken_when_it_is_chosen(events, work, clip, visitor):
    with pytest.raises(gr.Error, match="Adapt tab"):
        list(_video(events, clip, None, visitor, MY_ADAPTER))
    visitor.adapter_file.write_bytes(b"weights")
    list(_video(events, clip, None, visitor, MY_ADAPTER))
    assert work.arguments[:2] == (None, visitor.adapter_file)


def test_stop_keeps_the_frames_that_are_ready(events, clip, styles, visitor):
    events.prepare(visitor)
    run = _video(events, clip, styles, visitor)
    next(run), next(run)
    assert "keeping the frames that are ready" in events.stop(visitor)
    *_, (text, _, playable, _, _) = run
    assert "Stopped early" in text and playable == visitor.video_file
    assert "nothing to stop" in events.stop(visitor)


def test_a_clip_stopped_in_the_queue_does_not_begin(events, work, clip, styles, visitor):
    events.prepare(visitor)
    events.stop(visitor)
    [(text, *_)] = _video(events, clip, styles, visitor)
    assert "before it began" in text and work.arguments is None


def test_a_clip_is_asked_for(events, styles, visitor):
    events.prepare(visitor)
    with pytest.raises(gr.Error, match="Choose a clip"):
        list(_video(events, None, styles, visitor))
    assert not visitor.stop()


def test_a_large_file_is_refused_unopened(events, clip, styles, visitor, monkeypatch):
    monkeypatch.setattr(video_tab, "MAX_VIDEO_BYTES", 5)
    monkeypatch.setattr(video_tab, "check_clip", lambda path: pytest.fail("opened"))
    with pytest.raises(gr.Error, match="the limit here is"):
        list(_video(events, clip, styles, visitor))


def test_a_client_without_a_page_gets_a_visit(events, clip, styles):
    *_, (*_, visitor) = _video(events, clip, styles, None)
    assert visitor.video_file.is_file()


def test_the_example_is_a_clip_of_the_visitors_own(events, visitor):
    file, same = events.example(visitor)
    assert file.parent == visitor.folder and b"ftyp" in file.read_bytes()[:16] and same is visitor


def test_texts():
    assert report_text(VideoReport(0)) == "Preparing"
    assert report_text(VideoReport(34, 240, 11.2)) == "Frame 34 of 240, 12 s left"
    assert report_text(VideoReport(34)) == "Frame 34"
    assert "without sound" in finished_text(replace(SUMMARY, audio=False))
    damage = "<b>.mp4 is damaged: 3 of its 48 frames could be read"
    assert "sound. &lt;b&gt;.mp4 is damaged" in finished_text(replace(SUMMARY, damage=damage))


def test_the_smoothing_is_that_of_the_library():
    assert video_tab.SMOOTHING == SMOOTHING


def test_the_api_is_named_documented_and_one_at_a_time(studio, visitors):
    with gr.Blocks() as app:
        build_video_tab(studio, visitors, gr.State())
    assert set(app.get_api_info()["named_endpoints"]) == {"/video"}
    [function] = [function for function in app.fns.values() if function.api_name == "video"]
    assert (function.concurrency_limit, function.concurrency_id) == (1, "cpu")
    for parameter in ("clip", "style", "source", "strength", "preserve_color", "smoothing", "max_size", "stroke_size"):
        assert f"{parameter}:" in function.fn.__doc__
