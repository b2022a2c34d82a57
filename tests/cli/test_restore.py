import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from styleadapt import AdapterError, RestorationPipeline, StyleAdapter
from styleadapt.cli import adapt
from styleadapt.cli.restore import parse_arguments, run
from styleadapt.pipelines.picture_files import save_picture
from styleadapt.pipelines.pictures import read_picture

from ..conftest import smooth_noise
from ..tiny_restoration import tiny_restoration

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    tiny_restoration().save_pretrained(folder)
    return folder


@pytest.fixture
def restore(weights):
    """Runs the command line in this process."""

    def call(*arguments: object) -> int:
        own = [] if "--pretrained_model_name_or_path" in arguments else ["--pretrained_model_name_or_path", weights]
        return run(parse_arguments([str(argument) for argument in (*arguments, *own, "--num_threads", 1)]))

    return call


@pytest.fixture
def photo(tmp_path) -> Path:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Ada"
    smooth_noise((60, 40), 0).save(tmp_path / "photo.jpg", exif=exif)
    return tmp_path / "photo.jpg"


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    smooth_noise((40, 30), 0).save(folder / "a.png")
    smooth_noise((40, 30), 1).save(folder / "b.JPG")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")
    save_picture(np.full((30, 40, 3), 30000, np.uint16), folder / "sub" / "deep.png")
    return folder


def test_one_photo_goes_to_a_file_with_its_metadata(restore, photo, tmp_path, capsys):
    assert restore(photo, "-o", tmp_path / "new" / "out.png", "--task", "denoise", "--level", "25", "--fidelity", "0.5") == 0
    with Image.open(tmp_path / "new" / "out.png") as image:
        assert image.size == (60, 40) and image.getexif()[ExifTags.Base.Artist] == "Ada"
    assert capsys.readouterr().out == f"{photo} -> {tmp_path / 'new' / 'out.png'}\n"


def test_a_mask_says_where_to_fill(restore, photo, tmp_path):
    mask = Image.new("L", (60, 40))
    mask.paste(255, (20, 10, 40, 30))
    mask.save(tmp_path / "mask.png")
    assert restore(photo, "-o", tmp_path / "out.png", "--task", "inpaint", "--mask", tmp_path / "mask.png") == 0
    changed = (np.asarray(Image.open(photo)) != np.asarray(Image.open(tmp_path / "out.png"))).any(-1)
    assert changed.any() and not changed[:, :20].any()


def test_a_folder_keeps_names_formats_and_depth_and_names_what_failed(restore, folder, tmp_path, capsys):
    out = tmp_path / "out"
    assert restore(folder, "-o", out, "--task", "denoise") == 1
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()) == [
        "a.png",
        "b.JPG",
        "manifest.jsonl",
        "settings.json",
        "sub/deep.png",
    ]
    assert read_picture(out / "sub" / "deep.png").deep
    said = capsys.readouterr()
    assert "3 results" in said.out and "1 of 4 photos failed: broken.png" in said.err
    assert json.loads((out / "settings.json").read_text())["task"] == "denoise"


def test_a_second_run_makes_only_what_is_missing_and_refuses_other_settings(restore, folder, tmp_path):
    out = tmp_path / "out"
    restore(folder, "-o", out, "--task", "denoise")
    (out / "b.JPG").unlink()
    kept = (out / "a.png").stat().st_mtime_ns
    restore(folder, "-o", out, "--task", "denoise")
    assert (out / "b.JPG").is_file() and (out / "a.png").stat().st_mtime_ns == kept
    with pytest.raises(ValueError, match="`level` is 25.0, but the results in .* were made with 'auto'"):
        restore(folder, "-o", out, "--task", "denoise", "--level", "25")
    assert restore(folder, "-o", out, "--task", "denoise", "--level", "25", "--overwrite") == 1


def test_a_mask_of_another_size_fails_that_photo_by_name(restore, folder, tmp_path):
    Image.new("L", (40, 31)).save(tmp_path / "mask.png")
    assert restore(folder, "-o", tmp_path / "out", "--task", "inpaint", "--mask", tmp_path / "mask.png") == 1
    lines = [json.loads(line) for line in (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()]
    assert all("make the mask of the photo's size" in line["error"] for line in lines if line["input"] != "broken.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-o", "out.png", "--task", "denoise", "--level", "300"), "up to 255"),
        (("-o", "out.png", "--fidelity", "2"), "`fidelity` is 2.0"),
        (("-o", "out.png", "--task", "colorize"), "no colorizer"),
        (("-o", "out.png", "--mask", "photo.jpg"), "is of task 'inpaint'"),
        (("-o", "out"), "must end in one of"),
        (("-o", "photo.jpg"), "would overwrite"),
        (("-o", "out.png", "--overwrite"), "goes with a folder"),
        (("-o", "out.png", "--pretrained_model_name_or_path", "."), "no pipeline folder"),
    ],
)
def test_what_cannot_be_done_is_refused_before_work(restore, photo, monkeypatch, arguments, message):
    monkeypatch.chdir(photo.parent)
    with pytest.raises(ValueError, match=message):
        restore("photo.jpg", *arguments)
    assert not Path("out.png").exists()


