"""`scripts/stylize.py`: in processes of its own where they matter, else in this one."""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from styleadapt.adapters.adapter import StyleAdapter
from styleadapt.cli import photos as photo_files
from styleadapt.cli.photos import name_targets
from styleadapt.images.images import load_image
from styleadapt.models.style_encoder import StyleEncoder
from styleadapt.pipelines.style_transfer import StyleTransferPipeline

from ..commands import ROOT
from ..conftest import smooth_noise
from ..data.made_sets import make_parquet
from ..hub.fake_hub import TOKEN, connected
from .exported import exported

SCRIPT = str(ROOT / "scripts" / "stylize.py")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}


def test_a_folder_with_a_bad_file_goes_on_and_lists_it(command, repo, painting, tmp_path):
    painting.save(tmp_path / "style.png")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        smooth_noise((40, 30), 0).save(tmp_path / folder / "same.png")
    (tmp_path / "a" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    done = command(
        "stylize", "--content", tmp_path / "a", tmp_path / "b", "--style", tmp_path / "style.png", "--output", tmp_path / "out",
        "--pretrained_model_name_or_path", repo,
    )  # fmt: skip
    assert done.returncode == 1 and "1 of 3 photos failed" in done.stderr and "broken.jpg" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["same-2.png", "same.png"]
    assert Image.open(tmp_path / "out" / "same.png").size == (40, 30)


def test_one_photo_to_one_file_at_a_strength(command, repo, painting, tmp_path):
    painting.save(tmp_path / "style.png")
    smooth_noise((40, 30), 0).save(tmp_path / "p.png")
    done = command(
        "stylize", "--content", tmp_path / "p.png", "--style", tmp_path / "style.png", "--strength", 0,
        "--output", tmp_path / "o.png", "--pretrained_model_name_or_path", repo,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "o.png").tobytes() == Image.open(tmp_path / "p.png").tobytes()


def test_without_style_or_adapter_it_says_so(command, tmp_path):
    done = command("stylize", "--content", "p.png", "--output", "o.png")
    assert done.returncode == 2 and "--style, --adapter" in done.stderr


def test_an_unreadable_style_ends_with_one_line(command, repo, tmp_path):
    smooth_noise((40, 30), 0).save(tmp_path / "p.png")
    options = ("--style", "absent.jpg", "--output", "o.png", "--pretrained_model_name_or_path", repo)
    done = command("stylize", "--content", tmp_path / "p.png", *options)
    assert done.returncode == 1 and "absent.jpg" in done.stderr and "Traceback" not in done.stderr


@pytest.fixture
def folder(painting, tmp_path):
    """A folder with two photos, and a style image beside it; `p.png` is the first photo."""
    painting.save(tmp_path / "style.png")
    (tmp_path / "photos").mkdir()
    for name in ("p.png", "q.jpg"):
        smooth_noise((40, 30), 0).save(tmp_path / "photos" / name)
    return tmp_path / "photos"


@pytest.mark.parametrize(
    "content, output, message",
    [
        ("photos/p.png", "photos/p.png", "photos/p.png would overwrite"),
        ("photos/p.png", "photos", "photos/p.png would overwrite"),
        ("photos", "photos/../photos", "p.png would overwrite"),
        ("photos/p.png", "style.png", "style.png would overwrite"),
        ("photos/p.png", "out.heic", "'.heic' is no image extension; use one of .jpg, .jpeg, .png"),
        ("photos", "out.v2", "'.v2' is no image extension"),
        ("photos/p.png", "out.jp2", "'.jp2' is no image extension"),
        ("photos/p.png", "style.png/o.png", "Not a directory"),
        ("photos", "out.png", "out.png is one file"),
    ],
)
def test_a_bad_output_is_refused_before_any_work(refusal, folder, content, output, message):
    before = {path: path.read_bytes() for path in folder.iterdir()}
    root = folder.parent
    line = refusal("stylize", "--content", root / content, "--style", root / "style.png", "--output", root / output)
    assert message in line and "\n" not in line
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("kind", ["symlink_to", "hardlink_to"])
def test_a_link_does_not_hide_the_photo(refusal, folder, kind):
    link = folder.parent / "link.png"
    getattr(link, kind)(folder / "p.png")
    line = refusal("stylize", "--content", folder / "p.png", "--style", folder.parent / "style.png", "--output", link)
    assert "would overwrite" in line


def test_a_folder_with_a_dot_in_its_name_is_a_folder_once_it_exists(command, folder, repo):
    (folder.parent / "out.png").mkdir()
    options = ("--style", folder.parent / "style.png", "--pretrained_model_name_or_path", repo, "--device", "cpu")
    done = command("stylize", "--content", folder / "p.png", "--output", folder.parent / "out.png", *options)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (folder.parent / "out.png").iterdir()] == ["p.png"]


