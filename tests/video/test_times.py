"""When pictures and sounds are presented: in files cut without re-encoding, files that start late, files with dropped frames."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from .made_clips import RATE

SOUND_RATE = 44100
SECONDS = 6


def flashing_clip(path: Path, codec: str = "libx264", sound: str | None = "aac", tone: int = 880) -> Path:
    """Writes six seconds in which every full second begins with a white frame and a beep of a tenth of a second."""
    with av.open(str(path), "w") as out:
        options = {"g": "30", "keyint_min": "30", "sc_threshold": "0", "bf": "2"} if codec == "libx264" else {"g": "1"}
        video = out.add_stream(codec, rate=RATE, options=options)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = out.add_stream(sound, rate=SOUND_RATE) if sound else None
        for t in range(SECONDS * RATE):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 if t % RATE else 230, np.uint8))
            frame.pts, frame.time_base = t, Fraction(1, RATE)
            out.mux(video.encode(frame))
        out.mux(video.encode())
        if audio is not None:
            out.mux(audio.encode(_beeps(tone)))
            out.mux(audio.encode())
    return path


def _beeps(tone: int) -> av.AudioFrame:
    n = np.arange(SOUND_RATE * SECONDS)
    wave = np.float32(0.6 * np.sin(n * 2 * np.pi * tone / SOUND_RATE) * (n % SOUND_RATE < SOUND_RATE // 10))
    frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
    frame.sample_rate, frame.time_base, frame.pts = SOUND_RATE, Fraction(1, SOUND_RATE), 0
    return frame


def moved(source: Path, target: Path, seconds: float, sound_too: bool = True) -> Path:
    """Copies packets to later times, or, as `ffmpeg -ss` does with `-c copy`, to earlier ones: what is before 0 is cut away."""
    with av.open(str(source)) as file, av.open(str(target), "w") as out:
        streams = {stream.index: out.add_stream_from_template(stream) for stream in file.streams}
        for packet in file.demux():
            if packet.dts is None:
                continue
            if sound_too or packet.stream.type == "video":
                shift = round(seconds / packet.time_base)
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
            if packet.stream.type == "audio" and packet.pts * packet.time_base < -1:
                continue
            packet.stream = streams[packet.stream.index]
            out.mux(packet)
    return target


def flashes(path: Path) -> list[float]:
    with av.open(str(path)) as file:
        return [frame.time for frame in file.decode(video=0) if frame.to_ndarray(format="gray").mean() > 128]


def beeps(path: Path) -> list[float]:
    """When each beep of a clip begins, in seconds."""
    found: list[float] = []
    last = -1.0
    with av.open(str(path)) as file:
        for frame in file.decode(audio=0):
            loud = np.flatnonzero(np.abs(av.AudioResampler("fltp").resample(frame)[0].to_ndarray()).max(0) > 0.2)
            for time in frame.time + loud / frame.sample_rate:
                found += [time] if time - last > 0.3 else []
                last = time
    return found


def seconds_of(path: Path) -> float:
    with av.open(str(path)) as file:
        return file.duration / av.time_base


def together(path: Path, expected: list[float]) -> bool:
    """Whether flashes and beeps come at the expected times, and together; containers move both by a packet of sound."""
    seen, heard = flashes(path), beeps(path)
    return (
        len(seen) == len(heard) == len(expected)
        and np.allclose(seen, heard, atol=0.02)
        and np.allclose(seen, expected, atol=0.06)
    )


@pytest.mark.parametrize("kind", [".mp4", ".mov"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_what_an_edit_list_cuts_away_stays_away(copied, tmp_path, kind, suffix):
    source = moved(flashing_clip(tmp_path / f"b{kind}"), tmp_path / f"t{kind}", -2.5)
    assert len(flashes(source)) == len(beeps(source)) == 3, "the file has an edit list"
    target, summary = copied(source, f"o{suffix}")
    assert summary.frames == 35 and summary.damage is None and summary.seconds == pytest.approx(3.5)
    assert together(target, [0.5, 1.5, 2.5])
    assert seconds_of(target) == pytest.approx(3.5, abs=0.06)


@pytest.mark.parametrize("kind", [".mp4", ".mkv", ".ts", ".flv"])
@pytest.mark.parametrize("start", [1.6, 20_000])
def test_a_clip_begins_at_its_start_whatever_its_clock_says(copied, tmp_path, kind, start):
    source = moved(flashing_clip(tmp_path / "b.mp4"), tmp_path / f"late{kind}", start)
    assert flashes(source)[0] >= start
    for suffix in (".mp4", ".mkv", ".webm"):
        progress = []
        target, summary = copied(source, f"o{suffix}", callback=progress.append)
        assert summary.frames == 60 and summary.damage is None
        # The duration that an FLV file tells is longer than that of the pictures.
        assert {p.frames for p in progress} <= ({60, 61, 62} if kind == ".flv" else {60})
        assert together(target, [0, 1, 2, 3, 4, 5])
        assert seconds_of(target) == pytest.approx(6, abs=0.06)


@pytest.mark.parametrize("kind", [".mp4", ".mkv"])
def test_pictures_that_begin_after_the_sound_stay_late(copied, tmp_path, kind):
    source = moved(flashing_clip(tmp_path / "b.mp4"), tmp_path / f"late{kind}", 1.6, sound_too=False)
    for suffix in (".mp4", ".mkv"):
        target, summary = copied(source, f"o{suffix}")
        assert summary.frames == 60 and summary.damage is None
        assert np.subtract(flashes(target), beeps(target)) == pytest.approx([1.6] * 6, abs=0.02)


def test_sound_that_is_longer_than_the_pictures_is_no_damage(copied, tmp_path):
    source = flashing_clip(tmp_path / "b.mp4")
    short = tmp_path / "short.mkv"
    with av.open(str(source)) as file, av.open(str(short), "w") as out:
        streams = {stream.index: out.add_stream_from_template(stream) for stream in file.streams}
        for packet in file.demux():
            if packet.dts is not None and (packet.stream.type == "audio" or packet.dts * packet.time_base < 2.5):
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    target, summary = copied(short)
    assert summary.damage is None and len(beeps(target)) == 6


def with_frames(source: Path, target: Path, kept) -> Path:
    """An AVI file that says it has all frames of `source`, where those for which `kept(number)` is false were dropped."""
    with av.open(str(source)) as file, av.open(str(target), "w") as out:
        streams = {stream.index: out.add_stream_from_template(stream) for stream in file.streams}
        for packet in file.demux():
            if packet.dts is None:
                continue
            if packet.stream.type == "video" and not kept(packet.dts):
                empty = av.Packet(b"")
                empty.pts = empty.dts = packet.dts
                empty.time_base, empty.duration, empty.stream = packet.time_base, 1, streams[packet.stream.index]
                out.mux(empty)
                continue
            packet.stream = streams[packet.stream.index]
            out.mux(packet)
    return target


@pytest.mark.parametrize("dropped, left", [(range(13, 17), 56), (range(41, 60), 41)], ids=["in the middle", "at the end"])
def test_frames_that_a_recorder_dropped_are_no_damage(copied, tmp_path, dropped, left):
    whole = flashing_clip(tmp_path / "b.avi", codec="mpeg4", sound="pcm_s16le")
    source = with_frames(whole, tmp_path / "dropped.avi", lambda number: number not in dropped)
    with av.open(str(source)) as file:
        assert file.streams.video[0].frames == 60
    target, summary = copied(source)
    assert (summary.frames, summary.damage) == (left, None)
    seen = flashes(target)
    assert seen == pytest.approx(beeps(target)[: len(seen)], abs=0.02)
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    assert "could be read" in copied(source)[1].damage, "a file that breaks off still is"


@pytest.mark.parametrize("kind", [".mp4", ".mkv"])
@pytest.mark.parametrize("default, pitch", [(0, 880), (1, 1760)])
def test_of_two_tracks_of_sound_the_default_one_is_kept(copied, tmp_path, kind, default, pitch):
    files = [flashing_clip(tmp_path / f"{tone}.mp4", tone=tone) for tone in (880, 1760)]
    source = tmp_path / f"two{kind}"
    first, second = (av.open(str(file)) for file in files)
    with first, second, av.open(str(source), "w") as out:
        video = out.add_stream_from_template(first.streams.video[0])
        tracks = [out.add_stream_from_template(file.streams.audio[0]) for file in (first, second)]
        for number, track in enumerate(tracks):
            track.disposition = av.stream.Disposition.default if number == default else av.stream.Disposition(0)
        packets = [(packet, video) for packet in first.demux(video=0)]
        first.seek(0)
        packets += [(p, track) for file, track in zip((first, second), tracks) for p in file.demux(audio=0)]
        for packet, stream in packets:
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    target, _ = copied(source)
    with av.open(str(target)) as file:
        assert len(file.streams.audio) == 1
        wave = np.concatenate([frame.to_ndarray() for frame in file.decode(audio=0)], 1)[0]
    assert abs(int(np.abs(np.fft.rfft(wave[:SOUND_RATE])).argmax()) - pitch) < 10


@pytest.mark.parametrize("sound, starts", [("aac", (0, 0)), ("ac3", (0, 0)), ("aac", (1000, 0, 5000))])
def test_a_clip_of_joined_recordings_goes_on_where_its_clock_starts_anew(copied, tmp_path, sound, starts):
    part = flashing_clip(tmp_path / "part.mp4", sound=sound)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(moved(part, tmp_path / f"{start}.ts", start).read_bytes() for start in starts))
    progress = []
    target, summary = copied(joined, callback=progress.append)
    seconds = SECONDS * len(starts)
    assert summary.frames == seconds * RATE and summary.damage is None
    assert summary.seconds == pytest.approx(seconds, abs=0.06)
    # Where the sound of one part reaches into the next, up to a packet of it is left out.
    assert flashes(target) == pytest.approx(list(range(seconds)), abs=0.06)
    assert beeps(target) == pytest.approx(flashes(target), abs=0.04)
    assert progress[-1].frames is None, "the length that the file says is that of a part"


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_sound_that_comes_twice_is_encoded_once(copied, tmp_path, suffix):
    source = flashing_clip(tmp_path / "b.mp4", sound="ac3")
    twice = tmp_path / "twice.mkv"
    with av.open(str(source)) as file, av.open(str(twice), "w") as out:
        streams = {stream.index: out.add_stream_from_template(stream) for stream in file.streams}
        for packet in file.demux():
            if packet.dts is None:
                continue
            again = av.Packet(bytes(packet))
            again.pts, again.dts, again.time_base = packet.pts, packet.dts, packet.time_base
            again.stream, kind = streams[packet.stream.index], packet.stream.type
            packet.stream = again.stream
            out.mux([packet, again] if kind == "audio" else packet)
    target, _ = copied(twice, f"o{suffix}")
    assert together(target, [0, 1, 2, 3, 4, 5])
