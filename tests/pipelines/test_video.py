import http.server
import os
import resource
import struct
import threading
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from styleadapt.errors import VideoError
from styleadapt.images.images import open_image
from styleadapt.pipelines.video import VideoProgress, stylize_video
from styleadapt.video import reading as video_reading

from ..conftest import stripes
from ..video.made_clips import clip, shown, sound_packets
from .conftest import Copy


def test_a_clip_is_stylized_frame_by_frame_and_steadied(tiny_pipe, tmp_path, painting):
    source = clip(tmp_path / "in.mp4")
    results = {}
    for smoothing in (0.0, 0.9):
        target = tmp_path / f"{smoothing}.mp4"
        summary = stylize_video(tiny_pipe, source, target, style=painting, smoothing=smoothing)
        assert (summary.frames, summary.width, summary.height, summary.audio, summary.stopped) == (8, 64, 48, True, False)
        assert summary.fps == pytest.approx(10) and summary.seconds == pytest.approx(0.8) and summary.damage is None
        results[smoothing] = np.stack([pixels for _, pixels in shown(target)]).astype(float)
    expected = np.asarray(tiny_pipe(Image.fromarray(shown(source)[0][1]), style=painting).images[0], float)
    assert np.abs(results[0.0][0] - expected).mean() < 8
    assert np.abs(results[0.0] - results[0.9])[1:].mean() > 0


@pytest.mark.parametrize("suffix, codec", [(".mp4", "h264"), (".mov", "h264"), (".mkv", "h264"), (".webm", "vp9")])
def test_pictures_times_and_sound_come_through_every_container(copied, tmp_path, suffix, codec):
    source = clip(tmp_path / "in.mp4")
    target, summary = copied(source, f"out{suffix}")
    with av.open(str(target)) as file:
        assert file.streams.video[0].codec_context.name == codec
    before, after = shown(source), shown(target)
    # Matroska counts from the sound's first sample, which lies before the picture's start
    assert [t - after[0][0] for t, _ in after] == pytest.approx([t for t, _ in before], abs=0.002)
    assert np.abs(np.stack([p for _, p in before]).astype(int) - np.stack([p for _, p in after])).mean() < 6
    assert summary.audio
    if suffix == ".webm":
        with av.open(str(target)) as file:
            wave = np.concatenate([f.to_ndarray() for f in file.decode(audio=0)], 1)[0]
        spectrum = np.abs(np.fft.rfft(wave[:24000]))
        assert abs(int(spectrum.argmax()) * 48000 / 24000 - 440) <= 4
    else:
        assert sound_packets(target) == sound_packets(source)


