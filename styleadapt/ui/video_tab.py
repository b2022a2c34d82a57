"""The Video tab: stylizes a short clip in one style, with a live preview."""

import html
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr
from PIL import Image

from styleadapt.ui.errors import plain_errors
from styleadapt.ui.example_clip import write_example_clip
from styleadapt.ui.examples import example_images
from styleadapt.ui.limits import (
    DEFAULT_VIDEO_SIDE,
    MAX_VIDEO_BYTES,
    MAX_VIDEO_SECONDS,
    MAX_VIDEO_SIDE,
    MIN_VIDEO_SIDE,
    clamp,
)
from styleadapt.ui.live_video import VideoFinished, VideoReport, check_clip
from styleadapt.ui.long_work import LongWork, connect
from styleadapt.ui.progress import bar, status
from styleadapt.ui.session import Visitor, Visitors
from styleadapt.ui.stroke_size import read_strokes, stroke_size_input
from styleadapt.ui.studio import Studio
from styleadapt.ui.style_choice import read_choice, style_choice
from styleadapt.ui.uploads import StyleFiles, uploaded_path

if TYPE_CHECKING:
    from styleadapt.pipelines.video import VideoSummary

IDLE = status("Choose a clip and a style, then press Stylize clip.")
# As `stylize_video` has it, whose import takes seconds.
SMOOTHING = 0.9

Shown = tuple[str, Image.Image | dict | None, Path | dict | None, dict, Visitor]


class VideoEvents(LongWork):
    """The events of the tab, without its layout."""

    kept = "the frames that are ready"

    def example(self, visitor: Visitor | None) -> tuple[Path, Visitor]:
        """A clip made of the first packaged photo, for the input."""
        with plain_errors():
            visitor = self.visitors.of(visitor)
            file = visitor.folder / "example.mp4"
            write_example_clip(example_images("photos")[0], file)
            return file, visitor

    def video(
        self,
        clip: str | None,
        style: StyleFiles | None,
        source: str,
        strength: float,
        preserve_color: bool,
        smoothing: float,
        max_size: float,
        visitor: Visitor | None,
        stroke_size: str | None = None,
    ) -> Iterator[Shown]:
        """Paint a clip of up to thirty seconds in one style; its sound is kept.

        Parameters:
            clip: The clip, a video file of up to 30 megabytes, 900 frames and 3840 x 2160 pixels.
            style: One to eight style images, blended in equal parts. Not used with "My adapter".
            source: Where the style comes from, "Style images" or "My adapter", which is the one made or loaded in this session.
            strength: How much of the style to take, from 0 (the clip) to 1.
            preserve_color: Whether the clip keeps its own colors and takes only the brushwork.
            smoothing: How firmly the brushwork stays in place from frame to frame, from 0 (it flickers) to 1.
            max_size: The longest side in pixels that is worked at, from 256 to 1024; the clip keeps its own size.
            stroke_size: About how wide the strokes are, a share of the clip's longer side such as "0.02", or "auto".
        Returns:
            The progress, as HTML text; at the end the size, and what there is to know about the result.
            The last frame that was stylized, as long as the work runs.
            The stylized clip, an MP4 file, to play; /stop ends the work early and keeps the frames that are ready.
            The same file, to download.
        """
        with plain_errors():
            visitor = self.visitors.of(visitor)
            with self.running(visitor) as stop_file:
                path = _clip(clip)
                choice = read_choice(source, style, visitor)
                strength, smoothing = clamp(strength, 0, 1, default=1), clamp(smoothing, 0, 1, default=SMOOTHING)
                strokes = read_strokes(stroke_size)
                side = int(clamp(max_size, MIN_VIDEO_SIDE, MAX_VIDEO_SIDE, DEFAULT_VIDEO_SIDE))
                if stop_file.exists():
                    yield status("Stopped before it began."), gr.skip(), gr.skip(), gr.skip(), visitor
                    return
                yield status("Preparing …"), None, None, gr.update(interactive=False), visitor
                settings = strength, bool(preserve_color), side, stop_file, smoothing, strokes
                for item in self.studio.video(path, visitor.video_file, *choice, *settings):
                    visitor.touch()
                    if isinstance(item, VideoFinished):
                        file = visitor.video_file
                        yield (
                            status(finished_text(item.summary)),
                            gr.skip(),
                            file,
                            gr.update(value=file, interactive=True),
                            visitor,
                        )
                    else:
                        preview = gr.skip() if item.preview is None else item.preview
                        yield bar(report_text(item), item.fraction), preview, gr.skip(), gr.skip(), visitor


