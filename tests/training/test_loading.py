"""Checkpoints that are resumed: doctored ones, those of an earlier version, and with other settings."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from diffusers.training_utils import EMAModel
from safetensors.torch import load_file

from styleadapt.augment.ada import AdaptiveProbability
from styleadapt.errors import ConfigError

from .toy import Toy, toy_trainer, train_toy, weights_of


class Code:
    def __init__(self, command: str):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


class AdaptiveToy(Toy):
    def __init__(self):
        super().__init__()
        self.ada = AdaptiveProbability("hinge", interval=1, images=100)

    def discriminator_loss(self, state, step):
        self.ada.observe(self.modules["discriminator"](state[0]).detach())
        return super().discriminator_loss(state, step)


def mark_as_whole(checkpoint: Path) -> None:
    sizes = {p.name: p.stat().st_size for p in checkpoint.iterdir() if p.name != "complete"}
    (checkpoint / "complete").write_text(json.dumps(sizes))


@pytest.mark.parametrize(
    "name", ["optimizer_1.bin", "random_states_0.pkl", "custom_checkpoint_0.pkl", "pytorch_model.bin", "scaler.pt"]
)
@pytest.mark.parametrize("zipped", [True, False])
def test_no_file_of_a_checkpoint_runs_code(tmp_path, name, zipped):
    train_toy(tmp_path, max_train_steps=2, checkpointing_steps=2)
    checkpoint, proof = tmp_path / "checkpoint-2", tmp_path / "proof"
    torch.save(Code(f"touch {proof}"), checkpoint / name, _use_new_zipfile_serialization=zipped)
    if name == "pytorch_model.bin":
        (checkpoint / "model.safetensors").unlink()
    if name == "custom_checkpoint_0.pkl":
        # as in a checkpoint of an earlier version, where it would be read
        (checkpoint / "progress-0.json").unlink()
    mark_as_whole(checkpoint)
    with pytest.raises(ConfigError, match=f"{name} cannot be resumed from.*never unpickled, because they can run code") as error:
        train_toy(tmp_path, max_train_steps=4, resume_from_checkpoint="latest")
    assert "\n" not in str(error.value) and not proof.exists()


@pytest.mark.parametrize("keeps_progress", [True, False])
def test_a_checkpoint_of_an_earlier_version_is_resumed(tmp_path, keeps_progress):
    settings = {"checkpointing_steps": 2, "max_train_steps": 4}
    whole, _ = train_toy(tmp_path, AdaptiveToy(), **settings)
    (tmp_path / "final").rename(tmp_path / "whole")
    shutil.rmtree(tmp_path / "checkpoint-4")
    checkpoint = tmp_path / "checkpoint-2"
    tensors = load_file(checkpoint / "average.safetensors")
    progress = checkpoint / "progress-0.json"
    kept = json.loads(progress.read_text())
    average = EMAModel([], decay=0.5, use_ema_warmup=True, power=3 / 4)
    average.shadow_params = [tensors[str(n)] for n in range(len(tensors))]
    average.optimization_step = kept.pop("average_steps")
    states = [average.state_dict(), *({"last_epoch": position} for position in kept.pop("schedules")), kept.pop("ada")]
    for n, state in enumerate(states):
        torch.save(state, checkpoint / f"custom_checkpoint_{n}.pkl")
    (checkpoint / "average.safetensors").unlink()
    (checkpoint / "settings.json").unlink()
    progress.write_text(json.dumps(kept))
    if not keeps_progress:
        progress.unlink()
    mark_as_whole(checkpoint)
    resumed, _ = train_toy(tmp_path, AdaptiveToy(), resume_from_checkpoint="latest", **settings)
    assert resumed.task.ada.state_dict() == whole.task.ada.state_dict()
    one, other = (weights_of(tmp_path / name) for name in ("whole", "final"))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_resumed_run_takes_the_settings_that_it_is_given(tmp_path):
    before = {"max_train_steps": 4, "checkpointing_steps": 4, "lr_scheduler": "linear"}
    train_toy(tmp_path, **before)
    rates = []

    class Watched(Toy):
        def forward(self, batch, step):
            rates.append([optimizer.param_groups[0]["lr"] for optimizer in trained[0].optimizers.values()])
            return super().forward(batch, step)

    now = {"max_train_steps": 8, "learning_rate": 0.01, "lr_d": 0.001, "ema_decay": 0.125}
    more = {"adam_beta1": 0.25, "adam_beta2": 0.5, "adam_weight_decay": 0.25, "adam_epsilon": 0.5}
    trained = [toy_trainer(tmp_path, Watched(), resume_from_checkpoint="latest", **before | now | more)]
    trained[0].train()
    assert rates[0] == pytest.approx([0.0005, 0.005]) and rates[-1] == pytest.approx([0.000125, 0.00125])
    for optimizer in trained[0].optimizers.values():
        group = optimizer.param_groups[0]
        assert (group["betas"], group["weight_decay"], group["eps"]) == ((0.25, 0.5), 0.25, 0.5)
    assert trained[0].average._model.get_decay(10**6) == 0.125