def test_sound_that_players_do_not_expect_is_encoded_anew(copied, tmp_path):
    target, _ = copied(clip(tmp_path / "in.avi", codec="mpeg4", sound="pcm_s16le"))
    with av.open(str(target)) as file:
        audio = file.streams.audio[0]
        assert audio.codec_context.name == "aac" and audio.rate == 44100
        assert float(audio.duration * audio.time_base) == pytest.approx(0.8, abs=0.06)


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_sound_that_changes_its_channels_and_its_rate_is_kept(copied, tmp_path, suffix):
    source = tmp_path / "in.mkv"
    kinds = [("stereo", 48000), ("5.1", 48000), ("mono", 44100)]
    with av.open(str(clip(tmp_path / "mute.mp4", frames=15, sound=None))) as mute, av.open(str(source), "w") as out:
        video = out.add_stream_from_template(mute.streams.video[0])
        audio = out.add_stream("ac3", rate=48000, layout="stereo")
        for packet in mute.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                out.mux(packet)
        for part, (layout, rate) in enumerate(kinds):
            encoder = av.CodecContext.create("ac3", "w")
            encoder.sample_rate, encoder.layout, encoder.format, encoder.time_base = rate, layout, "fltp", Fraction(1, rate)
            tone = np.float32(0.3 * np.sin(np.arange(rate // 2) * 2 * np.pi * 440 / rate))
            frame = av.AudioFrame.from_ndarray(np.tile(tone, (encoder.layout.nb_channels, 1)), format="fltp", layout=layout)
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), part * rate // 2
            for packet in [*encoder.encode(frame), *encoder.encode(None)]:
                packet.stream = audio
                out.mux(packet)
    target, summary = copied(source, f"o{suffix}")
    assert summary.frames == 15 and summary.damage is None
    with av.open(str(target)) as file:
        wave = np.concatenate([f.to_ndarray() for f in file.decode(audio=0)], 1)[0]
    assert len(wave) / 48000 == pytest.approx(1.5, abs=0.06)
    for third in np.split(wave[: 3 * 23000], 3):
        assert abs(int(np.abs(np.fft.rfft(third[:12000])).argmax()) * 4 - 440) <= 8


def test_a_silent_clip_stays_silent(copied, tmp_path):
    target, summary = copied(clip(tmp_path / "in.mp4", sound=None))
    assert not summary.audio and summary.frames == 8
    with av.open(str(target)) as file:
        assert not file.streams.audio


def test_a_variable_frame_rate_is_kept(copied, tmp_path):
    times = [0, 1, 2, 7, 8, 15, 16, 20]
    target, summary = copied(clip(tmp_path / "in.mkv", pts=times, sound=None))
    assert [t for t, _ in shown(target)] == pytest.approx([t / 10 for t in times])
    assert summary.frames == 8


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_a_turned_clip_is_brought_upright(copied, tmp_path, rotation):
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:24, :32] = (240, 20, 20)
    target, summary = copied(clip(tmp_path / "in.mp4", frames=3, rotation=rotation, pixels=pixels))
    upright = np.rot90(pixels, rotation // 90)
    assert (summary.height, summary.width) == upright.shape[:2]
    with av.open(str(target)) as file:
        frame = next(file.decode(video=0))
        assert frame.rotation == 0
        assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - upright).mean() < 6


def test_colors_are_kept(copied, tmp_path):
    pixels = np.zeros((48, 64, 3), np.uint8)
    for column, color in enumerate([(230, 30, 30), (30, 200, 40), (40, 50, 220), (200, 200, 200)]):
        pixels[:, 16 * column : 16 * column + 16] = color
    target, _ = copied(clip(tmp_path / "in.mp4", frames=2, pixels=pixels))
    frame = shown(target)[0][1].astype(int)
    assert np.abs(frame[:, 4::16] - pixels[:, 4::16]).max() < 10


@pytest.mark.parametrize("size", [(33, 21), (1, 1), (2, 3)])
def test_an_odd_side_is_made_even_by_repeating_its_edge(copied, tmp_path, size):
    colors = [(250, 0, 0), (0, 0, 250)]
    images = [Image.new("RGB", size, color) for color in colors]
    images[0].save(tmp_path / "in.gif", save_all=True, append_images=images[1:], duration=100)
    target, summary = copied(tmp_path / "in.gif")
    even = tuple(side + side % 2 for side in size)
    assert (summary.width, summary.height) == even
    for (_, pixels), color in zip(shown(target), colors, strict=True):
        assert np.abs(pixels.astype(int) - color).max() < 16


def test_an_animation_with_transparency_keeps_its_pace_on_white(copied, tmp_path):
    frames = [Image.new("RGBA", (32, 24), (0, 80 * i, 0, 0 if i == 0 else 255)) for i in range(3)]
    frames[0].save(tmp_path / "in.gif", save_all=True, append_images=frames[1:], duration=[100, 300, 200], disposal=2)
    target, summary = copied(tmp_path / "in.gif")
    assert [t for t, _ in shown(target)] == [0.0, 0.1, 0.4]
    assert summary.seconds == pytest.approx(0.6)
    assert [int(pixels.mean()) > 240 for _, pixels in shown(target)] == [True, False, False]


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_a_clip_with_transparency_is_put_on_white(copied, tmp_path, codec):
    pixels = np.zeros((48, 64, 4), np.uint8)
    pixels[:, 32:] = (200, 30, 30, 255)
    with av.open(str(tmp_path / "in.webm"), "w") as out:
        video = out.add_stream(codec, rate=10, options={"auto-alt-ref": "0"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuva420p"
        video.metadata["alpha_mode"] = "1"
        for pts in range(3):
            frame = av.VideoFrame.from_ndarray(pixels, "rgba").reformat(format="yuva420p")
            frame.pts = pts
            out.mux(video.encode(frame))
        out.mux(video.encode())
    target, summary = copied(tmp_path / "in.webm")
    assert [t for t, _ in shown(target)] == [0.0, 0.1, 0.2] and summary.damage is None
    for _, found in shown(target):
        assert found[:, :28].min() > 240 and np.abs(found[:, 36:].astype(int) - (200, 30, 30)).max() < 16


def test_a_large_clip_is_worked_at_small_and_given_back_large(copied, tmp_path):
    pipe = Copy()
    _, summary = copied(clip(tmp_path / "in.mp4", frames=2), pipe=pipe, max_size=32)
    assert set(pipe.sizes) == {(32, 24)} and (summary.width, summary.height) == (64, 48)


def test_options_reach_the_pipeline_and_the_style_is_read_once(tmp_path):
    stripes(1500).save(tmp_path / "style.png")
    pipe = Copy()
    options = {"style_weights": [1.0], "strength": 0.5, "preserve_color": True, "stroke_size": 0.05}
    stylize_video(pipe, clip(tmp_path / "in.mp4", frames=2), tmp_path / "o.mp4", style=tmp_path / "style.png", **options)
    [style] = pipe.options.pop("style")
    assert pipe.options == options
    assert style.size == (512, 512) and open_image(style).mode == "RGB"


def test_a_batch_is_several_styles(tmp_path):
    pipe = Copy()
    stylize_video(pipe, clip(tmp_path / "in.mp4", frames=1), tmp_path / "o.mp4", style=np.zeros((2, 40, 30, 3), np.uint8))
    assert len(pipe.options["style"]) == 2


def test_progress_tells_where_it_is(copied, tmp_path):
    seen: list[VideoProgress] = []
    copied(clip(tmp_path / "in.mp4"), callback=seen.append)
    assert [p.frame for p in seen] == list(range(1, 9)) and {p.frames for p in seen} == {8}
    assert [p.fraction for p in seen] == [n / 8 for n in range(1, 9)]
    assert seen[-1].seconds_left == 0 and seen[0].seconds_left > 0
    assert seen[0].preview().size == (64, 48)


def test_stop_keeps_what_is_ready(copied, tmp_path):
    target, summary = copied(clip(tmp_path / "in.mp4"), callback=lambda p: p.stop() if p.frame == 3 else None)
    assert summary.stopped and summary.frames == 3 and summary.damage is None
    assert len(shown(target)) == 3 and summary.seconds == pytest.approx(0.3)


def test_an_error_on_the_way_leaves_what_was_there(copied, tmp_path):
    (tmp_path / "o.mp4").write_bytes(b"before")

    def fail(progress):
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        copied(clip(tmp_path / "in.mp4"), callback=fail)
    assert (tmp_path / "o.mp4").read_bytes() == b"before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "o.mp4"]


def test_a_full_disk_is_reported_with_the_targets_name(copied, tmp_path):
    source = clip(tmp_path / "in.mp4", frames=30)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"o\.mp4"):
            copied(source)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [p.name for p in tmp_path.iterdir()] == ["in.mp4"]


def test_the_source_is_never_overwritten(copied, tmp_path):
    source = clip(tmp_path / "in.mp4")
    content = source.read_bytes()
    (tmp_path / "link.mp4").symlink_to(source)
    for target in ("in.mp4", "link.mp4"):
        with pytest.raises(VideoError, match="would overwrite"):
            copied(source, target)
    assert source.read_bytes() == content


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".avi"])
def test_of_a_truncated_clip_what_decodes_is_kept_and_the_rest_told(copied, tmp_path, suffix):
    codec, sound = ("mpeg4", "pcm_s16le") if suffix == ".avi" else ("libx264", "aac")
    source = clip(tmp_path / f"in{suffix}", frames=120, size=(32, 32), codec=codec, sound=sound)
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    _, summary = copied(source)
    assert 10 < summary.frames < 110
    # a transport stream does not say how long it was
    assert suffix == ".ts" or (summary.damage and "is damaged" in summary.damage and "could be read" in summary.damage)


