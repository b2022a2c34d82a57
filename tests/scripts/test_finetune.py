import os
import subprocess
import sys

import pytest

from ..commands import ROOT

SMALL = ("--max_train_steps", 2, "--validation_steps", 0, "--report_to", "none", "--resolution", 64, "--train_batch_size", 2)


def test_bad_sources_end_with_one_line(command, repo, tmp_path):
    (tmp_path / "empty").mkdir()
    base = ("--pretrained_model_name_or_path", repo)
    for folder, message in (("nowhere", "no such folder or files"), (tmp_path / "empty", "no image among them")):
        done = command("finetune", "--train_data_dir", folder, *base, *SMALL)
        assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--losses", "{gram: -1}"), "error: the weight of `gram` is -1.0"),
        (("--hub_token", "hf_secret"), "sign in with `hf auth login` or set HF_TOKEN"),
        (("--num_train_epochs", "3"), "set `max_train_steps`"),
        (("--mixed_precision", "fp8"), "error: `mixed_precision` is 'fp8'; allowed: no, bf16, fp16"),
    ],
)
def test_bad_options_end_with_one_line(refusal, tmp_path, arguments, message):
    error = refusal("finetune", "--train_data_dir", tmp_path, *arguments)
    assert error.startswith("error: ") and message in error and "\n" not in error and "secret" not in error


@pytest.mark.slow
def test_two_processes_fine_tune_the_packaged_base_on_ten_paintings(tmp_path, photo, painting):
    from styleadapt import StyleTransferPipeline

    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    arguments = ["scripts/finetune.py", "--config", "configs/finetune_smoke.yaml", "--output_dir", str(tmp_path / "out")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run([*launcher, *arguments], capture_output=True, text=True, timeout=900, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "2 processes" in done.stderr
    pipe = StyleTransferPipeline.from_pretrained(tmp_path / "out" / "final")
    assert pipe(photo, style=painting).images[0].size == photo.size
