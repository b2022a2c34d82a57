import json

import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt.cli import comparing, main
from styleadapt.errors import SourceError
from styleadapt.metrics.augmentation import ARMS, Arm, AugmentationScores, compare_augmentations
from styleadapt.metrics.classification import Recipe

from ..conftest import smooth_noise

RECIPE = Recipe(size=64, margin=8, copies=2, epochs=6, batch_size=8, head_lr=3e-3)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Coarse and fine noise; dark at home, and light where it is tested."""
    root = tmp_path_factory.mktemp("sets")
    for n, (name, count) in enumerate((("home", 10), ("light", 6), ("lighter", 6))):
        for kind, cell in (("coarse", 24), ("fine", 4)):
            (root / name / kind).mkdir(parents=True)
            for i in range(count):
                image = smooth_noise((72, 72), 100 * n + i, cell)
                image = image.point(lambda value, n=n: value // 3 + 80 * n)
                image.save(root / name / kind / f"{i}.png")
    return root


def test_every_arm_is_trained_and_every_image_tested(folders):
    told = []
    scores = compare_augmentations(folders / "home", [folders / "light", folders / "lighter"], 5, RECIPE, callback=told.append)
    assert told == list(ARMS) == list(scores.correct)
    for arm in ARMS:
        assert {name: len(values) for name, values in scores.correct[arm].items()} == {"light": 12, "lighter": 12}
        assert len(scores.home[arm]) == 20 and set(np.unique(scores.home[arm])) <= {0.0, 1.0}
        assert len(scores.by_seed[arm]) == 5 and scores.home[arm].mean() > 0.8
        assert np.mean(scores.by_seed[arm]) == pytest.approx(np.mean([v.mean() for v in scores.correct[arm].values()]))
    figures = {figure.name: figure for figure in scores.figures()["style"]}
    assert figures["mean above jitter"].low <= figures["mean above jitter"].value <= figures["mean above jitter"].high


def test_an_augmentation_that_destroys_images_is_the_worse_one(folders):
    arms = {"jitter": ARMS["jitter"], "black": lambda seed: Arm(lambda images: images * 0)}
    scores = compare_augmentations(folders / "home", [folders / "light"], 2, RECIPE, arms)
    abroad, home, p = scores.against("jitter")["black"]
    assert abroad.interval.high < 0 and home.high < 0 and p < 0.01
    assert scores.correct["black"]["light"].mean() == 0.5


def test_differences_are_paired_and_corrected():
    ones, half = np.ones(40), np.tile([0.0, 1.0], 20)
    scores = AugmentationScores(
        {"jitter": {"a": half}, "good": {"a": ones}, "same": {"a": half}},
        {"jitter": ones, "good": ones, "same": half},
        {"jitter": [0.5], "good": [1.0], "same": [0.5]},
    )
    found = scores.against("jitter")
    assert found["good"][0].interval.value == 0.5 and found["good"][0].interval.low > 0.3
    assert found["good"][2] == pytest.approx(2 * found["good"][0].p) and found["same"][2] == 1
    assert found["same"][1].value == -0.5
    assert AugmentationScores({"good": {"a": ones}}, {"good": ones}, {"good": [1.0]}).against("jitter") == {}


def test_folders_that_cannot_be_compared_are_refused(folders, tmp_path):
    with pytest.raises(SourceError, match="same name"):
        compare_augmentations(folders / "home", [folders / "light", folders / "light"])
    (tmp_path / "one" / "class").mkdir(parents=True)
    with pytest.raises(SourceError, match="1 subfolders"):
        compare_augmentations(tmp_path / "one", [folders / "light"])
    for kind in ("coarse", "fine"):
        (tmp_path / "few" / kind).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "few" / kind / "a.png")
    with pytest.raises(SourceError, match="5 at least"):
        compare_augmentations(tmp_path / "few", [folders / "light"], recipe=RECIPE)


def test_the_command(folders, tmp_path, capsys):
    line = ["evaluate", "--protocol", "augmentation", "--train_data_dir", folders / "home", "--test_data_dir", folders / "light"]
    line += ["--seeds", 2, "--copies", 2, "--size", 64, "-o", tmp_path / "out", "--device", "cpu"]
    assert main(list(map(str, line))) == 0
    assert "style + jitter" in capsys.readouterr().out
    told = json.loads((tmp_path / "out" / "scores.json").read_text(encoding="utf-8"))
    assert list(told["figures"]) == list(ARMS) and told["recipe"]["copies"] == 2
    assert len(told["correct"]["style"]["light"]) == 12 and len(told["by_seed"]["none"]) == 2


def test_an_output_that_is_a_file_is_told_before_the_training(folders, monkeypatch):
    monkeypatch.setattr(comparing, "compare_augmentations", lambda *_, **__: pytest.fail("it trains"))
    line = ["--train_data_dir", str(folders / "home"), "--test_data_dir", str(folders / "light"), "-o", __file__]
    with pytest.raises(SystemExit, match="Not a directory"):
        main(["evaluate", "--protocol", "augmentation", *line])


@pytest.mark.parametrize(
    "line",
    [
        ["--protocol", "augmentation", "--train_data_dir", "a"],
        ["--train_data_dir", "a", "--test_data_dir", "b"],
        ["--protocol", "augmentation", "--train_data_dir", "a", "--test_data_dir", "b", "--seeds", "0"],
        ["--protocol", "augmentation", "--train_data_dir", "a", "--test_data_dir", "b", "--outputs", "c"],
    ],
)
def test_wrong_command_lines_are_refused(line, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", "-o", str(tmp_path), *line])
    assert stop.value.code == 2 and "error: " in capsys.readouterr().err


def test_a_seed_gives_the_same(folders):
    arms = {name: ARMS[name] for name in ("jitter", "style + jitter", "mixstyle", "randconv")}
    first, again = (
        compare_augmentations(folders / "home", [folders / "lighter"], 1, Recipe(size=64, margin=8, copies=1, epochs=1), arms)
        for _ in range(2)
    )
    assert first.by_seed == again.by_seed and torch.is_grad_enabled()