@pytest.mark.parametrize(
    "option, value",
    [
        ("--strength", "1.5"),
        ("--strength", "nan"),
        ("--max_size", "0"),
        ("--stroke_size", "0.0"),
        ("--stroke_size", "2.0"),
        ("--stroke_size", "nan"),
        ("--stroke_size", "'broad'"),
        ("--refine", "'-1'"),
        ("--refine", "'-1.5'"),
        ("--refine", "'nans'"),
    ],
)
def test_a_number_out_of_range_is_reported_before_any_work(refusal, option, value):
    line = refusal("stylize", "--content", "p.png", "--style", "style.png", "--output", "out", option, value.strip("'"))
    assert f"{option} is {value}" in line and "\n" not in line


def test_an_unusable_device_ends_with_one_line(refusal):
    line = refusal("stylize", "--content", "p.png", "--style", "style.png", "--output", "out", "--device", "toaster")
    assert "'toaster' cannot be used here" in line and "\n" not in line


@pytest.fixture
def gallery(painting, tmp_path) -> Path:
    """A folder of three photos and a broken one; `style.png` lies beside it."""
    painting.save(tmp_path / "style.png")
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for n, name in enumerate(("a.png", "b.jpg", "sub/c.png")):
        smooth_noise((40, 30), n).save(tmp_path / "in" / name)
    (tmp_path / "in" / "broken.png").write_bytes(b"no image")
    return tmp_path / "in"


