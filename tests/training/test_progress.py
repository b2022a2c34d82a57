import json
import logging
import re

import pytest
import torch

from styleadapt.augment.ada import AdaptiveProbability
from styleadapt.errors import ConfigError, DivergenceError
from styleadapt.training.adversary import AdversarialConfig
from styleadapt.training.config import RunConfig
from styleadapt.training.run_state import RunningMeans, require_same_settings, write_settings

from .toy import Toy, train_toy, weights_of

PLAYERS = ["discriminator", "generator"]


def test_means_are_the_same_after_a_break():
    generator = torch.Generator().manual_seed(0)
    values = [{"a": torch.randn((), generator=generator), **({"b": torch.randn(())} if n % 2 else {})} for n in range(7)]
    whole, broken, resumed = RunningMeans(), RunningMeans(), RunningMeans()
    for value in values:
        whole.add(value)
    for value in values[:3]:
        broken.add(value)
    resumed.load_state_dict(json.loads(json.dumps(broken.state_dict())))
    for value in values[3:]:
        resumed.add(value)
    assert resumed.means() == whole.means()


class Killed(Toy):
    def __init__(self, step):
        super().__init__()
        self.last = step

    def forward(self, batch, step):
        if step == self.last:
            raise KeyboardInterrupt
        return super().forward(batch, step)


def figures_in(caplog) -> dict[int, str]:
    """The log lines' figures by step, without what depends on time."""
    lines = [re.search(r"step (\d+)/\d+ .*? left (.*)", record.getMessage()) for record in caplog.records]
    caplog.clear()
    return {int(line[1]): line[2] for line in lines if line}


@pytest.mark.parametrize("last", [4, 7, 11])
def test_the_log_of_a_resumed_run_is_that_of_an_unbroken_one(tmp_path, caplog, last):
    caplog.set_level(logging.INFO)
    settings = {"logging_steps": 5, "checkpointing_steps": 2, "max_train_steps": 12}
    train_toy(tmp_path / "whole", **settings)
    whole = figures_in(caplog)
    with pytest.raises(KeyboardInterrupt):
        train_toy(tmp_path / "broken", Killed(last), **settings)
    caplog.clear()
    train_toy(tmp_path / "broken", resume_from_checkpoint="latest", **settings)
    assert sorted(whole) == [5, 10, 12]
    assert figures_in(caplog) == {step: whole[step] for step in whole if step > last // 2 * 2}
    one, other = (weights_of(tmp_path / name / "final") for name in ("whole", "broken"))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_resumed_run_collapses_where_an_unbroken_one_would(tmp_path):
    settings = {"logging_steps": 1, "checkpointing_steps": 2, "collapse_steps": 5}
    task = Toy()
    task.d_adv = 1e-4
    train_toy(tmp_path, task, max_train_steps=4, **settings)
    task = Toy()
    task.d_adv = 1e-4
    with pytest.raises(DivergenceError, match="from step 1 to step 6"):
        train_toy(tmp_path, task, max_train_steps=9, resume_from_checkpoint="latest", **settings)


def test_other_samples_or_parameters_are_refused_when_resuming(tmp_path):
    train_toy(tmp_path, max_train_steps=2, checkpointing_steps=2)
    for key, value, was in (("seed", 5, 0), ("train_batch_size", 8, 4), ("gradient_accumulation_steps", 2, 1)):
        with pytest.raises(ConfigError, match=f"`{key}` is {value}, but .*checkpoint-2 was made with {was}"):
            train_toy(tmp_path, resume_from_checkpoint="latest", **{key: value})
    train_toy(tmp_path, resume_from_checkpoint="latest", learning_rate=0.01, max_train_steps=3, lr_d=0.01, collapse_steps=0)


class AdaptiveToy(Toy):
    def __init__(self):
        super().__init__()
        self.ada = AdaptiveProbability("hinge")


@pytest.mark.parametrize("before, after", [("ada", ""), ("color,cutout", "ada")])
def test_ada_comes_and_goes_with_a_new_run_alone(tmp_path, before, after):
    def train(augment, **more):
        task = AdaptiveToy() if augment == "ada" else Toy()
        return train_toy(tmp_path, task, config_class=AdversarialConfig, augment=augment, max_train_steps=2, **more)

    train(before, checkpointing_steps=2)
    with pytest.raises(ConfigError, match=f"`augment` is {after!r}, but .*checkpoint-2 was made with {before!r}"):
        train(after, resume_from_checkpoint="latest")
    train(before, resume_from_checkpoint="latest")


def test_augmentations_without_a_state_may_change(tmp_path):
    write_settings(tmp_path, AdversarialConfig(augment="color"), 1, PLAYERS)
    require_same_settings(tmp_path, AdversarialConfig(augment=""), 1, PLAYERS)


@pytest.mark.parametrize("before, after", [(PLAYERS, PLAYERS[1:]), (PLAYERS[1:], PLAYERS)])
def test_players_come_and_go_with_a_new_run_alone(tmp_path, before, after):
    class Some(Toy):
        def __init__(self, names):
            super().__init__()
            self.names = names

        def phases(self):
            return [phase for phase in super().phases() if phase.name in self.names]

    train_toy(tmp_path, Some(before), max_train_steps=2, checkpointing_steps=2)
    said = f"would train {', '.join(after)}, but .*checkpoint-2 was made by one that trains {', '.join(before)}, .*`adv_weight`"
    with pytest.raises(ConfigError, match=said):
        train_toy(tmp_path, Some(after), resume_from_checkpoint="latest")


def test_every_setting_that_a_run_has_is_compared(tmp_path):
    class Config(RunConfig):
        fixed_settings = ("train_parameters",)
        train_parameters = "adalin"

    config = Config(seed=3)
    write_settings(tmp_path, config, 2, PLAYERS)
    require_same_settings(tmp_path, Config(seed=3, learning_rate=1.0), 2, PLAYERS)
    with pytest.raises(ConfigError, match="`num_processes` is 1, but .* was made with 2"):
        require_same_settings(tmp_path, config, 1, PLAYERS)
    config.train_parameters = "lora"
    with pytest.raises(ConfigError, match="`train_parameters` is 'lora', but .* was made with 'adalin'.*another `output_dir`"):
        require_same_settings(tmp_path, config, 2, PLAYERS)
