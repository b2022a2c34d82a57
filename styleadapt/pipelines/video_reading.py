"""Clips in: frames as a player shows them, with their times, and packets of sound, from a file that may be hostile or broken."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, cast

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import ColorRange, Colorspace

# 8K; a frame of so many is worked on in some 2 GB
MAX_FRAME_PIXELS = 7680 * 4320

# Formats that hold a clip themselves: playlists and lists of files would be followed to other files and into the network.
_FORMATS = "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,gif,apng"
_KINDS = "MP4, MOV, MKV, WebM, AVI, MPEG, FLV, Ogg, ASF, GIF, APNG"
_PACKETS_BEFORE_A_PICTURE = 10_000
_UNSPECIFIED = 2


class VideoError(ValueError):
    """A clip that cannot be used; the message is one line and says what is wrong."""


@dataclass(frozen=True)
class Picture:
    """A frame of a clip.

    Args:
        pixels: `(H, W, 3)` uint8, upright, transparent parts on white.
        pts, duration: when and how long it is shown, in the clip's `time_base`; the duration is 0 if unknown.
    """

    pixels: np.ndarray
    pts: int
    duration: int


class VideoReader:
    """Reads a clip from its start to its end: iterating gives `Picture`s and undecoded packets of sound, as they come.

    What is damaged is left out, and `damage` tells of it afterwards. Only the file itself is read. Close it, or use it in `with`.

    Args:
        source: a file of a kind in which the clip is contained: MP4, MOV, MKV, WebM, AVI, MPEG, FLV, Ogg, ASF, GIF, APNG.
        max_size: longest side of the pictures; larger ones are scaled down.

    Attributes:
        size: width and height of the clip, upright.
        work_size: those of the pictures.
        time_base: unit of times, in seconds.
        rate: frames a second, on average.
        aspect: width of a pixel over its height.
        frames: how many the file says it has; None if it does not say.
        seconds: how long the file says it is; None if it does not say.
        audio: the stream of sound, or None.

    Raises:
        VideoError: not a clip, no picture in it, more than `MAX_FRAME_PIXELS` pixels.

    >>> VideoReader(Path("absent.mp4"))
    Traceback (most recent call last):
    ...
    styleadapt.pipelines.video_reading.VideoError: absent.mp4 is no file
    """

    def __init__(self, source: Path, max_size: int | None = None):
        self.source = source
        if not source.is_file():
            raise VideoError(f"{source} is no file")
        self._file: BinaryIO = open(source, "rb")  # noqa: SIM115  # closed by close()
        self._container: Any = None
        try:
            # Without a protocol, whatever names another file or an address leads nowhere.
            options = {"format_whitelist": _FORMATS, "protocol_whitelist": "none", "max_pixels": str(MAX_FRAME_PIXELS)}
            self._container = av.open(self._file, options=options, metadata_errors="replace")
            self._choose_streams()
            self._packets = self._demuxed()
            self._sound_before: list[av.Packet] = []
            self._ahead = self._first()
            self._measure(self._ahead[0], max_size)
        except (av.error.FFmpegError, UnicodeError, OSError) as error:
            self.close()
            # FFmpeg's answer to a format that is not on the list says nothing of it
            reason = "" if isinstance(error, av.error.ArgumentError) else f" ({_reason(error)})"
            raise VideoError(f"{source.name} is no clip that can be read{reason}; known are {_KINDS}") from error
        except VideoError:
            self.close()
            raise

    def _choose_streams(self) -> None:
        pictures = [s for s in self._container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        if not pictures:
            raise VideoError(f"{self.source.name} has no moving pictures in it")
        self._video = pictures[0]
        if self._video.codec_context is None:
            raise VideoError(f"{self.source.name} is encoded in a way that is not known here")
        self.audio = next((s for s in self._container.streams.audio if s.codec_context is not None), None)
        context = self._video.codec_context
        self._check_pixels(context.width, context.height)
        context.options = {"max_pixels": str(MAX_FRAME_PIXELS)}
        self.time_base: Fraction = self._video.time_base
        self.rate = Fraction(self._video.average_rate or self._video.guessed_rate or 25)
        self._errors = self._pictures = 0
        self._ended, self._shown_until = False, 0.0
        self._last_pts: int | None = None

    def _measure(self, frame: av.VideoFrame, max_size: int | None) -> None:
        """Sizes and length, of which the first frame tells the rest."""
        self._turn = turn = _display_turn(frame)
        self.size = (frame.height, frame.width) if turn[0] else (frame.width, frame.height)
        scale = min(1.0, max_size / max(self.size)) if max_size else 1.0
        self.work_size = tuple(max(1, round(side * scale)) for side in self.size)
        aspect = self._video.sample_aspect_ratio or Fraction(1)
        self.aspect = 1 / aspect if turn[0] and aspect else aspect
        length = self._video.duration * self.time_base if self._video.duration else None
        self.seconds = float(length) if length else (self._container.duration or 0) / av.time_base or None
        self._counted = self._video.frames or None
        self.frames = self._counted or (round(self.seconds * self.rate) or None if self.seconds else None)

    @property
    def damage(self) -> str | None:
        """One line on what is damaged or missing of what was read so far; None if nothing is."""
        name = self.source.name
        if self._ended and self._counted and self._pictures < self._counted:
            return f"{name} is damaged: {self._pictures} of its {self._counted} frames could be read"
        if self._ended and self.seconds and self.seconds - self._shown_until > max(0.5, 2 / float(self.rate)):
            return f"{name} is damaged: {self._shown_until:.1f} of its {self.seconds:.1f} seconds could be read"
        return f"{name} is damaged: {self._errors} parts of it could not be read" if self._errors else None

    def __iter__(self) -> Iterator["Picture | av.Packet"]:
        yield from self._sound_before
        self._sound_before = []
        for frame in self._ahead:
            yield self._picture(frame)
        for packet in self._packets:
            if packet is not None and packet.stream is self.audio:
                yield packet
                continue
            for frame in self._decoded(packet):
                yield self._picture(frame)
        self._ended = True

    def close(self) -> None:
        """Closes the file."""
        if self._container is not None:
            self._container.close()
        self._file.close()

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _first(self) -> list[av.VideoFrame]:
        """The frames that the first packet with any gives; sound before it is kept for later."""
        for packet in self._packets:
            if packet is not None and packet.stream is self.audio:
                self._sound_before.append(packet)
                if len(self._sound_before) > _PACKETS_BEFORE_A_PICTURE:
                    break
            elif frames := self._decoded(packet):
                return frames
        raise VideoError(f"{self.source.name} has no frame that can be decoded")

    def _demuxed(self) -> Iterator[av.Packet | None]:
        """All packets; None in place of the rest where the file breaks off, for what the decoder still holds back."""
        packets = self._container.demux([s for s in (self._video, self.audio) if s is not None])
        while True:
            try:
                yield next(packets)
            except StopIteration:
                return
            except (av.error.FFmpegError, OSError):
                self._errors += 1
                yield None
                return

    def _decoded(self, packet: av.Packet | None) -> list[av.VideoFrame]:
        try:
            return self._video.codec_context.decode(packet)
        except av.error.EOFError:
            return []
        except (av.error.FFmpegError, OSError):
            self._errors += 1
            return []

    def _picture(self, frame: av.VideoFrame) -> Picture:
        self._check_pixels(frame.width, frame.height)
        step = max(1, round(1 / (self.rate * self.time_base)))
        pts = frame.pts if frame.pts is not None else 0 if self._last_pts is None else self._last_pts + step
        # Players, and containers, need times that grow.
        if self._last_pts is not None:
            pts = max(pts, self._last_pts + 1)
        self._last_pts = pts
        self._pictures += 1
        self._shown_until = float((pts + (frame.duration or step) - (self._video.start_time or 0)) * self.time_base)
        return Picture(self._pixels(frame), pts, frame.duration or 0)

    def _pixels(self, frame: av.VideoFrame) -> np.ndarray:
        transposed, mirrored, upside_down = self._turn
        width, height = reversed(self.work_size) if transposed else self.work_size
        transparent = any(component.is_alpha for component in frame.format.components)
        # What a player takes where the file does not say.
        guessed = Colorspace.ITU709 if frame.height > 576 else Colorspace.ITU601
        shown = frame.reformat(
            width=width,
            height=height,
            format="rgba" if transparent else "rgb24",
            src_colorspace=guessed if frame.colorspace == _UNSPECIFIED else None,
            dst_color_range=ColorRange.JPEG,
            interpolation="BICUBIC",
        ).to_ndarray()
        if transparent:
            alpha = shown[..., 3:].astype(np.uint16)
            shown = ((shown[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
        if transposed:
            shown = shown.transpose(1, 0, 2)
        return np.ascontiguousarray(shown[:: -1 if upside_down else 1, :: -1 if mirrored else 1])

    def _check_pixels(self, width: int, height: int) -> None:
        if width * height > MAX_FRAME_PIXELS:
            raise VideoError(
                f"{self.source.name} has frames of {width} x {height} pixels, more than the {MAX_FRAME_PIXELS:,} that are "
                "worked on; scale it down first"
            )


def _display_turn(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """How a frame is brought upright: whether rows and columns change places, then left and right, then top and bottom.

    The matrix is that of ISO/IEC 14496-12, 8.3.2: (x, y) goes to (a x + c y, b x + d y). Angles between are rounded.
    """
    side_data = cast(Any, frame.side_data).get(Type.DISPLAYMATRIX)
    if side_data is None:
        return False, False, False
    a, b, _, c, d = (int(n) for n in np.frombuffer(bytes(side_data), np.int32)[:5])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return False, a < 0, d < 0
    return True, c < 0, b < 0


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__
