"""Clips for tests: eight frames of 64 x 48 that pan over clouds, with a tone."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from ..conftest import smooth_noise

RATE = 10


def clip(
    path: Path,
    frames: int = 8,
    size: tuple[int, int] = (64, 48),
    sound: str | None = "aac",
    codec: str = "libx264",
    pts: list[int] | None = None,
    rotation: int = 0,
    pixels: np.ndarray | None = None,
) -> Path:
    """Writes a clip at 10 frames a second, or at times `pts` in tenths of a second.

    If `pixels` `(H, W, 3)` are given, every frame shows them.
    """
    width, height = size
    wide = np.asarray(smooth_noise((width + 2 * frames, height), 3, cell=8))
    with av.open(str(path), "w") as out:
        video = out.add_stream(codec, rate=RATE)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.time_base = Fraction(1, RATE)
        if rotation:
            video.set_display_rotation(rotation)
        audio = out.add_stream(sound, rate=44100) if sound else None
        for t in range(frames):
            image = wide[:, 2 * t : 2 * t + width] if pixels is None else pixels
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image))
            frame.pts, frame.time_base = pts[t] if pts else t, Fraction(1, RATE)
            out.mux(video.encode(frame))
        out.mux(video.encode())
        if audio is not None:
            out.mux(audio.encode(_tone(frames / RATE)))
            out.mux(audio.encode())
    return path


def _tone(seconds: float) -> av.AudioFrame:
    wave = np.sin(np.arange(int(44100 * seconds)) * 2 * np.pi * 440 / 44100).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(0.5 * np.stack([wave, wave]), format="fltp", layout="stereo")
    frame.sample_rate, frame.time_base, frame.pts = 44100, Fraction(1, 44100), 0
    return frame


def shown(path: Path) -> list[tuple[float, np.ndarray]]:
    """When each frame is shown, in seconds, and its pixels."""
    with av.open(str(path)) as file:
        return [(round(f.time, 3), f.to_ndarray(format="rgb24", src_colorspace=f.colorspace)) for f in file.decode(video=0)]


def sound_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as file:
        return [bytes(p) for p in file.demux(audio=0) if p.size]
