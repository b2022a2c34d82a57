"""The engine on a toy, and through its script: a run, a killed and resumed run, two processes."""

import itertools
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time

import psutil
import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from styleadapt import StyleTransferPipeline
from styleadapt.errors import ConfigError, DivergenceError
from styleadapt.training.adversary import AdversarialConfig, steady

from ..commands import ROOT, run_script
from .toy import TINY_STYLIZATION, Toy, toy_trainer, train_toy, weights_of

TINY = f"""{TINY_STYLIZATION}max_train_steps: 6
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
    if launcher == (sys.executable,):
        done = run_script(arguments, ROOT, environment())
    else:
        done = subprocess.run([*launcher, *arguments], capture_output=True, text=True, env=environment(), timeout=300, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr + done.stdout


def final_weights(tmp_path, out: str) -> dict[str, torch.Tensor]:
    weights = {}
    for model in ("generator", "style_encoder", "discriminator"):
        file = load_file(tmp_path / out / "final" / model / "diffusion_pytorch_model.safetensors")
        weights.update({f"{model}.{key}": value for key, value in file.items()})
    return weights


def losses(log: str) -> dict[int, str]:
    return {int(step): rest for step, rest in re.findall(r"step (\d+)/\d+ .*?left (.*)", log)}


TWO = (sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2")
two_processes = pytest.param(TWO, marks=pytest.mark.slow, id="two processes")


@pytest.mark.parametrize("launcher", [pytest.param((sys.executable,), id="one process"), two_processes])
def test_killed_and_resumed_equals_unbroken(image_folders, tmp_path, launcher):
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


def test_a_truncated_newest_checkpoint_is_skipped(image_folders, tmp_path):
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
def test_two_processes_equal_twice_the_accumulation(image_folders, tmp_path):
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


def test_accumulated_batches_equal_one_large_batch(tmp_path):
    train_toy(tmp_path / "large", train_batch_size=8)
    train_toy(tmp_path / "parts", train_batch_size=2, gradient_accumulation_steps=4)
    large, parts = (weights_of(tmp_path / name / "final") for name in ("large", "parts"))
    for key in large:
        torch.testing.assert_close(large[key], parts[key], rtol=1e-5, atol=1e-6)


def test_accumulation_holds_spectral_normalization_still_and_nothing_else(tmp_path):
    class Normalized(Toy):
        def __init__(self):
            super().__init__()
            layer = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(2, 2))
            self.modules["discriminator"] = torch.nn.Sequential(layer, torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 1))
            self.modes = []

        def discriminator_loss(self, state, step):
            spectral, batch, _ = self.modules["discriminator"]
            with steady(self.modules["discriminator"]):
                pass
            self.modes.append((spectral.parametrizations.weight[0].training, batch.training))
            return super().discriminator_loss(state, step)

    task = Normalized()
    train_toy(tmp_path, task, max_train_steps=1, gradient_accumulation_steps=3)
    assert task.modes == [(True, True), (False, True), (False, True)]
    assert all(module.training for module in task.modules["discriminator"].modules())


def test_two_processes_train_as_one_that_accumulates(tmp_path):
    settings = {"max_train_steps": 2, "checkpointing_steps": 2}
    train_toy(tmp_path / "one", gradient_accumulation_steps=2, **settings)
    assert "2 processes" in run(["-m", "tests.training.toy", str(tmp_path / "two"), json.dumps(settings)], TWO)
    one, two = (weights_of(tmp_path / name / "final") for name in ("one", "two"))
    for key in one:
        torch.testing.assert_close(one[key], two[key], rtol=1e-5, atol=1e-6)
    files = {p.name for p in (tmp_path / "two" / "checkpoint-2").iterdir()}
    assert {"complete", "settings.json", "progress-0.json", "progress-1.json"} <= files
    assert not list((tmp_path / "two").glob("tmp-*"))


def test_the_best_models_by_score_are_kept(tmp_path):
    task = Toy()
    task.scores = iter([3.0, 1.0, 2.0])
    trainer, scores = train_toy(tmp_path, task, validation_steps=2, metric_for_best_model="score")
    assert trainer.best.score == 1.0 and scores == {"score": 2.0}
    assert json.loads((tmp_path / "best" / "score.json").read_text()) == {"step": 4, "score": 1.0}
    best, final = weights_of(tmp_path / "best"), weights_of(tmp_path / "final")
    assert not torch.equal(best["generator.weight"], final["generator.weight"])


def test_a_score_that_is_not_a_number_is_never_the_best(tmp_path):
    task = Toy()
    task.scores = iter([math.nan, 2.0, math.nan])
    trainer, _ = train_toy(tmp_path, task, validation_steps=2, metric_for_best_model="score")
    assert trainer.best.score == 2.0
    trainer.best.score = math.nan  # of a version that kept it
    trainer.best.renew(8, {"score": 3.0}, lambda folder: None)
    assert json.loads((tmp_path / "best" / "score.json").read_text()) == {"step": 8, "score": 3.0}


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


def test_a_used_folder_is_refused_by_a_new_run(tmp_path):
    train_toy(tmp_path, checkpointing_steps=2)
    kept = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(ConfigError, match="checkpoint-4, checkpoint-6.*start at step 0.*--resume_from_checkpoint latest"):
        train_toy(tmp_path, checkpointing_steps=2)
    with pytest.raises(ConfigError, match=r"\(checkpoint-6\).*start at step 4"):
        train_toy(tmp_path, checkpointing_steps=2, resume_from_checkpoint="checkpoint-4")
    assert sorted(p.name for p in tmp_path.iterdir()) == kept
    train_toy(tmp_path, dry_run=True)


def test_latest_of_an_empty_folder_starts_from_nothing(tmp_path):
    trainer, _ = train_toy(tmp_path / "new", max_train_steps=2, resume_from_checkpoint="latest")
    assert trainer.step == 2


def test_gradients_that_are_never_finite_end_the_run(tmp_path):
    class Steep(Toy):
        def generator_loss(self, state, step):
            loss, figures = super().generator_loss(state, step)
            return loss + (self.modules["generator"].weight * 0).sum().abs().sqrt(), figures

    with pytest.raises(DivergenceError, match="gradient of the generator was not finite in 50 steps in a row"):
        train_toy(tmp_path, Steep(), max_train_steps=60)
    assert not (tmp_path / "final").exists()


def test_a_critic_that_cannot_tell_does_not_end_the_run(tmp_path):
    task = Toy()
    task.d_adv = 1e-4
    train_toy(tmp_path, task, config_class=AdversarialConfig, logging_steps=1, collapse_steps=3, adv_loss="wgan")


@pytest.mark.parametrize("steps, validated", [(6, [4, 6]), (8, [4, 8])])
def test_the_last_scores_are_those_of_the_final_models(tmp_path, steps, validated):
    task = Toy()
    task.scores = iter([2.0, 1.0])
    _, scores = train_toy(tmp_path, task, max_train_steps=steps, validation_steps=4)
    assert task.validated == validated and scores == {"score": 1.0}


def test_a_finished_run_that_is_resumed_gives_its_scores(tmp_path):
    train_toy(tmp_path, checkpointing_steps=3)
    task = Toy()
    task.scores = iter([1.0])
    _, scores = train_toy(tmp_path, task, resume_from_checkpoint="latest", validation_steps=4)
    assert task.validated == [6] and scores == {"score": 1.0}


@pytest.mark.parametrize("given, place", [(None, "styleadapt"), ("logs", "logs/styleadapt")])
def test_where_the_tracker_writes(tmp_path, given, place):
    pytest.importorskip("tensorboard")
    train_toy(tmp_path, max_train_steps=1, report_to="tensorboard", logging_dir=given)
    assert list((tmp_path / place).rglob("events.out.tfevents*"))


@pytest.fixture
def new_accelerator_state():
    AcceleratorState._reset_state(True)
    yield
    AcceleratorState._reset_state(True)


@pytest.mark.parametrize("given, used", [(None, "bf16"), ("no", "no")])
def test_the_launchers_precision_is_taken_unless_another_is_given(
    tmp_path, monkeypatch, capsys, new_accelerator_state, given, used
):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    trainer, _ = train_toy(tmp_path, dry_run=True, mixed_precision=given)
    assert trainer.accelerator.mixed_precision == used and f"mixed_precision: {used}\n" in capsys.readouterr().out.replace(
        "'", ""
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="fp16 is for GPUs")
@pytest.mark.parametrize("given", [None, "fp16"])
def test_a_cpu_refuses_fp16_instead_of_training_in_full_precision(tmp_path, monkeypatch, new_accelerator_state, given):
    """It may come from the configuration or from `accelerate launch`."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", given or "fp16")
    with pytest.raises(ConfigError, match="`mixed_precision` is 'fp16', in which a CPU cannot train; set it to bf16 or no"):
        toy_trainer(tmp_path, mixed_precision=given)


