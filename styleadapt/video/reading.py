"""Reads clips that may be broken or hostile: frames as a player shows them, with their times, and packets of sound."""

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, cast

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import ColorRange, Colorspace

from ..errors import VideoError
from .steady_clock import FORMATS_WITH_A_CLOCK, SteadyClock

# 8K; a frame of so many is worked on in some 2 GB
MAX_FRAME_PIXELS = 7680 * 4320

# Formats that hold a clip themselves: playlists and lists of files would be followed to other files and into the network.
_FORMATS = "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,gif,apng"
_KINDS = "MP4, MOV, MKV, WebM, AVI, MPEG, FLV, Ogg, ASF, GIF, APNG"
_PACKETS_BEFORE_A_PICTURE = 10_000
_UNSPECIFIED = 2
_AVI = "avi"
# FFmpeg's own decoders of these pass over transparency.
_KEEPING_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
# What these call the duration is, from most writers, the time of the end.
_SAYING_THEIR_END = ("matroska,webm", "asf")


@dataclass(frozen=True)
class Picture:
    """A frame of a clip.

    Args:
        pixels: `(H, W, 3)` uint8, upright, transparent parts on white.
        pts, duration: when, counted from the clip's start, and how long it is shown, in the clip's `time_base`; the duration is
            0 if unknown.
    """

    pixels: np.ndarray
    pts: int
    duration: int