def test_damage_in_the_middle_does_not_end_the_clip(copied, tmp_path):
    source = clip(tmp_path / "in.ts", frames=60, size=(32, 32))
    packets = len(sound_packets(source))
    content = bytearray(source.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = bytes(400)
    source.write_bytes(content)
    target, summary = copied(source)
    # it hits sound, which breaks a packet that the target would not take
    assert 50 < summary.frames <= 60 and 0.9 * packets < len(sound_packets(target)) < packets


def written(path, content: bytes):
    path.write_bytes(content)
    return path


def huge_gif(path):
    header = b"GIF89a" + struct.pack("<HHBBB", 20000, 20000, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    return written(path, header + b"\x2c" + struct.pack("<HHHHB", 0, 0, 20000, 20000, 0) + b"\x02\x02\x44\x01\0\x3b")


def only_sound(path):
    with av.open(str(clip(path.with_name("both.mp4")))) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    return path


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda p: p / "absent.mp4", "absent.mp4 is no file"),
        (lambda p: p, "is no file"),
        (lambda p: written(p / "empty.mp4", b""), "empty.mp4 is no clip that can be read"),
        (lambda p: written(p / "text.mp4", b"hello " * 500), "text.mp4 is no clip that can be read"),
        (lambda p: written(p / "cut.mp4", clip(p / "a.mp4").read_bytes()[:600]), "cut.mp4 is no clip that can be read"),
        (lambda p: written(p / "photo.png", b"\x89PNG\r\n\x1a\n" + bytes(100)), "photo.png is no clip that can be read"),
        (lambda p: only_sound(p / "song.mp4"), "song.mp4 has no moving pictures"),
        (lambda p: huge_gif(p / "huge.gif"), "huge.gif has no frame that can be decoded"),
    ],
)
def test_what_is_no_clip_is_refused_in_one_line(copied, tmp_path, make, message):
    with pytest.raises(VideoError, match=message) as refused:
        copied(make(tmp_path))
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "o.mp4").exists()


