import json

import pytest
import torch
from PIL import Image

from styleadapt import TranslationPipeline, UGATITGenerator

from ..conftest import smooth_noise


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    generators = (UGATITGenerator(channels=4, blocks=1, light=True) for _ in range(2))
    TranslationPipeline(*generators).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def pairs(tmp_path):
    """Three pairs, an image and the same 51 of 255 darker, and one image without a counterpart."""
    for name in "ab":
        (tmp_path / name).mkdir()
    for i in range(3):
        image = smooth_noise((32, 32), i).point(lambda level: 60 + level // 2)
        image.save(tmp_path / "a" / f"{i}.png")
        image.point(lambda level: level - 51).save(tmp_path / "b" / f"{i}.png")
    smooth_noise((32, 32), 9).save(tmp_path / "a" / "alone.png")
    return tmp_path / "a", tmp_path / "b"


def test_a_table_of_scores_and_sheets(command, model, pairs, tmp_path):
    done = command("evaluate_translation", model, *pairs, "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "3 pairs" in done.stdout and "100%" in done.stdout
    report = json.loads((tmp_path / "out" / "scores.json").read_text())
    for direction in ("a2b", "b2a"):
        assert report[direction]["untranslated"]["l1"] == pytest.approx(0.2, abs=1e-4)
        assert set(report[direction]["translated"]) == {"l1", "perceptual", "kernel_distance"}
        # three rows of four images, in four columns of rows
        assert Image.open(tmp_path / "out" / f"{direction}.png").size == (4 * (4 * 32 + 6) - 6, 32)


def test_folders_without_common_names_end_with_one_line(command, model, pairs, tmp_path):
    (tmp_path / "c").mkdir()
    smooth_noise((32, 32), 0).save(tmp_path / "c" / "other.png")
    done = command("evaluate_translation", model, pairs[0], tmp_path / "c", "--output", tmp_path / "out")
    assert done.returncode == 1 and "0 file names in common" in done.stderr and "Traceback" not in done.stderr
