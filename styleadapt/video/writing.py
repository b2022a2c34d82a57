"""Writes clips: encodes frames as they come, copies the sound, and saves the file atomically."""

import contextlib
import os
import secrets
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from ..errors import VideoError
from .reading import Picture, VideoReader

_FRAME_DURATION = 1 << 8  # AV_CODEC_FLAG_FRAME_DURATION, which PyAV does not name
_H264 = ("libx264", {"crf": "20", "preset": "fast"})
_VP9 = ("libvpx-vp9", {"crf": "30", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"})
# by extension: container, encoder of pictures, kinds of sound that are passed through, encoder of all others
_CONTAINERS: dict[str, tuple[str, tuple[str, dict[str, str]], tuple[str, ...], str]] = {
    ".mp4": ("mp4", _H264, ("aac", "mp3"), "aac"),
    ".m4v": ("mp4", _H264, ("aac", "mp3"), "aac"),
    ".mov": ("mov", _H264, ("aac", "mp3"), "aac"),
    ".mkv": ("matroska", _H264, ("aac", "mp3", "ac3", "eac3", "flac", "opus", "vorbis"), "aac"),
    ".webm": ("webm", _VP9, ("opus", "vorbis"), "libopus"),
}


class _BrokenPacket(VideoError):
    """A packet that the container does not take."""


def check_target(target: Path) -> None:
    """Raises `VideoError` if `target` is a folder, or has no extension of a clip that can be written.

    >>> check_target(Path("clip.mp4"))
    """
    if target.is_dir():
        raise VideoError(f"the target {target} is a folder; name a file in it")
    if target.suffix.lower() not in _CONTAINERS:
        known = ", ".join(_CONTAINERS)
        raise VideoError(f"{target.name} has the unknown extension {target.suffix!r} for a clip; use one of {known}")


def as_frame(pixels: np.ndarray) -> av.VideoFrame:
    """A frame in 4:2:0 and BT.709, of RGB pixels `(H, W, 3)` uint8 with even sides."""
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels)).reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        interpolation="BICUBIC",
    )


def declare_colors(context: Any) -> None:
    """Tells an encoder, and thereby players, that it gets what `as_frame` gives."""
    context.pix_fmt = "yuv420p"
    context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709