class Own(torch.nn.Linear):
    """torch's own layers are left alone by its compiler."""

    def forward(self, x):
        return super().forward(x)


class OwnToy(Toy):
    def __init__(self):
        super().__init__()
        for name, module in self.modules.items():
            self.modules[name] = self.models[name] = Own(2, module.out_features)


def compiled_calls() -> int:
    return torch._dynamo.utils.counters["stats"]["calls_captured"]


def test_compiled_models_train_resume_and_are_saved_as_plain_ones(tmp_path):
    settings = {"torch_compile": True, "checkpointing_steps": 2, "gradient_accumulation_steps": 2}
    train_toy(tmp_path / "plain", OwnToy(), **(settings | {"torch_compile": False}))
    before = compiled_calls()
    train_toy(tmp_path / "compiled", OwnToy(), **settings)
    assert compiled_calls() > before
    (tmp_path / "compiled" / "final").rename(tmp_path / "compiled" / "unbroken")
    shutil.rmtree(tmp_path / "compiled" / "checkpoint-6")
    train_toy(tmp_path / "compiled", OwnToy(), resume_from_checkpoint="latest", **settings)
    plain, unbroken, resumed = (weights_of(tmp_path / name) for name in ("plain/final", "compiled/unbroken", "compiled/final"))
    assert plain.keys() == unbroken.keys() == resumed.keys()
    assert [key for key in plain if not torch.equal(unbroken[key], resumed[key])] == []
    for key in plain:
        torch.testing.assert_close(plain[key], unbroken[key], rtol=1e-4, atol=1e-5)
    kept = [load_file(tmp_path / name / "checkpoint-6" / "model.safetensors").keys() for name in ("plain", "compiled")]
    assert kept[0] == kept[1]


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd", "adafactor", "schedule_free"])
def test_every_optimizer_trains(tmp_path, optimizer):
    if optimizer == "schedule_free":
        pytest.importorskip("schedulefree")
    rates = {"learning_rate": 0.01, "lr_d": 0.01, "lr_scheduler": "linear_second_half"}
    train_toy(tmp_path, optimizer=optimizer, **rates)
    assert all(value.isfinite().all() for value in weights_of(tmp_path / "final").values())