def test_a_data_set_may_have_a_dot_in_its_name(restore, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("styleadapt.batch.photo_sources.open_dataset", lambda name, *_: asked.append(name) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        restore("user/data-v1.5", "-o", tmp_path / "out")
    assert asked == ["user/data-v1.5"]


def test_what_is_not_there_is_named(restore, tmp_path):
    for gone in (tmp_path / "gone.jpg", "photos/gone.jpg", "photos/gone.mp4", "./gone"):
        for output in ("out", "out.png"):
            with pytest.raises(FileNotFoundError, match="no file or folder at .*gone"):
                restore(gone, "-o", tmp_path / output)
    with pytest.raises(SystemExit):
        parse_arguments(["photo.jpg", "-o", "out.png", "--level", "lots"])


def test_the_script_goes_on_where_it_was_killed(weights, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(12):
        smooth_noise((400, 300), number).save(tmp_path / "in" / f"{number:02d}.png")
    out = tmp_path / "out"
    command = [sys.executable, ROOT / "scripts" / "restore.py", tmp_path / "in", "-o", out, "--task", "denoise"]
    command += ["--pretrained_model_name_or_path", weights]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while running.poll() is None and len(list(out.glob("*.png"))) < 2:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    first = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "12 results" in done.stdout, done.stderr
    again = [name for name, made in first.items() if (out / name).stat().st_mtime_ns != made]
    # the last one may have been written without its line
    assert len(first) >= 2 and len(again) <= 1


def test_the_script_says_in_one_line_that_the_weights_are_missing(photo, tmp_path):
    if (ROOT / "styleadapt" / "assets" / "restoration" / "model_index.json").is_file():
        pytest.skip("the weights are there")
    command = [sys.executable, ROOT / "scripts" / "restore.py", photo, "-o", tmp_path / "out.png"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("error: the weights of restoration are not installed here")
    assert done.stderr.count("\n") == 1


def test_an_adapter_for_a_kind_of_images_is_made_and_worn(restore, weights, photo, tmp_path, capsys):
    drawings = tmp_path / "drawings"
    drawings.mkdir()
    smooth_noise((300, 200), 0).save(drawings / "a.png")
    adapter = tmp_path / "drawings.safetensors"
    arguments = ["--task", "restoration", drawings, "-o", adapter, "--steps", 2, "--pretrained_model_name_or_path", weights]
    assert adapt.run(adapt.parse_arguments([str(argument) for argument in arguments])) == 0
    told = capsys.readouterr().out
    assert "2 steps in" in told and "PSNR" in told and str(adapter) in told
    for name, weight in (("base", 0), ("worn", 1), ("more", 30)):
        assert not restore(photo, "-o", tmp_path / f"{name}.png", "--adapter", adapter, "--adapter_weight", weight)
    restore(photo, "-o", tmp_path / "plain.png")
    plain, base, more = (np.asarray(Image.open(tmp_path / f"{name}.png")).astype(int) for name in ("plain", "base", "more"))
    assert (plain == base).all() and (plain != more).any()


def test_an_output_that_is_named_like_a_picture_is_no_folder(restore, folder, tmp_path):
    with pytest.raises(ValueError, match="out.png is one file; several photos need a folder"):
        restore(folder, "-o", tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


def test_a_style_adapter_is_refused(restore, photo, tmp_path):
    style = StyleAdapter({}, torch.zeros(1, 4), torch.zeros(1, 4), "base").save(tmp_path / "style.safetensors")
    with pytest.raises(AdapterError, match="of the kind 'style', expected the kind 'restoration'"):
        restore(photo, "-o", tmp_path / "a.png", "--adapter", style)


def test_content_is_no_option_of_a_restorers_adapter(capsys):
    with pytest.raises(SystemExit):
        adapt.parse_arguments(["--task", "restoration", "a.png", "-o", "a.safetensors", "--content", "photos"])
    assert "--content goes with --task stylization" in capsys.readouterr().err


def test_a_tiff_file_of_16_bits_stays_one(restore, tmp_path):
    (tmp_path / "scans").mkdir()
    save_picture(np.full((30, 40, 3), 30000, np.uint16), tmp_path / "scans" / "scan.tif")
    assert not restore(tmp_path / "scans", "-o", tmp_path / "out", "--task", "denoise", "--level", 25)
    assert not restore(tmp_path / "scans" / "scan.tif", "-o", tmp_path / "one.tiff", "--task", "denoise", "--level", 25)
    for file in (tmp_path / "out" / "scan.tif", tmp_path / "one.tiff"):
        read = read_picture(file)
        assert read.deep and read.pixels.shape == (30, 40, 3) and len(np.unique(read.pixels)) > 256


def test_a_long_photo_shows_the_time_left_and_is_stopped_by_ctrl_c(restore, photo, tmp_path, monkeypatch, capsys):
    seen = []
    real = RestorationPipeline.__call__

    def call(self, image, *, callback=None, **options):
        def interrupted(progress):
            seen.append(progress)
            signal.raise_signal(signal.SIGINT)
            callback(progress)

        return real(self, image, callback=callback and interrupted, **options)

    monkeypatch.setattr(RestorationPipeline, "__call__", call)
    assert restore(photo, "-o", tmp_path / "out.png", "--task", "denoise", "--level", 25) == 130
    assert not (tmp_path / "out.png").exists() and len(seen) == 1
    told = capsys.readouterr().err
    assert "0 s left" in told and "nothing is written" in told
