import re
import shutil

import pytest
import torch
from safetensors.torch import load_file

from styleadapt import TranslationPipeline

TINY = """
resolution: 32
channels: 4
blocks: 1
light: true
n_layers_global: 5
n_layers_local: 4
train_batch_size: 2
max_train_steps: 4
checkpointing_steps: 2
validation_steps: 0
logging_steps: 1
report_to: none
mixed_precision: bf16
"""


def weights(folder) -> dict[str, torch.Tensor]:
    files = folder.glob("*/diffusion_pytorch_model.safetensors")
    return {f"{file.parent.name}.{key}": value for file in files for key, value in load_file(file).items()}


def test_unpaired_training_resumes_exactly_and_the_pipeline_loads_its_result(command, image_folders, photo, tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    domains = ("--domain_a", image_folders[0], "--domain_b", image_folders[1])
    run = ("train", "--config", tmp_path / "tiny.yaml", *domains, "--output_dir", tmp_path / "run")
    validation = ("--validation_a", image_folders[0], "--validation_b", image_folders[1], "--validation_steps", 2)
    done = command(*run, *validation)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "validation" / "step-4.jpg").is_file() and "kid_a2b" in done.stderr
    whole = weights(tmp_path / "run" / "final")
    for folder in ("final", "checkpoint-4"):
        shutil.rmtree(tmp_path / "run" / folder)
    done = command(*run, "--resume_from_checkpoint", "latest")
    assert done.returncode == 0, done.stderr
    assert re.findall(r"step (\d+)/4", done.stderr) == ["3", "4"]
    resumed = weights(tmp_path / "run" / "final")
    assert whole.keys() == resumed.keys() and len({key.split(".")[0] for key in whole}) == 6
    assert [key for key in whole if not torch.equal(whole[key], resumed[key])] == []
    done = command(*run)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "which holds checkpoints of an earlier run (checkpoint-2, checkpoint-4)" in done.stderr.splitlines()[-1]
    pipe = TranslationPipeline.from_pretrained(tmp_path / "run" / "final")
    assert pipe(photo, return_attention=True).images[0].size == photo.size


def test_a_missing_domain_ends_with_one_line(command, image_folders):
    done = command("train", "--domain_a", image_folders[0], "--domain_b", "nowhere")
    assert done.returncode == 1 and "nowhere" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--losses", "{gram: -1}"), "error: `losses.gram` is -1"),
        (("--losses", "{gram: abc}"), "error: `losses.gram` is 'abc'"),
        (("--losses", "{gramm: 1}"), "error: unknown loss gramm"),
        (("--generator", "{chanels: [48, 96]}"), "did you mean `channels`?"),
        (("--adv_loss", "vanilla"), "allowed: bce, non-saturating, lsgan, hinge, wgan, relativistic"),
        (("--photos", "nowhere"), "no image folder at nowhere"),
        (("--lerning_rate", "1"), "error: unrecognized arguments: --lerning_rate; did you mean `learning_rate`?"),
        (("--seed", "x"), "error: `seed` is 'x' (str), expected int"),
        (("--hub_token", "hf_secret"), "error: unrecognized arguments: --hub_token; a token does not belong"),
        (("--learning", "1"), "error: unrecognized arguments: --learning"),
        (("--config", "nowhere.yaml"), "error: cannot read the config nowhere.yaml"),
    ],
)
def test_bad_options_end_with_one_line(refusal, image_folders, arguments, message):
    error = refusal("train", "--photos", image_folders[0], "--paintings", image_folders[1], *arguments)
    assert message in error and "\n" not in error and "secret" not in error