def test_colors_that_are_not_converted_are_refused_by_the_clips_name(copied, tmp_path):
    with av.open(str(tmp_path / "in.mp4"), "w") as out:
        video = out.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.codec_context.colorspace = 8  # YCgCo
        out.mux(video.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(video.encode())
    with pytest.raises(VideoError, match=r"in\.mp4 has colors that are not converted here .*BT\.709 first"):
        copied(tmp_path / "in.mp4")


def test_the_stroke_size_reaches_every_frame(copied, tmp_path):
    pipe = Copy()
    copied(clip(tmp_path / "in.mp4", frames=1), pipe=pipe)
    assert pipe.options["stroke_size"] == "auto"
    copied(clip(tmp_path / "in.mp4", frames=1), pipe=pipe, stroke_size=0.03)
    assert pipe.options["stroke_size"] == 0.03


def test_too_many_pixels_are_refused(copied, tmp_path, monkeypatch):
    monkeypatch.setattr(video_reading, "MAX_FRAME_PIXELS", 3000)
    with pytest.raises(VideoError, match="64 x 48 pixels, more than the 3,000"):
        copied(clip(tmp_path / "in.mp4"))


@pytest.mark.parametrize(
    "options, target, message",
    [
        ({"strength": 1.5}, "o.mp4", "`strength` is 1.5"),
        ({"max_size": 0}, "o.mp4", "`max_size` is 0"),
        ({"smoothing": 2}, "o.mp4", "`smoothing` is 2"),
        ({"stroke_size": 0}, "o.mp4", "`stroke_size` is 0"),
        ({"stroke_size": "broad"}, "o.mp4", "`stroke_size` is 'broad'"),
        ({}, "o.gif", "unknown extension '.gif'"),
        ({}, "folder.mp4", "is a folder"),
    ],
)
def test_wrong_options_are_refused_before_any_work(copied, tmp_path, options, target, message):
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(ValueError, match=message):
        copied(tmp_path / "absent.mp4", target, **options)


def test_without_a_style_the_pipeline_says_so(tmp_path):
    with pytest.raises(ValueError, match="no style"):
        stylize_video(Copy(), clip(tmp_path / "in.mp4"), tmp_path / "o.mp4")
    assert not (tmp_path / "o.mp4").exists()


@pytest.mark.parametrize(
    "name, text",
    [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n"),
        ("list.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n"),
        ("list.ffconcat", "ffconcat version 1.0\nfile {address}\n"),
        ("list.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"),
        (
            "list.mpd",
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
            '<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>{address}</BaseURL>'
            "</Representation></AdaptationSet></Period></MPD>",
        ),
    ],
)
@pytest.mark.parametrize("scheme", ["file", "http"])
def test_a_playlist_opens_neither_other_files_nor_addresses(copied, tmp_path, name, text, scheme):
    secret = clip(tmp_path / "secret.mp4")
    asked = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

    server = http.server.HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        address = f"file://{secret}" if scheme == "file" else f"http://127.0.0.1:{server.server_port}/secret.mp4"
        (tmp_path / name).write_text(text.format(address=address), encoding="utf-8")
        with pytest.raises(VideoError, match=f"{name} is no clip that can be read"):
            copied(tmp_path / name)
    finally:
        server.shutdown()
        server.server_close()
    assert not asked


def test_a_playlist_beside_its_clip_is_not_followed(copied, tmp_path, monkeypatch):
    clip(tmp_path / "secret.mp4")
    (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile secret.mp4\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with av.open("list.ffconcat") as followed:
        assert followed.streams.video, "PyAV alone would follow it"
    with pytest.raises(VideoError):
        copied(tmp_path / "list.ffconcat")


def test_memory_does_not_grow_with_length(copied, tmp_path):
    source = clip(tmp_path / "in.mp4", frames=140, size=(240, 180), sound=None)
    peaks = []

    def watch(progress):
        if progress.frame in (60, 140):
            peaks.append(int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE"))

    copied(source, callback=watch)
    # 80 frames are 10 MB in RGB
    assert peaks[1] - peaks[0] < 5_000_000
