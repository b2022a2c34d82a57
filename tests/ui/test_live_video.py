import threading
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from PIL import Image

from styleadapt.pipelines.video import VideoSummary
from styleadapt.ui import following, live_video
from styleadapt.ui.example_clip import write_example_clip
from styleadapt.ui.live_video import VideoFinished, VideoReport, check_clip, video_live
from styleadapt.video.reading import VideoReader

PAINTINGS = [Image.new("RGB", (8, 8), "red")]
FRAME = Image.new("RGB", (64, 48), "white")


@dataclass
class FakeProgress:
    frame: int
    frames: int
    picture: Image.Image | None = None
    stopped: bool = False

    seconds_left = property(lambda self: (self.frames - self.frame) * 1.0)
    fraction = property(lambda self: self.frame / self.frames)

    def preview(self) -> Image.Image:
        return self.picture

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def clip(monkeypatch):
    """A stand-in for `stylize_video` on a clip of `frames` white frames; it notes its options, and writes how many it made."""
    fake = SimpleNamespace(frames=5, options={}, on_frame=lambda frame: None)

    def stylize_video(pipe, source, target, *, callback, style=None, strength=1.0, preserve_color=False, **options):
        fake.options = {"strength": strength, "preserve_color": preserve_color, **options}
        progress = FakeProgress(0, fake.frames)
        while progress.frame < fake.frames and not progress.stopped:
            progress.picture = pipe(FRAME, style=style, strength=strength).images[0]
            progress.frame += 1
            fake.on_frame(progress.frame)
            callback(progress)
        target.write_text(str(progress.frame))
        return VideoSummary(progress.frame, 64, 48, 24.0, 1.0, True, progress.stopped)

    monkeypatch.setattr("styleadapt.pipelines.video.stylize_video", stylize_video)
    return fake


@pytest.fixture
def file(tmp_path):
    """A real clip: two seconds, 48 frames of 480 x 320 px."""
    Image.linear_gradient("L").save(tmp_path / "photo.png")
    write_example_clip(tmp_path / "photo.png", tmp_path / "clip.mp4")
    return tmp_path / "clip.mp4"


@pytest.fixture
def visit(tmp_path):
    folder = tmp_path / "visit"
    folder.mkdir()
    return folder


def _run(pipeline, visit, styles=PAINTINGS, adapter_file=None):
    return video_live(
        pipeline, visit / "in", visit / "out.mp4", styles, adapter_file, 0.5, True, 256, visit / "stop", smoothing=0.75
    )


def _worker():
    [worker] = [thread for thread in threading.enumerate() if thread.name == "video"]
    return worker


def test_reports_come_before_the_clip(pipeline, clip, visit, monkeypatch):
    monkeypatch.setattr(live_video, "SECONDS_BETWEEN_REPORTS", 0)
    monkeypatch.setattr(following, "SECONDS_BETWEEN_TICKS", 100)
    first, *reports, finished = _run(pipeline, visit)
    assert first == VideoReport(0)
    assert [report.frame for report in reports] == [1, 2, 3, 4, 5]
    assert (reports[1].frames, reports[1].seconds_left, reports[1].fraction) == (5, 3, 0.4)
    assert reports[0].preview.getpixel((0, 0)) == (255, 191, 191)
    assert reports[1].preview is None
    assert isinstance(finished, VideoFinished) and not finished.summary.stopped and finished.summary.frames == 5
    assert (visit / "out.mp4").read_text() == "5"


def test_the_settings_arrive(pipeline, clip, visit):
    list(_run(pipeline, visit))
    assert clip.options == {"strength": 0.5, "preserve_color": True, "max_size": 256, "smoothing": 0.75, "stroke_size": "auto"}


def test_the_adapter_paints_without_style_images(pipeline, clip, visit):
    (visit / "adapter").write_text('{"color": [0, 0, 200]}')
    _, report, *_ = _run(pipeline, visit, None, visit / "adapter")
    assert report.preview.getpixel((0, 0)) == (191, 191, 241)
    assert pipeline.color is None


