import pytest
from PIL import Image

from ..video.made_clips import clip, shown, sound_packets


def test_a_clip_is_stylized_with_its_sound(command, repo, painting, tmp_path):
    painting.save(tmp_path / "style.png")
    source = clip(tmp_path / "in.mp4")
    done = command(
        "stylize_video", "--content", source, "--style", tmp_path / "style.png", "--output", tmp_path / "new" / "out.mp4",
        "--pretrained_model_name_or_path", repo, "--device", "cpu", "--smoothing", 0.5, "--dtype", "auto",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "8 frames, 64 x 48, 0.8 s, with sound" in done.stdout and "8/8" in done.stderr
    assert len(shown(tmp_path / "new" / "out.mp4")) == 8
    assert sound_packets(tmp_path / "new" / "out.mp4") == sound_packets(source)


@pytest.mark.slow
def test_a_clip_is_stylized_by_a_compiled_generator(command, repo, painting, tmp_path):
    painting.save(tmp_path / "style.png")
    done = command(
        "stylize_video", "--content", clip(tmp_path / "in.mp4"), "--style", tmp_path / "style.png", "--compile",
        "--output", tmp_path / "out.mp4", "--pretrained_model_name_or_path", repo, "--device", "cpu",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(shown(tmp_path / "out.mp4")) == 8


def test_a_damaged_clip_is_written_as_far_as_it_goes_and_told(command, repo, painting, tmp_path):
    painting.save(tmp_path / "style.png")
    source = clip(tmp_path / "in.mkv", frames=40, size=(32, 32))
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    done = command(
        "stylize_video", "--content", source, "--style", tmp_path / "style.png", "--output", tmp_path / "out.webm",
        "--pretrained_model_name_or_path", repo, "--device", "cpu",
    )  # fmt: skip
    assert done.returncode == 1 and "warning: in.mkv is damaged" in done.stderr
    assert 0 < len(shown(tmp_path / "out.webm")) < 40


def test_what_is_no_clip_ends_with_one_line(refusal, tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "photo.png")
    line = refusal("stylize_video", "--content", tmp_path / "photo.png", "--style", "s.png", "--output", tmp_path / "out.mp4")
    assert "photo.png is no clip that can be read" in line and "\n" not in line
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize(
    "options, message",
    [
        (("--style", "s.png", "--output", "o.gif"), "unknown extension '.gif'"),
        (("--style", "s.png", "--output", "o.mp4", "--smoothing", "2"), "--smoothing is 2.0"),
        (("--style", "s.png", "--output", "o.mp4", "--strength", "nan"), "--strength is nan"),
        (("--style", "s.png", "--output", "o.mp4", "--max_size", "0"), "--max_size is 0"),
        (("--style", "s.png", "--output", "o.mp4", "--stroke_size", "0"), "--stroke_size is 0.0; it must be a number above 0"),
        (("--style", "s.png", "--output", "o.mp4", "--stroke_size", "broad"), "--stroke_size is 'broad'"),
        (("--output", "o.mp4"), "--style, --adapter"),
        (("--style", "s.png", "--output", "/dev/null/o.mp4"), "Not a directory"),
        (("--style", "s.png", "--output", "o.mp4", "--device", "toaster"), "'toaster' cannot be used here"),
    ],
)
def test_wrong_options_are_reported_before_a_model_is_loaded(refusal, tmp_path, options, message):
    line = refusal("stylize_video", "--content", clip(tmp_path / "in.mp4", frames=1), *options)
    assert message in line and "\n" not in line
