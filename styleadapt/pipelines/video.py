"""Stylizes videos frame by frame, with their sound, in memory that does not grow with their length."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..errors import VideoError
from ..images.images import open_image
from ..video.reading import Picture, VideoReader
from ..video.smoothing import TemporalSmoother
from ..video.writing import VideoWriter, check_target
from .image_io import ImageLike, as_list
from .strokes import AUTO, StrokeSize, check_stroke_size
from .style_codes import encoding_size
from .style_transfer import StyleTransferPipeline

SMOOTHING = 0.9


@dataclass(frozen=True)
class VideoProgress:
    """The progress of `stylize_video`, which its callback gets after every frame.

    Args:
        frame: frames done, counted from 1.
        frames: how many there are, as the clip says or as follows from its length; None if unknown.
        seconds, seconds_left: since the start, and estimated to the end; None if unknown.
        fraction: of the clip, 0 to 1; 0 as long as its length is unknown.
    """

    frame: int
    frames: int | None
    seconds: float
    seconds_left: float | None
    fraction: float
    _picture: np.ndarray = field(repr=False)
    _stop: Callable[[], None] = field(repr=False)

    def preview(self) -> Image.Image:
        """The frame, stylized."""
        return Image.fromarray(self._picture)

    def stop(self) -> None:
        """Ends the clip after this frame; what is ready becomes the target."""
        self._stop()


@dataclass(frozen=True)
class VideoSummary:
    """The facts of a clip that `stylize_video` has written.

    Args:
        frames: how many.
        width, height: of the target; even numbers.
        fps: frames a second, on average.
        seconds: how long it is.
        audio: whether there is sound.
        stopped: it ends early because the callback asked for it.
        damage: one line on what of the source could not be read, and is missing; None if nothing is.
    """

    frames: int
    width: int
    height: int
    fps: float
    seconds: float
    audio: bool
    stopped: bool = False
    damage: str | None = None


def stylize_video(
    pipe: StyleTransferPipeline,
    source: str | PathLike,
    target: str | PathLike,
    *,
    style: ImageLike | Sequence[ImageLike] | None = None,
    style_weights: Sequence[float] | None = None,
    strength: float = 1.0,
    preserve_color: bool = False,
    max_size: int | None = None,
    smoothing: float = SMOOTHING,
    stroke_size: StrokeSize = AUTO,
    callback: Callable[[VideoProgress], object] | None = None,
) -> VideoSummary:
    """Stylizes a clip or an animation; sound, times of the frames and size stay.

    Every frame is stylized with the same style code and then steadied by `TemporalSmoother`. Frames are read, stylized and
    written one after the other. The picture is turned upright, transparent parts become white, and an odd side grows by a
    pixel (`VideoWriter`).

    Args:
        pipe: the pipeline, with its adapters.
        source: clip: MP4, MOV, MKV, WebM, AVI, MPEG, FLV, Ogg, ASF, GIF or APNG. It is never written to.
        target: ends in .mp4, .m4v, .mov, .mkv or .webm. It appears whole or not at all.
        style, style_weights, strength, preserve_color: as in the pipeline's call.
        max_size: longest side in pixels that is worked at; a larger clip is stylized at that size and scaled back.
        stroke_size: as in the pipeline's call; "auto" paints frames of up to 1,280 px in one pass.
        smoothing: 0 leaves each frame to itself; toward 1 it follows its predecessor, where that can be trusted.
        callback: called with a `VideoProgress` after every frame; its `stop()` ends the clip there. If it raises, nothing is
            written.

    Raises:
        VideoError: the source is no clip that can be read, or has no frame; the target is the source, or of an unknown kind.
        ValueError: as the pipeline's call, or `smoothing` out of range.
        OSError: the target cannot be written.
    """
    source, target = Path(source), Path(target)
    check_target(target)
    smoother = TemporalSmoother(smoothing)
    if not 0 <= strength <= 1:
        raise ValueError(f"`strength` is {strength}; it must lie between 0 and 1")
    if max_size is not None and max_size < 1:
        raise ValueError(f"`max_size` is {max_size}; it must be 1 pixel at least")
    check_stroke_size(stroke_size)
    if style is not None:
        # read once, and small, since the pipeline looks at it anew for every frame
        style = [encoding_size(open_image(image)) for image in as_list(style, "style")]
    pipe.encode_style(style, style_weights)
    options: dict[str, Any] = {"style": style, "style_weights": style_weights}
    options |= {"strength": strength, "preserve_color": preserve_color, "stroke_size": stroke_size}
    start = time.monotonic()
    done, stopped, first, end = 0, False, None, 0

    def stop() -> None:
        nonlocal stopped
        stopped = True

    with VideoReader(source, max_size) as clip:
        if target.exists() and target.samefile(source):
            raise VideoError(f"the target {target} would overwrite the clip that is read; give it another name")
        with VideoWriter(target, clip) as out:
            for item in clip:
                if not isinstance(item, Picture):
                    out.sound(item)
                    continue
                painted = np.asarray(pipe(Image.fromarray(item.pixels), **options).images[0])
                painted = smoother(item.pixels, painted)
                out.show(replace(item, pixels=painted))
                done += 1
                first = item.pts if first is None else first
                end = item.pts + (item.duration or round(1 / (clip.rate * clip.time_base)))
                if callback is not None:
                    callback(_progress(clip, done, time.monotonic() - start, painted, stop))
                if stopped:
                    break
            damage = clip.damage
        seconds = float((end - (first or 0)) * clip.time_base)
        fps = done / seconds if seconds else float(clip.rate)
        return VideoSummary(done, *out.size, fps, seconds, out.audio, stopped, damage)


def _progress(clip: VideoReader, done: int, seconds: float, painted: np.ndarray, stop: Callable[[], None]) -> VideoProgress:
    frames = max(clip.frames, done) if clip.frames else None
    left = seconds / done * (frames - done) if frames else None
    return VideoProgress(done, frames, seconds, left, done / frames if frames else 0.0, painted, stop)
