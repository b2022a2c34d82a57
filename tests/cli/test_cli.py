"""The command line before any work: its help, its refusals, and what it takes inputs for."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from styleadapt.batch import result_names
from styleadapt.batch import stylizing as batch
from styleadapt.cli import COMMANDS, augment, main, options, stylize
from styleadapt.runtime.precision import DTYPES
from styleadapt.video.writing import _CONTAINERS


def test_help_comes_without_torch_and_lists_every_command():
    code = (
        "import sys; from styleadapt.cli import COMMANDS, main\n"
        "for line in ([], *([name] for name in COMMANDS)):\n"
        "    try: main([*line, '--help'])\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'diffusers', 'gradio'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert f"\n  {name} " in done.stdout and f"usage: styleadapt {name} " in done.stdout
    assert "--strength STRENGTH" in done.stdout and "1: the full style (default: 1.0)" in done.stdout


@pytest.mark.parametrize(
    "arguments", [[], ["paint"], ["stylize"], ["stylize", "a.jpg", "--style", "b.jpg"], ["adapt", "-o", "x.pt"]]
)
def test_a_wrong_command_line_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2 and capsys.readouterr().err.startswith("usage: styleadapt")


def test_choices_are_those_of_the_library():
    assert set(options.DTYPES) == DTYPES.keys()
    assert ("keep", *result_names.FORMATS) == stylize.FORMATS and stylize.METADATA == batch.METADATA
    assert _CONTAINERS.keys() <= set(options.CLIP_EXTENSIONS)


@pytest.fixture
def parse(tmp_path, monkeypatch):
    """Parses `stylize INPUT... -o OUT` in a folder with photos in it."""
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    Path("photos/a.jpg").touch()

    def parsed(*inputs: str, output: str = "out", options: tuple[str, ...] = ()):
        return stylize.parse_arguments([*inputs, "-o", output, "--style", "s.png", *options])

    return parsed


@pytest.mark.parametrize(
    ("inputs", "output", "kind"),
    [
        (("photos/a.jpg",), "out.png", "photos"),
        (("photos/a.jpg", "b.png"), "out", "photos"),
        (("photos", "other"), "out", "photos"),
        (("photos",), "out", "folder"),
        (("user/photos",), "out", "dataset"),
        (("user/data-v1.5",), "out", "dataset"),
        (("./gone",), "out", "photos"),
        (("photos/missing.jpg",), "out.png", "photos"),
        (("clip.MOV",), "out.mp4", "clip"),
        (("animation.gif",), "out.webm", "clip"),
        (("animation.gif",), "out.png", "photos"),
    ],
)
def test_inputs_are_told_apart_by_what_they_are(parse, inputs, output, kind):
    assert parse(*inputs, output=output).kind == kind


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        ((), (), "give INPUT before the options"),
        (("a.mp4", "b.jpg"), (), "a.mp4 is a clip; give one clip at a time"),
        (("a.mp4",), ("--mask", "m.png"), "--mask goes with photos"),
        (("a.mp4",), ("--refine", "10s"), "--backend and --refine go with photos"),
        (("a.mp4",), ("--overwrite",), "--overwrite goes with a folder or a data set"),
        (("a.jpg",), ("--format", "png"), "--format goes with a folder or a data set"),
        (("photos",), ("--smoothing", "0.5"), "--smoothing goes with a clip"),
    ],
)
def test_what_does_not_go_together_is_refused(parse, inputs, options, message, capsys):
    with pytest.raises(SystemExit) as end:
        parse(*inputs, options=options)
    assert end.value.code == 2 and message in capsys.readouterr().err


@pytest.mark.parametrize(("given", "kept"), [((), "all"), (("--push_to_hub",), "no-location")])
def test_what_is_published_does_not_say_where_photos_were_taken(parse, given, kept):
    assert parse("photos", options=given).metadata == kept
    assert augment.parse_arguments(["photos", "-o", "out", *given]).metadata == kept
    assert augment.parse_arguments(["photos", "-o", "out", "--metadata", "all", *given]).metadata == "all"


def test_styles_may_be_given_one_by_one(parse):
    assert parse("photos", options=("--style", "t.png", "u.png")).style == ["s.png", "t.png", "u.png"]


def test_a_missing_package_ends_with_one_line_that_says_what_to_install(monkeypatch):
    def run(args):
        raise ModuleNotFoundError("No module named 'gradio'", name="gradio")

    monkeypatch.setattr("styleadapt.cli.app.run", run)
    with pytest.raises(SystemExit) as end:
        main(["app"])
    assert end.value.code == 'error: the package gradio is not installed: pip install "styleadapt[app]"'


def test_the_environment_is_told(capsys):
    assert main(["env"]) == 0
    told = capsys.readouterr().out
    assert all(f"\n{name}:" in f"\n{told}" for name in ("styleadapt", "torch", "[export]", "threads", "bfloat16 on CPU", "CUDA"))
    assert str(Path.home()) not in told


def test_ctrl_c_asks_first_and_interrupts_when_pressed_again(capsys):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), options.stopping_early("the best state is kept") as stopped:
        assert not stopped()
        signal.raise_signal(signal.SIGINT)
        assert stopped() and "stopping; the best state is kept" in capsys.readouterr().err
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupted_command_ends_with_one_line(monkeypatch):
    # not by a signal: a shell that starts the tests in the background has them ignore it
    monkeypatch.setattr("styleadapt.cli.env.run", lambda args: signal.default_int_handler(signal.SIGINT, None))
    with pytest.raises(SystemExit) as end:
        main(["env"])
    assert end.value.code == "stopped; what is finished is kept"
