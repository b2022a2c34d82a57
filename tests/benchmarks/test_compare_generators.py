"""The scores of made-up methods, and the end of a run by the time of the processor."""

import argparse
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from styleadapt.images.images import tensor_to_image

from ..conftest import smooth_noise


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "compare_generators.py"))


@pytest.fixture
def args(tmp_path):
    (tmp_path / "images").mkdir()
    for n in range(12):
        smooth_noise((40, 40), seed=n).save(tmp_path / "images" / f"{n}.png")
    return argparse.Namespace(
        train_data_dir=str(tmp_path / "images"),
        output=str(tmp_path / "out"),
        peers=None,
        methods=["copies", "noise"],
        minutes=0.001,
        size=32,
        seed=0,
        samples=12,
    )


def put(args, method, pictures):
    folder = Path(args.output, method)
    folder.mkdir(parents=True)
    for n, picture in enumerate(pictures):
        picture.save(folder / f"{n:04}.png")
    (folder / "steps.json").write_text("7", encoding="utf-8")


def test_copies_and_noise_are_told_from_pictures(script, args):
    shown = script["crops"](args, args.seed + 1000)
    put(args, "copies", [tensor_to_image(shown[n]["image"][None])[0] for n in range(12)])
    rng = np.random.default_rng(0)
    put(args, "noise", [Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)) for _ in range(12)])
    found = script["scores"](args)
    assert found["real"]["nearest"] == 1 and found["copies"]["nearest"] < 0.01 < 1 < found["noise"]["nearest"]
    assert found["noise"]["distance"] > 3 * max(found["real"]["distance"], found["copies"]["distance"])
    assert found["noise"]["steps"] == 7
    assert json.loads(Path(args.output, "scores.json").read_text(encoding="utf-8"))["noise"] == found["noise"]
    assert (Path(args.output) / "noise" / "NEAREST.jpg").is_file()


def test_a_run_ends_with_its_time(script, args, tmp_path):
    pictures, steps = script["our_pictures"]("dcgan", argparse.Namespace(**{**vars(args), "samples": 3}), tmp_path / "work")
    # the time of this process is over already: one look at the clock, and no step
    assert steps == 0 and [picture.size for picture in pictures] == [(32, 32)] * 3


def test_the_others_get_the_crops_of_ours(script, args):
    first = next(script["their_batches"](script["crops"](args, 0)))
    assert first.shape == (16, 3, 32, 32) and 0 <= float(first.min()) < float(first.max()) <= 1
    ours = script["build_dataset"](script["our_config"]("projected", args, Path("unused")))[5]["image"]
    assert np.allclose(first[5], ours / 2 + 0.5)