class VideoReader:
    """Reads a clip from its start to its end: iterating gives `Picture`s and undecoded packets of sound, as they come.

    Times begin at 0, where the first picture or sound is presented, whatever the file calls it, and go on where the clock of an
    MPEG file starts anew, as where two were joined. Of what an edit list cuts away, the pictures are left out, and packets
    of sound come marked with `is_discard`, for the decoder.

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
        frames: about how many it shows, by its length and its number of frames; None if it says neither.
        seconds: how long the file says it is; None if it does not say. Both become None where the file's clock starts anew.
        audio: the stream of sound, or None. Of several, as of several streams of pictures, it is the file's default one.

    Raises:
        VideoError: not a clip, no picture in it, more than `MAX_FRAME_PIXELS` pixels.

    >>> VideoReader(Path("absent.mp4"))
    Traceback (most recent call last):
    ...
    styleadapt.errors.VideoError: absent.mp4 is no file
    """

    def __init__(self, source: Path, max_size: int | None = None):
        self.source = source
        if not source.is_file():
            raise VideoError(f"{source} is no file")
        self._file: BinaryIO = open(source, "rb")  # noqa: SIM115  # closed by close()
        self._whole = _ends_as_avi_says(self._file)
        self._container: Any = None
        self._packets = self._demuxed()
        try:
            # Without a protocol, whatever names another file or an address leads nowhere.
            options = {"format_whitelist": _FORMATS, "protocol_whitelist": "none", "max_pixels": str(MAX_FRAME_PIXELS)}
            self._container = av.open(self._file, options=options, metadata_errors="replace")
            self._choose_streams()
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
        self._video = _default(pictures)
        if self._video.codec_context is None:
            raise VideoError(f"{self.source.name} is encoded in a way that is not known here")
        self.audio = _default([s for s in self._container.streams.audio if s.codec_context is not None])
        context = self._video.codec_context
        self._check_pixels(context.width, context.height)
        self._decoder = _decoder(self._video)
        self._decoder.options = {"max_pixels": str(MAX_FRAME_PIXELS)}
        self.time_base: Fraction = self._video.time_base
        self.rate = Fraction(self._video.average_rate or self._video.guessed_rate or 25)
        self._errors = 0
        self._ended, self._reached = False, Fraction(0)
        self._last_pts: int | None = None

    def _measure(self, frame: av.VideoFrame, max_size: int | None) -> None:
        """Sizes and length, of which the first frame tells the rest."""
        self._turn = turn = _display_turn(frame)
        self.size = (frame.height, frame.width) if turn[0] else (frame.width, frame.height)
        scale = min(1.0, max_size / max(self.size)) if max_size else 1.0
        self.work_size = tuple(max(1, round(side * scale)) for side in self.size)
        aspect = self._video.sample_aspect_ratio or Fraction(1)
        self.aspect = 1 / aspect if turn[0] and aspect else aspect
        first = (frame.pts or 0) * self.time_base
        self._start = self._presented_from(first)
        length = self._length(first)
        self.seconds = None if length is None else float(length)
        shown = None if length is None else round((length - first + self._start) * self.rate)
        self.frames = min((n for n in (shown, self._video.frames) if n), default=None)

    def _presented_from(self, first: Fraction) -> Fraction:
        """When the clip starts, in seconds of the file's own time, if its first picture comes at `first`."""
        sound = self.audio
        if sound is None or sound.start_time is None:
            return first
        # Sound before 0 is cut away, or what its decoder needs to get going.
        return min(first, max(sound.start_time * sound.time_base, Fraction(0)))

    def _length(self, first: Fraction) -> Fraction | None:
        """How many seconds the clip is long, as the file says."""
        kind = self._container.format.name
        if self._video.duration:
            pictures = self._video.duration * self.time_base
            if kind == _AVI and not self._whole:
                # FFmpeg takes what is left of a file that breaks off for all of it.
                pictures = max(pictures, self._video.frames / self.rate)
            return first - self._start + pictures
        if not self._container.duration:
            return None
        length = Fraction(self._container.duration, av.time_base)
        return length - self._start if kind in _SAYING_THEIR_END and length > self._start else length

    @property
    def damage(self) -> str | None:
        """One line on what is damaged or missing of what was read so far; None if nothing is."""
        name = self.source.name
        reached = float(self._reached)
        # The length of an AVI file counts frames that were dropped when it was recorded.
        if self._ended and not self._whole and self.seconds and self.seconds - reached > max(0.5, 2 / float(self.rate)):
            return f"{name} is damaged: {reached:.1f} of its {self.seconds:.1f} seconds could be read"
        return f"{name} is damaged: {self._errors} parts of it could not be read" if self._errors else None

    def __iter__(self) -> Iterator["Picture | av.Packet"]:
        yield from map(self._sound, self._sound_before)
        self._sound_before = []
        for frame in self._ahead:
            yield self._picture(frame)
        for packet in self._packets:
            if packet is not None and packet.stream is self.audio:
                yield self._sound(packet)
                continue
            for frame in self._decoded(packet):
                yield self._picture(frame)
        self._ended = True

    def close(self) -> None:
        """Closes the file."""
        if self._container is not None:
            self._container.close()
        self._packets.close()  # it holds this reader, and both would wait, decoder and all, for the garbage collector
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

    def _demuxed(self) -> Generator[av.Packet | None, None, None]:
        """All packets; None in place of the rest where the file breaks off, for what the decoder still holds back."""
        packets = self._container.demux([s for s in (self._video, self.audio) if s is not None])
        clock = SteadyClock() if self._container.format.name in FORMATS_WITH_A_CLOCK else None
        while True:
            try:
                packet = next(packets)
                if clock is not None:
                    clock.set(packet)
                    if clock.restarted:
                        self.seconds = self.frames = None
                yield packet
            except StopIteration:
                return
            except (av.error.FFmpegError, OSError):
                self._errors += 1
                yield None
                return

    def _decoded(self, packet: av.Packet | None) -> list[av.VideoFrame]:
        try:
            return self._decoder.decode(packet)
        except av.error.EOFError:
            return []
        except (av.error.FFmpegError, OSError):
            self._errors += 1
            return []

    def _sound(self, packet: av.Packet) -> av.Packet:
        """A packet of sound, with the clip's times in place of the file's."""
        start = round(self._start / packet.time_base)
        if packet.pts is not None:
            packet.pts -= start
            # Sound may be longer than the pictures, and then it is what the file's length tells of.
            if not self._video.duration:
                self._reached = max(self._reached, (packet.pts + (packet.duration or 0)) * packet.time_base)
        if packet.dts is not None:
            packet.dts -= start
        return packet

    def _picture(self, frame: av.VideoFrame) -> Picture:
        self._check_pixels(frame.width, frame.height)
        step = max(1, round(1 / (self.rate * self.time_base)))
        if frame.pts is not None:
            pts = frame.pts - round(self._start / self.time_base)
        else:
            pts = 0 if self._last_pts is None else self._last_pts + step
        # Players, and containers, need times that grow.
        if self._last_pts is not None:
            pts = max(pts, self._last_pts + 1)
        self._last_pts = pts
        self._reached = max(self._reached, (pts + (frame.duration or step)) * self.time_base)
        return Picture(self._pixels(frame), pts, frame.duration or 0)

    def _pixels(self, frame: av.VideoFrame) -> np.ndarray:
        transposed, mirrored, upside_down = self._turn
        width, height = reversed(self.work_size) if transposed else self.work_size
        transparent = any(component.is_alpha for component in frame.format.components)
        # What a player takes where the file does not say.
        guessed = Colorspace.ITU709 if frame.height > 576 else Colorspace.ITU601
        try:
            converted = frame.reformat(
                width=width,
                height=height,
                format="rgba" if transparent else "rgb24",
                src_colorspace=guessed if frame.colorspace == _UNSPECIFIED else None,
                dst_color_range=ColorRange.JPEG,
                interpolation="BICUBIC",
            )
        except av.error.FFmpegError as error:
            raise VideoError(
                f"{self.source.name} has colors that are not converted here ({_reason(error)}); convert it to BT.709 first"
            ) from error
        shown = converted.to_ndarray()
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


def _default(streams: list[Any]) -> Any:
    """The stream that a player takes: the first that the file marks as its default, else the first; None if there is none."""
    return next((s for s in streams if s.disposition & av.stream.Disposition.default), streams[0] if streams else None)


def _decoder(stream: Any) -> Any:
    """What decodes a stream of pictures: its own decoder, or one that keeps the transparency of which the file tells."""
    context = stream.codec_context
    transparent = any(name.lower() == "alpha_mode" and value == "1" for name, value in stream.metadata.items())
    if not transparent or context.name not in _KEEPING_ALPHA:
        return context
    return av.CodecContext.create(_KEEPING_ALPHA[context.name], "r")


def _ends_as_avi_says(file: BinaryIO) -> bool:
    """Whether this is an AVI file that ends where its last segment says it ends; `file` is left at its start."""
    size, end = os.fstat(file.fileno()).st_size, 0
    while end < size:
        file.seek(end)
        header = file.read(12)
        if len(header) < 12 or header[:4] != b"RIFF" or header[8:] not in (b"AVI ", b"AVIX"):
            break
        end += 8 + int.from_bytes(header[4:8], "little")
    file.seek(0)
    return 0 < end <= size


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