def report_text(report: VideoReport) -> str:
    """One line for a report: "Frame 34 of 240, 12 s left"."""
    if not report.frame:
        return "Preparing"
    frame = f"Frame {report.frame}" + (f" of {report.frames}" if report.frames else "")
    return frame if report.seconds_left is None else f"{frame}, {math.ceil(max(report.seconds_left, 0))} s left"


def finished_text(clip: "VideoSummary") -> str:
    """HTML for a clip: "240 frames of 512 × 288 px, 10.0 s with sound.", and what is missing of it."""
    sound = "with" if clip.audio else "without"
    text = f"{clip.frames} frames of {clip.width} × {clip.height} px, {clip.seconds:.1f} s {sound} sound."
    if clip.stopped:
        text = f"Stopped early. {text}"
    # It quotes the name of the upload.
    return f"{text} {html.escape(clip.damage)}." if clip.damage else text


def build_video_tab(studio: Studio, visitors: Visitors, visitor: gr.State) -> None:
    """Lay out the tab inside the current blocks and connect its events."""
    events = VideoEvents(studio, visitors)
    photos = example_images("photos")

    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            with gr.Row():
                with gr.Column(min_width=240):
                    clip = gr.Video(
                        label=f"Clip, up to {MAX_VIDEO_SECONDS} s",
                        sources=["upload"],
                        height=260,
                        elem_id="video-clip",
                    )
                    # Gradio's own may call ffmpeg on it, which opens whatever the file names.
                    clip.preprocess = uploaded_path  # type: ignore[method-assign, assignment]
                    try_example = gr.Button("Use an example clip", size="sm", visible=bool(photos), elem_id="video-example")
                source, styles = style_choice("video")
            strength = gr.Slider(0, 1, value=1, step=0.05, label="Strength", elem_id="video-strength")
            stroke_size = stroke_size_input("video-stroke-size")
            preserve_color = gr.Checkbox(label="Preserve color", elem_id="video-preserve-color")
            smoothing = gr.Slider(
                0,
                1,
                value=SMOOTHING,
                step=0.05,
                label="Smoothing",
                info="How firmly the brushwork stays in place from frame to frame.",
                elem_id="video-smoothing",
            )
            side = gr.Slider(
                MIN_VIDEO_SIDE,
                MAX_VIDEO_SIDE,
                value=DEFAULT_VIDEO_SIDE,
                step=64,
                label="Max size, in pixels",
                info="The longest side to work at; the clip keeps its size. Twice shows finer strokes in four times the time.",
                elem_id="video-side",
            )
            with gr.Row():
                run = gr.Button("Stylize clip", variant="primary", min_width=120, elem_id="video-run")
                stop = gr.Button("Stop", interactive=False, min_width=120, elem_id="video-stop")
        with gr.Column(scale=6, min_width=320):
            progress = gr.HTML(IDLE, elem_id="video-status")
            with gr.Row():
                preview = gr.Image(
                    label="Current frame",
                    elem_id="video-preview",
                    buttons=[],
                    interactive=False,
                    height=400,
                    min_width=220,
                    alt_text="Current frame",
                )
                result = gr.Video(
                    label="Stylized clip", elem_id="video-result", buttons=[], interactive=False, height=400, min_width=220
                )
            download = gr.DownloadButton("Download the clip", interactive=False, elem_id="video-download")

    try_example.click(events.example, visitor, [clip, visitor], queue=False, api_visibility="private")
    connect(
        events,
        events.video,
        run,
        stop,
        progress,
        IDLE,
        visitor,
        inputs=[clip, styles, source, strength, preserve_color, smoothing, side, visitor, stroke_size],
        outputs=[progress, preview, result, download, visitor],
        api_name="video",
    )


def _clip(path: str | None) -> Path:
    if not path:
        raise gr.Error("Choose a clip first.", print_exception=False)
    size = Path(path).stat().st_size
    if size > MAX_VIDEO_BYTES:
        megabytes = f"{size / 1e6:.0f} MB", f"{MAX_VIDEO_BYTES // 1_000_000} MB"
        raise gr.Error("This clip has {}, the limit here is {}.".format(*megabytes), print_exception=False)
    check_clip(Path(path))
    return Path(path)