def test_stop_keeps_the_frames_that_are_ready(pipeline, clip, visit):
    clip.frames, clip.on_frame = 10**9, lambda frame: frame == 3 and (visit / "stop").touch()
    *_, finished = _run(pipeline, visit)
    assert finished.summary.stopped and finished.summary.frames == 3


def test_a_clip_ends_at_the_limit_of_frames_whatever_its_header_says(pipeline, clip, visit, monkeypatch):
    monkeypatch.setattr(live_video, "MAX_VIDEO_FRAMES", 4)
    *_, finished = _run(pipeline, visit)
    assert finished.summary.stopped and finished.summary.frames == 4


def test_a_clip_of_just_the_limit_is_whole(pipeline, clip, visit, monkeypatch):
    monkeypatch.setattr(live_video, "MAX_VIDEO_FRAMES", 5)
    *_, finished = _run(pipeline, visit)
    assert not finished.summary.stopped and finished.summary.frames == 5


def test_an_error_in_the_thread_reaches_the_caller(pipeline, clip, visit):
    def fail(frame):
        raise ValueError("in holds no video")

    clip.on_frame = fail
    with pytest.raises(ValueError, match="no video"):
        list(_run(pipeline, visit))


@pytest.mark.parametrize("end", ["close", "remove"])
def test_work_ends_when_its_visitor_is_gone(pipeline, clip, visit, end):
    clip.frames = 10**9
    run = _run(pipeline, visit)
    next(run)
    worker = _worker()
    if end == "close":
        run.close()
    else:
        visit.rename(visit.with_name("gone"))
    worker.join(timeout=10)
    assert not worker.is_alive()


def test_the_stream_goes_on_while_a_frame_takes_long(pipeline, clip, visit, monkeypatch):
    monkeypatch.setattr(following, "SECONDS_BETWEEN_TICKS", 0.01)
    go_on = threading.Event()
    clip.on_frame = lambda frame: frame == 1 or go_on.wait(10)
    run = _run(pipeline, visit)
    reports = [next(run) for _ in range(4)]
    assert reports[-1].frame <= 1 and reports[-1].preview is None
    go_on.set()
    assert isinstance(list(run)[-1], VideoFinished)


def test_a_clip_within_the_limits_passes(file):
    check_clip(file)


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("MAX_VIDEO_PIXELS", 480 * 320 - 1, "clip.mp4 has 480 x 320 pixels, the limit here is 0.2 million pixels"),
        ("MAX_VIDEO_SECONDS", 1, "clip.mp4 has 2 seconds, the limit here is 1 seconds"),
        ("MAX_VIDEO_FRAMES", 47, "clip.mp4 has 48 frames, the limit here is 47 frames"),
    ],
)
def test_a_clip_beyond_a_limit_is_refused(file, monkeypatch, limit, value, message):
    monkeypatch.setattr(live_video, limit, value)
    with pytest.raises(ValueError, match=message) as caught:
        check_clip(file)
    assert str(file.parent) not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"junk", b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{clip}\n#EXT-X-ENDLIST\n"])
def test_what_is_no_clip_is_refused_a_list_of_other_files_too(file, content):
    bad = file.with_name("bad.mp4")
    bad.write_bytes(content.replace(b"{clip}", str(file).encode()))
    with pytest.raises(ValueError, match="bad.mp4"):
        check_clip(bad)


def test_a_real_clip_goes_through_the_real_pipeline(tiny_pipe, file, visit):
    source, target, stop_file = file, visit / "out.mp4", visit / "stop"
    *reports, finished = video_live(tiny_pipe, source, target, PAINTINGS, None, 1.0, False, 64, stop_file, 0.9)
    assert (finished.summary.frames, finished.summary.width, finished.summary.height) == (48, 480, 320)
    assert any(report.preview is not None and report.frames == 48 for report in reports)
    with VideoReader(target) as clip:
        assert clip.size == (480, 320) and clip.seconds == pytest.approx(2)
    assert list(visit.iterdir()) == [target]
