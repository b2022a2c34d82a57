"""Made-up digits: what is checked is what the networks are shown, not how well they learn."""

import argparse
import dataclasses
import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from styleadapt.data.sources import open_source
from styleadapt.tasks.generation import build_dataset


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "semi_supervised_digits.py"))


@pytest.fixture(scope="module")
def place(script, tmp_path_factory):
    """Ten images of every class, each of one brightness, as the package keeps them, and what is made of them."""
    folder = tmp_path_factory.mktemp("digits")
    for digit in range(10):
        values = np.repeat(np.linspace(0, 0.9, 10) + digit / 100, 28 * 28)
        (folder / f"{digit}.json").write_text(json.dumps({"data": values.tolist()}), encoding="utf-8")
    script["write_folders"](script["read_digits"](folder), 3, 0, folder / "sets")
    return folder / "sets"


def test_some_keep_their_labels_and_a_fifth_is_for_testing(place):
    train = open_source(place / "train", label_column="label")
    test = open_source(place / "test", label_column="label")
    assert [train.labels().count(n) for n in (-1, *range(10))] == [50, *[3] * 10]
    assert [test.labels().count(n) for n in range(10)] == [2] * 10
    assert test[0].image.size == (32, 32)
    names = [Path(row.name).name for table in (train, test) for row in table.rows]
    assert len(set(names)) == 100, "an image is in one set alone"
    # the ninth of ten
    assert test[0].image.getpixel((16, 16))[0] == round(0.8 * 255)


def test_both_networks_learn_from_the_same_number_of_labels(script, place):
    args = argparse.Namespace(channels=4, batch=8, steps=2)
    # other tests of this process train in full precision, which Accelerate keeps
    config = dataclasses.replace(script["run_config"](place, 0, args), mixed_precision="no")
    labels = [int(build_dataset(config)[n]["label"]) for n in range(16)]
    assert 4 <= sum(label >= 0 for label in labels) <= 15
    for error in (script["semi_supervised_error"](config), script["supervised_error"](config)):
        assert error * 20 == pytest.approx(round(error * 20)) and 0 <= error <= 1
