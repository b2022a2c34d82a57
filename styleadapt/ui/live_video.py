"""Stylizes a clip in a thread, and yields reports of its progress."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from styleadapt.ui.following import Followed, unwanted
from styleadapt.ui.limits import (
    LIVE_PREVIEW_SIDE,
    MAX_VIDEO_FRAMES,
    MAX_VIDEO_PIXELS,
    MAX_VIDEO_SECONDS,
    SECONDS_BETWEEN_PREVIEWS,
    SECONDS_BETWEEN_REPORTS,
)
from styleadapt.ui.uploads import fit
from styleadapt.ui.wearing import wearing

if TYPE_CHECKING:
    from styleadapt import StyleTransferPipeline
    from styleadapt.pipelines.strokes import StrokeSize
    from styleadapt.pipelines.video import VideoProgress, VideoSummary


@dataclass(frozen=True)
class VideoReport:
    """The progress of a clip.

    Parameters:
        frame: frames done.
        frames: how many there are; None if the file does not say.
        seconds_left: estimated time left; None if unknown.
        fraction: the part done, 0 to 1.
        preview: the last frame that was stylized, small; None when the last preview is still fresh.
    """

    frame: int
    frames: int | None = None
    seconds_left: float | None = None
    fraction: float = 0.0
    preview: Image.Image | None = None


@dataclass(frozen=True)
class VideoFinished:
    """The clip is saved.

    Parameters:
        summary: its size, what it holds, and whether it ends early: because of `stop_file`, or at the limit of frames.
    """

    summary: "VideoSummary"


def check_clip(source: Path) -> None:
    """Raise `VideoError` for what is no clip, or a larger or longer one than is taken here. It decodes the first frame alone."""
    from styleadapt.video.reading import VideoReader

    from ..errors import VideoError

    with VideoReader(source) as clip:
        width, height = clip.size
        if width * height > MAX_VIDEO_PIXELS:
            has, limit = f"{width} x {height} pixels", f"{MAX_VIDEO_PIXELS / 1e6:.1f} million pixels"
        elif clip.seconds and clip.seconds >= MAX_VIDEO_SECONDS + 1:
            has, limit = f"{clip.seconds:.0f} seconds", f"{MAX_VIDEO_SECONDS} seconds"
        elif clip.frames and clip.frames > MAX_VIDEO_FRAMES:
            has, limit = f"{clip.frames} frames", f"{MAX_VIDEO_FRAMES} frames"
        else:
            return
    raise VideoError(f"{source.name} has {has}, the limit here is {limit}; make it smaller or shorter first")


def video_live(
    pipeline: "StyleTransferPipeline",
    source: Path,
    target: Path,
    styles: list[Image.Image] | None,
    adapter_file: Path | None,
    strength: float,
    preserve_color: bool,
    max_size: int,
    stop_file: Path,
    smoothing: float,
    stroke_size: "StrokeSize" = "auto",
) -> Iterator[VideoReport | VideoFinished]:
    """Stylize the clip `source` with `pipeline` into `target`, in the style of `styles` or of the adapter.

    The clip ends early, with the frames that are ready, once `stop_file` exists or the caller closes the stream.
    """
    from styleadapt.pipelines.video import stylize_video

    session = wearing(pipeline, adapter_file)
    followed: Followed[VideoReport, VideoFinished] = Followed("video", stop_file)
    reporter = _Reporter(stop_file, followed.report)
    last = VideoReport(0)
    followed.report(last)

    def work() -> VideoFinished:
        summary = stylize_video(
            session,
            source,
            target,
            style=styles,
            strength=strength,
            preserve_color=preserve_color,
            max_size=max_size,
            smoothing=smoothing,
            stroke_size=stroke_size,
            callback=reporter,
        )
        return VideoFinished(summary)

    with contextlib.closing(followed.reports(work)) as reports:
        for report in reports:
            yield report or last
            if report is not None:
                last = replace(report, preview=None)
    yield followed.result


class _Reporter:
    """The callback of a clip: passes on its progress now and then, and stops it when asked to."""

    def __init__(self, stop_file: Path, report: Callable[[VideoReport], None]):
        self.stop_file, self.report = stop_file, report
        self.reported = self.previewed = float("-inf")

    def __call__(self, progress: "VideoProgress") -> None:
        # What the file says about its length may be wrong.
        too_long = progress.frame >= MAX_VIDEO_FRAMES and progress.frame != progress.frames
        if unwanted(self.stop_file) or too_long:
            progress.stop()
            return
        now = time.monotonic()
        if now - self.reported < SECONDS_BETWEEN_REPORTS:
            return
        self.reported = now
        preview = None
        if now - self.previewed >= SECONDS_BETWEEN_PREVIEWS:
            preview = fit(progress.preview(), LIVE_PREVIEW_SIDE)
            self.previewed = now
        self.report(VideoReport(progress.frame, progress.frames, progress.seconds_left, progress.fraction, preview))