@pytest.fixture
def stylize(repo, gallery, monkeypatch, capsys):
    """Runs the script in this process with the options that all runs share; gives its exit status, and what it printed."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def run(*arguments: object) -> tuple[object, str]:
        shared = ("--pretrained_model_name_or_path", repo, "--style", gallery.parent / "style.png", "--device", "cpu")
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", [SCRIPT, *map(str, (*shared, *arguments))])
            with pytest.raises(SystemExit) as end:
                runpy.run_path(SCRIPT, run_name="__main__")
        printed = capsys.readouterr()
        return end.value.code, printed.out + printed.err

    return run


def manifest(gallery: Path) -> list[dict]:
    return [json.loads(line) for line in (gallery / "manifest.jsonl").read_text().splitlines()]


def test_two_processes_share_a_folder(gallery, repo, tmp_path):
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    arguments = ["--input_dir", gallery, "--style", tmp_path / "style.png", "--output_dir", tmp_path / "out"]
    line = [*launcher, SCRIPT, *map(str, arguments), "--pretrained_model_name_or_path", repo]
    (gallery / "broken.png").unlink()
    smooth_noise((30, 20), 5).save(gallery / "z.webp", lossless=True)
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, env=ENVIRONMENT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "4 results, 2 processes" in done.stdout
    lines = manifest(tmp_path / "out")
    assert [entry["output"] for entry in lines] == ["a.png", "b.jpg", "sub/c.png", "z.webp"]
    style = Image.open(tmp_path / "style.png")
    expected = StyleTransferPipeline.from_pretrained(repo)(gallery / "sub" / "c.png", style=style).images[0]
    difference = np.abs(np.asarray(load_image(tmp_path / "out" / "sub" / "c.png"), int) - np.asarray(expected, int))
    assert difference.max() <= 1
    assert not list((tmp_path / "out").glob("manifest.part-*"))


def test_a_killed_run_goes_on_where_it_was(gallery, repo, tmp_path):
    out = tmp_path / "out"
    arguments = ["--input_dir", gallery, "--style", tmp_path / "style.png", "--output_dir", out]
    line = [sys.executable, SCRIPT, *map(str, arguments), "--pretrained_model_name_or_path", repo]
    # nobody writes to this pipe, so that the third of four photos is never read to its end
    (gallery / "broken.png").unlink()
    os.mkfifo(gallery / "c.png")
    part = out / "manifest.part-0.jsonl"
    deadline = time.monotonic() + 200
    log = tmp_path / "log"
    with open(log, "wb") as stderr, subprocess.Popen(line, stdout=stderr, stderr=stderr, env=ENVIRONMENT) as run:
        while time.monotonic() < deadline and run.poll() is None and not (part.is_file() and part.read_text().count("\n") == 2):
            time.sleep(0.01)
        run.kill()
    assert run.returncode == -signal.SIGKILL, log.read_text()
    before = {name: (out / name).stat().st_mtime_ns for name in ("a.png", "b.jpg")}
    assert {path.name for path in out.iterdir()} == {*before, part.name, "settings.json"}
    (gallery / "c.png").unlink()
    smooth_noise((40, 30), 5).save(gallery / "c.png")
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    assert "2/2" in done.stderr, "the bar counts what was missing"
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before
    assert [entry["output"] for entry in manifest(out)] == ["a.png", "b.jpg", "c.png", "sub/c.png"]
    assert {path.name for path in out.iterdir()} == {*before, "c.png", "sub", "manifest.jsonl", "settings.json"}


def test_a_bad_photo_is_listed_and_the_style_is_encoded_once(stylize, gallery, tmp_path, monkeypatch):
    calls = []
    forward = StyleEncoder.forward
    monkeypatch.setattr(StyleEncoder, "forward", lambda self, images: calls.append(1) or forward(self, images))
    status, printed = stylize("--input_dir", gallery, "--output_dir", tmp_path / "out")
    assert status == 1 and "1 of 4 photos failed: broken.png" in printed and "3 results" in printed
    assert len(calls) == 1


def test_settings_are_held_to_whatever_decides_the_pixels(stylize, gallery, tmp_path):
    (gallery / "broken.png").unlink()
    arguments = ("--input_dir", gallery, "--output_dir", tmp_path / "out")
    assert stylize(*arguments)[0] == 0
    for changed, message in (
        (("--strength", 0.5), "error: `strength` is 0.5"),
        (("--preserve_color",), "error: `preserve_color` is True"),
        (("--stroke_size", 0.3), "error: `stroke_size` is 0.3"),
        (("--refine", 1), "error: `refine` is '1'"),
        (("--metadata", "none"), "error: `metadata` is 'none'"),
        (("--push_to_hub",), "error: `metadata` is 'no-location'"),
    ):
        status, _ = stylize(*arguments, *changed)
        assert isinstance(status, str) and message in status and "\n" not in status
    smooth_noise((50, 50), 8).save(tmp_path / "style.png")
    status, _ = stylize(*arguments)
    assert status.startswith("error: `styles` is "), "another picture under the same name"
    before = (tmp_path / "out" / "a.png").read_bytes()
    assert stylize(*arguments, "--overwrite")[0] == 0
    assert (tmp_path / "out" / "a.png").read_bytes() != before


def test_pictures_are_refined_and_the_bar_tells_how_it_goes(stylize, gallery, tmp_path):
    (gallery / "broken.png").unlink()
    inputs = ("--input_dir", gallery, "--output_dir")
    assert stylize(*inputs, tmp_path / "plain")[0] == 0
    status, printed = stylize(*inputs, tmp_path / "refined", "--refine", 1)
    assert status == 0 and "s left, loss" in printed
    plain, refined = ((tmp_path / folder / "a.png").read_bytes() for folder in ("plain", "refined"))
    assert plain != refined


def test_refinement_without_a_style_image_is_refused_before_any_work(refusal):
    line = refusal("stylize", "--content", "p.png", "--adapter", "a.safetensors", "--output", "out", "--refine", "60s")
    assert "--refine needs the pixels of the style" in line


def test_masks_and_strips(stylize, gallery, tmp_path):
    (gallery / "broken.png").unlink()
    mask = tmp_path / "mask.png"
    half = Image.new("L", (40, 30))
    half.paste(255, (0, 0, 20, 30))
    half.save(mask)
    inputs = ("--input_dir", gallery, "--output_dir")
    assert stylize(*inputs, tmp_path / "masked", "--mask", mask, "--mask_feather", 0)[0] == 0
    masked, photo = (np.asarray(load_image(parent / "a.png")) for parent in (tmp_path / "masked", gallery))
    assert (masked[:, 20:] == photo[:, 20:]).all() and (masked[:, :20] != photo[:, :20]).any()
    assert stylize(*inputs, tmp_path / "strip", "--strip")[0] == 0
    strip = load_image(tmp_path / "strip" / "a.png")
    assert strip.width >= 5 * 40 and (np.asarray(strip)[:30, :40] == photo).all()
    status, _ = stylize(*inputs, tmp_path / "none", *("--mask", mask, mask, mask))
    assert status.startswith("error: ") and not (tmp_path / "none").exists(), "refused before the first photo"


def test_adapters_are_blended_by_weight(stylize, tiny_pipe, gallery, tmp_path):
    photo, adapters = load_image(gallery / "a.png"), []
    for n in range(2):
        code = torch.randn(1, 16, generator=torch.Generator().manual_seed(n))
        adapters.append(StyleAdapter({}, code, torch.zeros(1, 16), tiny_pipe.fingerprint).save(tmp_path / f"{n}.safetensors"))
        tiny_pipe.load_adapter(adapters[n], name=str(n))
    tiny_pipe.set_adapters(["0", "1"], [0.8, 0.2])
    expected = tiny_pipe(photo, style=tmp_path / "style.png", adapter_blend=0.5).images[0]
    options = ("--content", gallery / "a.png", "--output", tmp_path / "o.png", "--adapter_blend", 0.5)
    assert stylize(*options, "--adapter", *adapters, "--adapter_weights", 0.8, 0.2)[0] == 0
    assert load_image(tmp_path / "o.png").tobytes() == expected.tobytes()
    status, _ = stylize(*options, "--adapter", *adapters, "--adapter_weights", 0.8)
    assert "1 entries for 2 adapters" in status


@pytest.mark.export
def test_another_backend_gives_the_same(stylize, gallery, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    folder = exported() / "export"
    photo, style = load_image(gallery / "a.png"), gallery.parent / "style.png"
    expected = StyleTransferPipeline.from_pretrained(folder, backend="onnx")(photo, style=style).images[0]
    options = ("--pretrained_model_name_or_path", folder, "--backend", "onnx", "--output_dir", tmp_path / "out")
    status, printed = stylize("--input_dir", gallery, *options)
    assert status == 1 and "1 of 4 photos failed: broken.png" in printed
    assert load_image(tmp_path / "out" / "a.png").tobytes() == expected.tobytes()
    status, _ = stylize("--input_dir", gallery, *options, "--pretrained_model_name_or_path", exported() / "base")
    assert status.startswith("error: ") and "has no file style_encoder.onnx" in status


def test_one_photo_keeps_its_metadata(stylize, gallery, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Artist], exif[ExifTags.Base.Orientation] = "Ann", 6
    smooth_noise((40, 30), 0).save(gallery / "turned.jpg", exif=exif, dpi=(240, 240))
    for metadata, artist in (("all", "Ann"), ("none", None)):
        assert stylize("--content", gallery / "turned.jpg", "--output", tmp_path / "o.jpg", "--metadata", metadata)[0] == 0
        with Image.open(tmp_path / "o.jpg") as out:
            assert out.size == (30, 40) and out.getexif().get(ExifTags.Base.Artist) == artist


def test_a_data_set_becomes_a_data_set_and_is_published(stylize, tmp_path, monkeypatch):
    source = make_parquet(tmp_path / "set", 4, broken=[2])
    named = ("--dataset_name", source, "--name_column", "caption", "--cache_dir", tmp_path / "cache")
    for hub in connected(monkeypatch):
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        publish = ("--push_to_hub", "--hub_dataset_id", "user/reds", "--hub_license", "cc0-1.0")
        status, printed = stylize(*named, "--output_dir", tmp_path / "reds", *publish)
        assert status == 1 and "failed: red 2 (row 2)" in printed and "/user/reds/commit/abc" in printed
        published = sorted(path for _, _, path in hub.files)
    assert published == ["README.md", "train/metadata.jsonl", "train/red 0.png", "train/red 1.png", "train/red 3.png"]
    loaded = datasets.load_dataset(str(tmp_path / "reds"), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded["caption"][:] == ["red 0", "red 1", "red 3"] and loaded[0]["image"].size == (4, 4)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--output_dir", "out"), "give one of --content, --input_dir and --dataset_name"),
        (("--input_dir", "in", "--dataset_name", "x", "--output_dir", "out"), "give one of --content"),
        (("--content", "p.png", "--output", "out", "--push_to_hub"), "--push_to_hub goes with a folder or a data set"),
        (("--input_dir", "in", "--output_dir", "o", "--push_to_hub", "--output_format", "folder"), "leave out --output_format"),
        (("--input_dir", "in", "--output_dir", "o", "--backend", "onnx", "--device", "cuda"), "--backend onnx runs on the CPU"),
        (("--input_dir", "in", "--output_dir", "o", "--num_threads", "0"), "--num_threads is 0; it must be 1 at least"),
        (("--input_dir", "in", "--output_dir", "o", "--strip", "--strength", "0.2"), "leave --strength out"),
        (("--input_dir", "in", "--output_dir", "out.png"), "--output out.png is one file; several photos need a folder"),
        (("--dataset_name", "absent/set", "--output_dir", "out.MP4"), "--output out.MP4 is one file"),
        (("--input_dir", "absent", "--output_dir", "out"), "no image folder at absent"),
        (("--dataset_name", "absent/set", "--output_dir", "out"), "cannot load absent/set"),
    ],
)
def test_what_does_not_go_together_is_refused_before_any_work(refusal, arguments, message):
    line = refusal("stylize", *arguments, "--style", "style.png")
    assert message in line and "\n" not in line


def test_results_do_not_go_among_the_photos(refusal, gallery):
    line = refusal("stylize", "--input_dir", gallery, "--style", "s.png", "--output_dir", gallery / "sub" / "out")
    assert "lies in the folder of photos" in line and not (gallery / "sub" / "out").exists()


def test_results_do_not_go_among_the_photos_of_a_local_data_set(refusal, gallery):
    line = refusal("stylize", "--dataset_name", gallery, "--style", "s.png", "--output_dir", gallery / "out")
    assert "lies in the folder of photos" in line and not (gallery / "out").exists()


def test_a_folder_with_another_adapter_is_another_setting(stylize, tiny_pipe, gallery, tmp_path):
    (gallery / "broken.png").unlink()
    (tmp_path / "adapter").mkdir()
    arguments = ("--input_dir", gallery, "--output_dir", tmp_path / "out", "--adapter", tmp_path / "adapter")
    for value in (0.0, 1.0):
        code = torch.full((1, 16), value)
        StyleAdapter({}, code, code, tiny_pipe.fingerprint).save(tmp_path / "adapter" / "adapter.safetensors")
        status, _ = stylize(*arguments)
        assert status == 0 if value == 0 else status.startswith("error: `adapters` is ")


def test_a_name_with_a_slash_at_its_end_is_a_folder(stylize, gallery, tmp_path):
    assert stylize("--content", gallery / "a.png", "--output", f"{tmp_path}/results.v2/")[0] == 0
    assert [path.name for path in (tmp_path / "results.v2").iterdir()] == ["a.png"]
    stylize("--input_dir", gallery, "--output", f"{tmp_path}/results.png/")
    assert (tmp_path / "results.png" / "a.png").is_file()


def test_thousands_of_photos_of_one_name_keep_apart():
    photos = [Path(f"{n}/{name}") for n in range(8000) for name in ("same.png", "Same.JPG")]
    named = name_targets(photos, "out", True)
    assert len({str(path).lower() for path in named}) == len(photos)
    assert [path.name for path in named[:3]] == ["same.png", "Same-2.png", "same-3.png"]


def test_an_address_as_a_photo_is_refused_as_one(refusal):
    line = refusal("stylize", "--content", "https://example.org/a.jpg", "--style", "s.png", "--output", "out")
    assert "https://example.org/a.jpg is an address; download the photo first" in line


def test_pictures_that_are_written_have_not_failed_whatever_becomes_of_the_output(repo, gallery, tmp_path):
    (gallery / "broken.png").unlink()
    (gallery / "a.png").rename(gallery / "日本語.png")
    arguments = ["--content", gallery, "--style", tmp_path / "style.png", "--pretrained_model_name_or_path", repo]
    line = " ".join(map(str, [sys.executable, SCRIPT, *arguments]))
    for number, (tail, environment) in enumerate(((">/dev/full", {}), ("2>&1 | cat", {"PYTHONIOENCODING": "ascii"}))):
        command = f"set -o pipefail; {line} --output {tmp_path}/{number} {tail}"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env={**ENVIRONMENT, **environment})
        assert done.returncode == 0 and "failed" not in done.stdout + done.stderr, done.stdout + done.stderr
        assert sorted(path.name for path in (tmp_path / str(number)).iterdir()) == ["b.png", "c.png", "日本語.png"]
    assert "\\u65e5\\u672c\\u8a9e.png" in done.stdout


def test_what_cannot_be_read_is_listed_and_what_the_system_keeps_is_not(stylize, gallery, tmp_path):
    (gallery / "broken.png").unlink()
    (gallery / "new.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (gallery / "._a.png").write_bytes(b"AppleDouble")
    (gallery / "dir.jpg").mkdir()
    smooth_noise((40, 30), 0).save(gallery / "old.jfif", "JPEG")
    status, printed = stylize("--content", gallery, "--output", tmp_path / "out")
    assert status == 1 and "1 of 5 photos failed" in printed and "new.heic is a HEIC picture" in printed
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.png", "c.png", "old.png"]


def test_a_photo_that_is_too_large_for_the_memory_is_listed(stylize, gallery, tmp_path, monkeypatch):
    read = photo_files.read_metadata

    def full(photo):
        if photo.name == "a.png":
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried ...")
        return read(photo)

    monkeypatch.setattr(photo_files, "read_metadata", full)
    (gallery / "broken.png").unlink()
    status, printed = stylize("--content", gallery, "--output", tmp_path / "out")
    assert status == 1 and "a.png [enforce fail" in printed and "1 of 3 photos failed" in printed


def test_a_folder_alone_is_kept_in_its_order_and_goes_on_where_it_stopped(stylize, gallery, tmp_path):
    (gallery / "broken.png").unlink()
    for photos in ("3/3", "0photo"):
        status, printed = stylize(gallery, "-o", tmp_path / "out")
        assert status == 0 and photos in printed and "3 results" in printed
    assert [entry["output"] for entry in manifest(tmp_path / "out")] == ["a.png", "b.jpg", "sub/c.png"]
