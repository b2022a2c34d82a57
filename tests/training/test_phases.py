"""What a task's phases make the engine do."""

import shutil

import pytest
import torch

from styleadapt.errors import ConfigError
from styleadapt.training.phases import Phase, adversarial_phases

from .toy import Toy, toy_trainer, train_toy, weights_of


class Regression(Toy):
    """One phase, one model, no opponent."""

    def __init__(self):
        super().__init__()
        del self.modules["discriminator"], self.models["discriminator"]

    def phases(self):
        return [Phase("regression", ("generator",), self.distance, averaged=True)]

    def distance(self, state, step):
        return (state[1] - 2 * state[0]).square().mean(), {}


class Lazy(Toy):
    """A third phase, which trains the generator with its own optimizer's moments, in every third step from step 1 on."""

    def __init__(self, optimizer="generator"):
        super().__init__()
        self.optimizer, self.played = optimizer, []

    def phases(self):
        lazy = Phase("penalty", ("generator",), self.penalty, interval=3, start=1, optimizer=self.optimizer)
        return [*adversarial_phases(self), lazy]

    def penalty(self, state, step):
        self.played.append(step)
        assert not any(p.requires_grad for p in self.models["discriminator"].parameters())
        return self.modules["generator"](state[0]).square().mean(), {}


def test_a_regression_needs_no_opponent(tmp_path):
    trainer, _ = train_toy(tmp_path, Regression(), max_train_steps=60, ema_decay=0.5, learning_rate=0.2)
    weight = weights_of(tmp_path / "final")["generator.weight"]
    torch.testing.assert_close(weight, 2 * torch.eye(2), atol=0.3, rtol=0)
    assert list(trainer.optimizers) == ["regression"]


@pytest.mark.parametrize("optimizer", ["generator", None])
def test_a_lazy_phase_plays_at_its_interval(tmp_path, optimizer):
    task = Lazy(optimizer)
    trainer, _ = train_toy(tmp_path, task, max_train_steps=8)
    assert task.played == [1, 4, 7]
    assert len(trainer.optimizers) == (2 if optimizer else 3)


def test_a_run_with_a_lazy_phase_resumes_bit_identical(tmp_path):
    settings = {"checkpointing_steps": 2, "max_train_steps": 7, "lr_scheduler": "constant"}
    train_toy(tmp_path / "whole", Lazy(), **settings)
    train_toy(tmp_path / "broken", Lazy(), **{**settings, "max_train_steps": 4})
    task = Lazy()
    train_toy(tmp_path / "broken", task, **settings, resume_from_checkpoint="latest")
    assert task.played == [4]
    whole, broken = (weights_of(tmp_path / name / "final") for name in ("whole", "broken"))
    assert all(torch.equal(whole[key], broken[key]) for key in whole)


class Late(Toy):
    """The discriminator starts in step 3. Says at which rate it trains."""

    def __init__(self):
        super().__init__()
        self.rates = []

    def phases(self):
        return adversarial_phases(self, start=3)

    def discriminator_loss(self, state, step):
        self.rates.append(self.trainer.optimizers["discriminator"].param_groups[0]["lr"])
        return super().discriminator_loss(state, step)


def train_late(folder, **settings) -> list[float]:
    task = Late()
    settings |= {"max_train_steps": 8, "lr_scheduler": "linear", "checkpointing_steps": 2, "checkpoints_total_limit": 0}
    task.trainer = toy_trainer(folder, task, **settings)
    task.trainer.train()
    return task.rates


@pytest.mark.filterwarnings("error:Detected call of `lr_scheduler.step")
def test_a_player_that_starts_late_has_the_rate_of_its_step_and_resumes_bit_identical(tmp_path):
    whole = train_late(tmp_path / "whole")
    assert whole == pytest.approx([0.1 * (1 - step / 8) for step in range(3, 8)])
    shutil.copytree(tmp_path / "whole" / "checkpoint-2", tmp_path / "broken" / "checkpoint-2")
    assert train_late(tmp_path / "broken", resume_from_checkpoint="latest") == whole
    one, other = (weights_of(tmp_path / name / "final") for name in ("whole", "broken"))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_accumulated_batches_reach_every_phase(tmp_path):
    """Two batches of two are one batch of four, in the lazy phase too."""
    for name, more in (("one", {}), ("two", {"train_batch_size": 2, "gradient_accumulation_steps": 2})):
        train_toy(tmp_path / name, Lazy(), max_train_steps=5, **more)
    one, two = (weights_of(tmp_path / name / "final") for name in ("one", "two"))
    for key in one:
        torch.testing.assert_close(one[key], two[key], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("greater, best", [(False, 2), (True, 3)])
def test_the_best_score_is_the_lowest_or_the_highest(tmp_path, greater, best):
    task = Toy()
    task.scores = iter([0.5, 0.1, 0.9])
    settings = {"validation_steps": 1, "max_train_steps": 3, "metric_for_best_model": "score", "greater_is_better": greater}
    trainer, _ = train_toy(tmp_path, task, **settings)
    assert trainer.best.score == {2: 0.1, 3: 0.9}[best]
    assert f'"step": {best}' in (tmp_path / "best" / "score.json").read_text(encoding="utf-8")


def test_a_negative_highest_score_counts(tmp_path):
    task = Toy()
    task.scores = iter([-3.0, -1.0])
    settings = {"validation_steps": 1, "max_train_steps": 2, "metric_for_best_model": "score", "greater_is_better": True}
    assert train_toy(tmp_path, task, **settings)[0].best.score == -1.0


def test_an_unknown_score_is_refused(tmp_path):
    task = Toy()
    task.scores = iter([1.0])
    with pytest.raises(ConfigError, match="validation gives score"):
        train_toy(tmp_path, task, validation_steps=1, max_train_steps=1, metric_for_best_model="psnr")
