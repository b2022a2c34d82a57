"""The docs' template of a family, `docs/family`, as CONTRIBUTING.md has a newcomer use it."""

import json
import sys
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from docs.family.model import Uncast
from docs.family.pipeline import UncastingPipeline
from docs.family.task import BUILDER, UncastingConfig, UncastingTask, build_dataset, build_models, card_facts
from scripts import train
from styleadapt.errors import ConfigError, ModelLoadError
from styleadapt.hub.model_card import build_model_card
from styleadapt.tasks.registry import TASKS

FAMILY = Path(__file__).parents[2] / "docs" / "family"
SMALL = ("--resolution", "16", "--report_to", "none", "--dataloader_num_workers", "0", "--logging_steps", "1")


@pytest.fixture
def run(image_folders, tmp_path, monkeypatch):
    """Trains by `scripts/train.py --task uncasting`, and gives the run's folder."""
    monkeypatch.setitem(TASKS, "uncasting", BUILDER)

    def start(*options, out="out"):
        places = ("--photos", str(image_folders[0]), "--output_dir", str(tmp_path / out))
        arguments = ("--task", "uncasting", "--config", str(FAMILY / "config.yaml"), *places, *SMALL, *options)
        monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
        train.main()
        return tmp_path / out

    return start


def test_it_trains_saves_loads_and_works(run, image_folders):
    folder = run("--max_train_steps", "150", "--validation_steps", "30", "--learning_rate", "1e-2")
    first = json.loads((folder / "best" / "score.json").read_text(encoding="utf-8"))
    pipe = UncastingPipeline.from_pretrained(str(folder / "best"))
    photo = Image.open(image_folders[0] / "0.png").convert("RGB")
    assert pipe(photo).images[0].size == photo.size
    # a cast costs more than what is left of it
    neutral = torch.stack([build_dataset(UncastingConfig(photos=str(image_folders[0])))[n]["image"] for n in range(8)])
    warm = (neutral + 1) * torch.tensor([1.2, 1.0, 0.8])[:, None, None] - 1
    assert first["l1"] < 0.8 * float((warm - neutral).abs().mean())
    with pytest.raises(ModelLoadError, match="this class loads RestorationPipeline"):
        from styleadapt import RestorationPipeline

        RestorationPipeline.from_pretrained(str(folder / "best"))


def test_a_resumed_run_is_bit_identical(run):
    options = ("--checkpointing_steps", "2", "--lr_scheduler", "constant", "--validation_steps", "0")
    whole = run("--max_train_steps", "4", *options, out="whole")
    run("--max_train_steps", "2", *options, out="broken")
    broken = run("--max_train_steps", "4", "--resume_from_checkpoint", "latest", *options, out="broken")
    one, other = (Uncast.from_pretrained(str(folder / "final"), subfolder="model").state_dict() for folder in (whole, broken))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_it_has_a_card(run, image_folders):
    folder = run("--max_train_steps", "1", "--validation_steps", "0")
    config = UncastingConfig(photos=str(image_folders[0]))
    card = build_model_card(folder / "final", "user/uncast", card_facts(config, build_dataset(config)))
    assert "takes color casts off photos" in card.text and "UncastingPipeline" in card.text
    assert str(image_folders[0]) not in card.text


def test_its_settings_are_checked(image_folders):
    for options, message in (({}, "needs a folder"), ({"photos": "x", "cast": 1.5}, "between 0 and 1")):
        with pytest.raises(ConfigError, match=message):
            UncastingConfig(**options).validate()


def test_its_configuration_names_settings_that_there_are():
    values = yaml.safe_load((FAMILY / "config.yaml").read_text(encoding="utf-8"))
    assert set(values) <= set(vars(UncastingConfig()))
    task = UncastingTask(UncastingConfig(photos="x"), build_models(UncastingConfig()))
    assert [phase.name for phase in task.phases()] == ["uncast"]