def test_models_without_gradient_checkpointing_refuse_it(tmp_path):
    with pytest.raises(ConfigError, match="`gradient_checkpointing` is not supported"):
        train_toy(tmp_path, gradient_checkpointing=True)


def test_the_result_is_a_repo_that_the_pipeline_loads(image_folders, tmp_path, photo, painting):
    folders = [str(f) for f in image_folders]
    validation = ["--validation_photos", folders[0], "--validation_styles", folders[1], "--validation_steps", "2"]
    run(command(image_folders, tmp_path, "out", "--max_train_steps", "2", *validation))
    assert (tmp_path / "out" / "validation" / "step-2.jpg").is_file()
    pipe = StyleTransferPipeline.from_pretrained(tmp_path / "out" / "final")
    assert pipe(photo, style=painting).images[0].size == photo.size


def test_a_loss_that_is_not_a_number_stops_the_run(image_folders, tmp_path):
    arguments = command(image_folders, tmp_path, "nan", "--learning_rate", "1e30", "--max_grad_norm", "1e30")
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment(), timeout=120)
    assert done.returncode != 0 and "stopped being finite" in done.stderr
    assert not (tmp_path / "nan" / "final").exists()


def ticking(monkeypatch, seconds: float) -> None:
    """A clock that every reading moves on by so many seconds."""
    clock = itertools.count(0.0, seconds)
    monkeypatch.setattr("styleadapt.training.engine.time.monotonic", lambda: next(clock))


def test_a_time_limit_ends_the_run_and_its_schedule(tmp_path, monkeypatch):
    ticking(monkeypatch, 6.0)
    rates = []
    trainer = toy_trainer(tmp_path, max_train_steps=1000, max_train_minutes=1, lr_scheduler="linear", logging_steps=1)
    log = trainer._log
    monkeypatch.setattr(trainer, "_log", lambda *a: rates.append(trainer.schedulers[0].get_last_lr()[0]) or log(*a))
    trainer.train()
    assert 3 <= trainer.step < 20
    assert rates == sorted(rates, reverse=True) and rates[-1] == 0
    assert (tmp_path / "final" / "weights").is_file()


def test_the_minutes_of_a_resumed_run_add_up(tmp_path, monkeypatch):
    ticking(monkeypatch, 6.0)
    options = {"max_train_steps": 1000, "max_train_minutes": 1, "checkpointing_steps": 1, "logging_steps": 1000}
    whole, _ = train_toy(tmp_path, **options)
    resumed = toy_trainer(tmp_path, resume_from_checkpoint="latest", **options | {"max_train_minutes": 2})
    resumed.train()
    assert whole.step < resumed.step < 3 * whole.step


def test_the_nearer_limit_counts(tmp_path, monkeypatch):
    ticking(monkeypatch, 0.01)
    trainer, _ = train_toy(tmp_path, max_train_steps=4, max_train_minutes=5)
    assert trainer.step == 4


def test_a_time_limit_must_be_positive(tmp_path):
    with pytest.raises(ConfigError, match="`max_train_minutes` is 0"):
        toy_trainer(tmp_path, max_train_minutes=0)
