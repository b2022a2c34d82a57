import sys

import numpy as np
import pytest
from PIL import Image

from styleadapt.cli.generate import parse_arguments, run
from styleadapt.video.reading import Picture, VideoReader

from ..conftest import stripes
from ..tiny_generation import tiny_generation


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    for classes in (0, 2):
        tiny_generation(classes).save_pretrained(folder / str(classes))
    return folder


@pytest.fixture
def generate(weights):
    def call(*arguments, classes=0):
        return run(parse_arguments([str(a) for a in (*arguments, "--pretrained_model_name_or_path", weights / str(classes))]))

    return call


def pixels(image) -> np.ndarray:
    return np.asarray(image if isinstance(image, Image.Image) else Image.open(image))


def test_one_picture_goes_to_a_file(generate, tmp_path):
    assert generate("-o", tmp_path / "new" / "a.png", "--seed", 5, "--truncation", 0.9) == 0
    assert np.array_equal(pixels(tmp_path / "new" / "a.png"), pixels(tiny_generation()(1, 5, 0.9).images[0]))


def test_several_go_to_a_folder_and_with_a_grid_to_a_sheet(generate, tmp_path):
    generate("-o", tmp_path / "many", "--num_images", 3)
    assert [file.name for file in sorted((tmp_path / "many").iterdir())] == ["0000.png", "0001.png", "0002.png"]
    generate("-o", tmp_path / "sheet.png", "--num_images", 3, "--grid")
    sheet = pixels(tmp_path / "sheet.png")
    assert sheet.shape == (32, 32, 3)
    assert np.array_equal(sheet[:16, 16:], pixels(tmp_path / "many" / "0001.png"))


def test_tiles_and_classes(generate, tmp_path):
    generate("-o", tmp_path / "a.png", "--tile", "--label", "c1", classes=2)
    generate("-o", tmp_path / "b.png", "--tile", "--label", "1", classes=2)
    expected = tiny_generation(2)(1, 0, 0.7, label="c1", tileable=True).images[0]
    assert np.array_equal(pixels(tmp_path / "a.png"), pixels(expected))
    assert np.array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))


@pytest.mark.parametrize("name", ["way.mp4", "way.gif", "way.webm"])
def test_a_clip_goes_through_all_pictures(generate, tmp_path, name):
    generate("-o", tmp_path / "many", "--num_images", 3, "--interpolate", tmp_path / name, "--steps", 4)
    if name.endswith("gif"):
        clip = Image.open(tmp_path / name)
        assert clip.n_frames == 12 and clip.size == (16, 16)
        frames = [pixels(clip.seek(n) or clip.convert("RGB")) for n in range(12)]
    else:
        with VideoReader(tmp_path / name) as clip:
            frames = [item.pixels for item in clip if isinstance(item, Picture)]
        assert len(frames) == 12
    second = pixels(tmp_path / "many" / "0001.png").astype(int)
    assert abs(frames[4].astype(int) - second).mean() < abs(frames[0].astype(int) - second).mean()


def test_an_adapter_changes_the_pictures(generate, tmp_path):
    pipe = tiny_generation()
    pipe.adapt(stripes(16), steps=1).save(tmp_path / "stripes.safetensors")
    generate("-o", tmp_path / "a.png", "--adapter", tmp_path / "stripes.safetensors", "--adapter_weights", 20)
    generate("-o", tmp_path / "b.png")
    assert not np.array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["-o", "a.png", "--num_images", "2"], "give a folder, or --grid"),
        (["-o", "sheet", "--num_images", "2", "--grid"], "must end in one of"),
        (["-o", "a.png", "--truncation", "2"], "`truncation` is 2.0"),
        (["-o", "a.png", "--seed", "-1"], "`seed` is -1"),
        (["-o", "a.png", "--label", "oak"], "knows no classes"),
        (["-o", "many", "--num_images", "0"], "`num_images` is 0"),
        (["-o", "a.png", "--interpolate", "a.mp4"], "--num_images 2 at least"),
        (["-o", "many", "--num_images", "2", "--interpolate", "a.xyz"], "unknown extension '.xyz'"),
        (["-o", "many", "--num_images", "2", "--interpolate", "a.gif", "--steps", "0"], "--steps is 0"),
        (["-o", "many", "--num_images", "2", "--interpolate", "a.gif", "--steps", "1000"], "--steps is 1000; .* 999"),
        (["-o", "a.png", "--adapter_weights", "1"], "without --adapter"),
        (["-o", "a", "--per_class", "1", "--adapter_weights", "1"], "without --adapter"),
    ],
)
def test_what_cannot_be_done_is_said(generate, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        generate(*arguments)
    assert not any(tmp_path.rglob("*.png"))


def test_a_missing_package_is_told_before_pictures_are_made(generate, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError):
        generate("-o", tmp_path / "many", "--num_images", 2, "--interpolate", tmp_path / "way.mp4")
    assert not any(tmp_path.iterdir())
    assert generate("-o", tmp_path / "many", "--num_images", 2, "--interpolate", tmp_path / "way.gif", "--steps", 1) == 0


def test_as_many_pictures_of_every_class_go_to_folders_of_theirs(generate, tmp_path):
    assert generate("-o", tmp_path / "more", "--per_class", 2, "--seed", 3, classes=2) == 0
    found = sorted(str(file.relative_to(tmp_path / "more")) for file in (tmp_path / "more").rglob("*.png"))
    assert found == ["c0/0000.png", "c0/0001.png", "c1/0000.png", "c1/0001.png"]
    alone = tiny_generation(2)(1, 4, 0.7, 1).images[0]
    assert np.array_equal(pixels(tmp_path / "more" / "c1" / "0001.png"), pixels(alone))


@pytest.mark.parametrize("option", [("--num_images", 2), ("--label", "c0"), ("--grid",), ("--interpolate", "a.mp4")])
def test_pictures_of_every_class_and_something_else_are_not_asked_for_together(generate, tmp_path, option):
    with pytest.raises(ValueError, match=option[0]):
        generate("-o", tmp_path / "more", "--per_class", 2, *option, classes=2)


def folders_of(tmp_path, classes) -> dict[str, np.ndarray]:
    """Of a generator whose classes are called so: a picture of each, by the folder that it is written to."""
    pipe = tiny_generation(len(classes))
    pipe.register_to_config(classes=classes)
    pipe.save_pretrained(tmp_path / "model")
    arguments = ["-o", tmp_path / "a" / "more", "--per_class", 1, "--pretrained_model_name_or_path", tmp_path / "model"]
    run(parse_arguments([str(argument) for argument in arguments]))
    return {folder.name: pixels(folder / "0000.png") for folder in (tmp_path / "a" / "more").iterdir()}


def test_a_class_named_like_a_path_gets_a_folder_of_its_number(tmp_path):
    assert sorted(folders_of(tmp_path, ["../out", "oak"])) == ["class-0", "oak"]
    assert not (tmp_path / "a" / "out").exists()


def test_classes_that_are_numbers_get_the_folders_of_these_numbers(tmp_path):
    names = ["0", "1", "10", "2"]
    found = folders_of(tmp_path, names)
    assert sorted(found) == names
    pipe = tiny_generation(4)
    assert all(np.array_equal(found[name], pixels(pipe(1, 0, 0.7, n).images[0])) for n, name in enumerate(names))


def test_classes_that_differ_in_case_alone_and_names_of_devices_get_the_folders_of_their_numbers(tmp_path):
    found = folders_of(tmp_path, ["Oak", "elm", "oak", "nul", "CON"])
    assert sorted(found) == ["class-0", "class-2", "class-3", "class-4", "elm"]