class VideoWriter:
    """Writes the frames and the sound of a clip. Leaving the `with` block without an error puts the file in its place.

    Frames are H.264 (VP9 in WebM) in 4:2:0, BT.709, at the times they had in the clip. An odd side is made even by repeating its
    last row or column, which this chroma sampling needs. Sound is copied packet by packet where players expect its kind in the
    container, and encoded anew where they do not.

    Args:
        target: ends in .mp4, .m4v, .mov, .mkv or .webm.
        clip: what sizes, times and the kind of sound are taken from.

    Raises:
        VideoError: unknown extension, or no such encoder in this build of PyAV.
        OSError: the file cannot be written; what stood there still stands.

    Example:
        with VideoReader(source) as clip, VideoWriter(target, clip) as out:
            for item in clip:
                out.show(item) if isinstance(item, Picture) else out.sound(item)
    """

    def __init__(self, target: Path, clip: VideoReader):
        check_target(target)
        self.target, self._clip = target, clip
        self.size = (clip.size[0] + clip.size[0] % 2, clip.size[1] + clip.size[1] % 2)
        self.audio = False

    def __enter__(self) -> "VideoWriter":
        container, (codec, options), copied, sound_codec = _CONTAINERS[self.target.suffix.lower()]
        self.target.parent.mkdir(parents=True, exist_ok=True)
        self._partial = self.target.with_name(f".{secrets.token_hex(8)}.partial")
        try:
            self._out: Any = av.open(f"file:{self._partial}", "w", format=container, container_options=_muxing(container))
            self._add_pictures(codec, options)
            self._last_dts: int | None = None
            self._copied: Any = None
            self._sound: Any = None
            if self._clip.audio is not None:
                self._add_sound(self._clip.audio, copied, sound_codec)
        except BaseException as error:
            self._discard()
            raise self._named(error) from error
        return self

    def show(self, picture: Picture) -> None:
        """Encodes a picture `(H, W, 3)` of any size, which is scaled to the clip's."""
        pixels = picture.pixels
        if pixels.shape[1::-1] != self._clip.size:
            pixels = cv2.resize(pixels, self._clip.size, interpolation=cv2.INTER_CUBIC)
        height, width = pixels.shape[:2]
        if height % 2 or width % 2:
            pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = as_frame(pixels)
        frame.pts, frame.time_base = picture.pts, self._clip.time_base
        if picture.duration:
            frame.duration = picture.duration
        self._mux(self._video.encode(frame))

    def sound(self, packet: av.Packet) -> None:
        """Passes on a packet of the clip's sound; a broken one is left out."""
        if self._copied is not None:
            # The last packet of a clip is an empty mark of its end; and a container needs times that grow.
            if packet.dts is None or (self._last_dts is not None and packet.dts <= self._last_dts):
                return
            # Sound that an edit list cuts away would come back in a container without edit lists, such as Matroska.
            if packet.is_discard and packet.pts is not None and packet.pts + (packet.duration or 0) < 0:
                return
            self._last_dts = packet.dts
            packet.stream = self._copied
            with contextlib.suppress(_BrokenPacket):
                self._mux([packet])
        elif self._sound is not None:
            frames: list[Any] = []
            with contextlib.suppress(av.error.FFmpegError):
                frames = packet.decode()
            for frame in frames:
                self._encode_sound(frame)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._discard()
            return
        try:
            self._mux(self._video.encode())
            if self._sound is not None:
                self._resample(None)
                self._mux(self._sound.encode())
            self._out.close()
            os.replace(self._partial, self.target)
        except BaseException as error:
            self._discard()
            raise self._named(error) from error

    def _add_pictures(self, codec: str, options: dict[str, str]) -> None:
        try:
            self._video = self._out.add_stream(codec, rate=self._clip.rate.limit_denominator(1_000_000), options=options)
        except av.error.FFmpegError as error:
            raise VideoError(f"this build of PyAV has no encoder {codec}; install av from PyPI") from error
        context = self._video.codec_context
        # or the last frame of a clip has no end
        context.flags |= _FRAME_DURATION
        context.width, context.height = self.size
        declare_colors(context)
        context.time_base = self._clip.time_base
        context.sample_aspect_ratio = self._clip.aspect

    def _add_sound(self, source: Any, copied: tuple[str, ...], codec: str) -> None:
        if source.codec_context.name.removesuffix("float") in copied:
            self._copied = self._out.add_stream_from_template(source)
        else:
            rates = av.Codec(codec, "w").audio_rates or [source.rate]
            # the next higher one, so that nothing is lost
            rate = min((r for r in rates if r >= source.rate), default=max(rates))
            layout = "mono" if source.channels == 1 else "stereo"
            self._sound = self._out.add_stream(codec, rate=rate, layout=layout, time_base=Fraction(1, rate))
            self._resampler: Any = None
            self._sound_kind: tuple[str, str, int] | None = None
            self._sound_end: int | None = None
        self.audio = True

    def _encode_sound(self, frame: Any) -> None:
        rate = self._sound.rate
        end, samples = self._sound_end, round(Fraction(frame.samples * rate, frame.sample_rate))
        pts = (end or 0) if frame.pts is None else round(frame.pts * frame.time_base * rate)
        # The encoder needs times that grow, of which it makes a packet for every so many samples.
        if end is not None and 2 * (end - pts) > min(samples, self._sound.frame_size or samples):
            return
        self._sound_end = pts + samples
        frame.pts, frame.time_base = pts, Fraction(1, rate)
        self._resample(frame)

    def _resample(self, frame: Any) -> None:
        """Encodes a frame of sound of any kind; None, or another kind than before, ends what came before."""
        kind = None if frame is None else (frame.format.name, frame.layout.name, frame.sample_rate)
        resampled: list[Any] = []
        if kind != self._sound_kind:
            resampled += [] if self._resampler is None else self._resampler.resample(None)
            self._resampler = av.AudioResampler(self._sound.format, self._sound.layout, self._sound.rate)
            self._sound_kind = kind
        if frame is not None:
            resampled += self._resampler.resample(frame)
        for piece in resampled:
            if piece is not None:
                self._mux(self._sound.encode(piece))

    def _mux(self, packets: list[Any]) -> None:
        try:
            self._out.mux(packets)
        except av.error.InvalidDataError as error:
            raise _BrokenPacket(f"{self.target.name} cannot be written: {error.strerror}") from error
        except (av.error.FFmpegError, OSError) as error:
            raise self._named(error) from error

    def _discard(self) -> None:
        if hasattr(self, "_out"):
            with contextlib.suppress(av.error.FFmpegError, OSError, ValueError):
                self._out.close()
        with contextlib.suppress(OSError):
            self._partial.unlink()

    def _named(self, error: BaseException) -> BaseException:
        """`error`, with the target in place of the partial file."""
        if isinstance(error, OSError):
            return OSError(error.errno, error.strerror, str(self.target))
        if isinstance(error, av.error.FFmpegError):
            return VideoError(f"{self.target.name} cannot be written: {error.strerror}")
        return error


def _muxing(container: str) -> dict[str, str]:
    """Options of a container: the index of an MP4 goes to its start, so that it plays while it loads."""
    return {"movflags": "+faststart"} if container in ("mp4", "mov") else {}
