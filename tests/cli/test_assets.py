import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from styleadapt import ImageError
from styleadapt.cli.assets import parse_arguments, run
from styleadapt.pipelines.style_transfer import StyleTransferPipeline

from ..conftest import smooth_noise, stripes
from ..pipelines.test_game_assets import sprite


@pytest.fixture
def weights(tiny_models, tmp_path) -> Path:
    StyleTransferPipeline(**tiny_models).save_pretrained(tmp_path / "weights")
    return tmp_path / "weights"


@pytest.fixture
def assets(weights, tmp_path):
    """Runs the command line in this process."""
    stripes(64).save(tmp_path / "style.png")

    def call(*arguments: object) -> int:
        own = (
            "--style",
            tmp_path / "style.png",
            "--pretrained_model_name_or_path",
            weights,
            "--num_threads",
            1,
            "--device",
            "cpu",
        )
        return run(parse_arguments([str(argument) for argument in (*arguments, *own)]))

    return call


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "art"
    (folder / "textures").mkdir(parents=True)
    sprite(1).save(folder / "hero.png")
    smooth_noise((24, 24), 2).save(folder / "textures" / "wall.png")
    (folder / "readme.txt").write_text("words", encoding="utf-8")
    return folder


def test_a_folder_comes_out_with_its_palette(assets, folder, tmp_path, capsys):
    assert assets(folder, "-o", tmp_path / "out", "--colors", 4, "--dither", "--tile_match", "textures/*") == 0
    assert "3 files" in capsys.readouterr().out
    with Image.open(tmp_path / "out" / "textures" / "wall.png") as wall:
        assert wall.mode == "P" and len(wall.convert("RGB").getcolors()) <= 4
    assert (tmp_path / "out" / "readme.txt").read_text(encoding="utf-8") == "words"
    assert (tmp_path / "out" / "palette.hex").is_file()
    assert assets(folder, "-o", tmp_path / "out", "--colors", 4, "--dither", "--tile_match", "textures/*") == 0
    other = tmp_path / "other"
    assert assets(folder, "-o", other, "--palette", tmp_path / "out" / "palette.gpl") == 0
    with Image.open(other / "hero.png") as hero:
        assert len(hero.convert("RGBA").convert("RGB").getcolors()) <= 4


def test_files_that_fail_are_listed_and_what_refers_to_them(assets, folder, tmp_path, capsys):
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    (folder / "dot.tmx").write_text('<map><imagelayer><image source="dot.png"/></imagelayer></map>', encoding="utf-8")
    assert assets(folder, "-o", tmp_path / "out") == 1
    told = capsys.readouterr().err
    assert "error: dot.png: is 1 x 1 pixel" in told and "1 of 5 files failed: dot.png" in told
    assert "dot.tmx refers to dot.png, which is not there" in told


def test_one_sheet_with_its_json_under_another_name(assets, folder, tmp_path, capsys):
    told = {"frames": {"a": {"frame": {"x": 0, "y": 0, "w": 12, "h": 24}}}, "meta": {"image": "hero.png"}}
    (folder / "hero.json").write_text(json.dumps(told), encoding="utf-8")
    assert assets(folder / "hero.png", "-o", tmp_path / "new" / "villain.png") == 0
    with Image.open(tmp_path / "new" / "villain.png") as image:
        assert image.size == (24, 24)
        assert (np.asarray(image)[..., 3] == np.asarray(sprite(1))[..., 3]).all()
    written = json.loads((tmp_path / "new" / "villain.json").read_text(encoding="utf-8"))
    assert written["meta"]["image"] == "villain.png" and written["frames"] == told["frames"]
    with pytest.raises(ValueError, match="villain.png exists"):
        assets(folder / "hero.png", "-o", tmp_path / "new" / "villain.png")
    assert assets(folder / "hero.png", "-o", tmp_path / "new" / "villain.png", "--overwrite") == 0


def test_a_single_picture_is_painted_whatever_its_suffix(assets, tmp_path):
    sprite(1).save(tmp_path / "hero_mask.png")
    told = {"frames": {"a": {"frame": {"x": 0, "y": 0, "w": 12, "h": 24}}}, "meta": {"image": "hero_mask.png"}}
    (tmp_path / "hero_mask.json").write_text(json.dumps(told), encoding="utf-8")
    assert assets(tmp_path / "hero_mask.png", "-o", tmp_path / "out.png") == 0
    assert not np.array_equal(Image.open(tmp_path / "out.png"), sprite(1))
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["meta"]["image"] == "out.png"


def test_nothing_that_is_read_is_overwritten(assets, folder, tmp_path):
    before = (folder / "hero.png").read_bytes()
    with pytest.raises(ValueError, match="overwrite a file that is read"):
        assets(folder / "hero.png", "-o", folder / "hero.png", "--overwrite")
    with pytest.raises(ImageError, match="do not fill"):
        assets(folder / "hero.png", "-o", tmp_path / "a.png", "--grid", "7x7")
    with pytest.raises(ValueError, match=r"must end in \.png"):
        assets(folder / "hero.png", "-o", tmp_path / "a.gif")
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        assets(folder / "none.png", "-o", tmp_path / "a.png")
    assert (folder / "hero.png").read_bytes() == before and not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "give --style, --adapter or both"),
        (["--style", "s", "--colors", "0"], "1 to 256"),
        (["--style", "s", "--colors", "4", "--palette", "p"], "both given"),
        (["--style", "s", "--dither"], "goes with"),
        (["--style", "s", "--strength", "2"], "between 0 and 1"),
        (["--style", "s", "--enlarge", "9"], "1 to 8"),
        (["--style", "s", "--num_threads", "0"], "1 at least"),
    ],
)
def test_a_wrong_command_line_is_refused(options, said, capsys):
    with pytest.raises(SystemExit):
        parse_arguments(["in", "-o", "out", *options])
    assert said in capsys.readouterr().err
