import re
import runpy
import shutil
import sys

import huggingface_hub
import pytest
import torch
from accelerate.state import AcceleratorState
from PIL import Image
from safetensors.torch import load_file

from styleadapt import TranslationPipeline

from ..commands import ROOT
from ..hub.fake_hub import TOKEN, connected
from ..training.toy import TINY_STYLIZATION

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


ONE_STEP = """
max_train_steps: 1
validation_steps: 1
report_to: none
mixed_precision: no
dataloader_num_workers: 0
"""


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield from connected(monkeypatch)


@pytest.mark.parametrize("task", ["stylization", "translation"])
def test_a_run_is_published_with_a_card_whose_snippet_runs(hub, image_folders, tmp_path, monkeypatch, task):
    (image_folders[1] / "0.png").write_bytes(b"broken")
    settings = TINY_STYLIZATION if task == "stylization" else TINY.partition("max_train_steps")[0]
    (tmp_path / "tiny.yaml").write_text(settings + ONE_STEP)
    keys = {
        "stylization": ("photos", "paintings", "validation_photos", "validation_styles"),
        "translation": ("domain_a", "domain_b", "validation_a", "validation_b"),
    }
    folders = [part for key, folder in zip(keys[task], image_folders * 2) for part in (f"--{key}", str(folder))]
    arguments = ["--config", str(tmp_path / "tiny.yaml"), "--output_dir", str(tmp_path / "run"), *folders]
    script = str(ROOT / "scripts" / "train.py")
    monkeypatch.setattr(sys, "argv", [script, *arguments, "--push_to_hub", "--hub_model_id", "user/tiny", "--hub_private"])
    AcceleratorState._reset_state(True)
    runpy.run_path(script, run_name="__main__")

    assert hub.visibility == {"user/tiny": "private"}
    for (repo, branch, path), data in hub.files.items():
        assert branch == "main"
        (tmp_path / "hub" / repo / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "hub" / repo / path).write_bytes(data)
    card = huggingface_hub.ModelCard.load(tmp_path / "hub" / "user/tiny" / "README.md")
    assert str(tmp_path) not in str(card) and TOKEN not in str(card)
    assert "trained from nothing. It " in card.text and "8 images, of which 1 could not be read" in card.text
    monkeypatch.chdir(tmp_path / "hub")
    exec(compile(re.search(r"```python\n(.*?)```", card.text, re.DOTALL)[1], "README.md", "exec"), {})
    if task == "stylization":
        assert "4 photos and 4 paintings" in card.text and "| gram | " in card.text and "style encoder" in card.text
        made = "stylized.png"
    else:
        assert "4 of domain a, 4 of domain b" in card.text and "| cycle a | " in card.text and "u-gat-it" in card.data.tags
        made = "translated.png"
    assert Image.open(made).size == Image.open(ROOT / "styleadapt/assets/photos/cat.jpg").size
    assert Image.open("user/tiny/samples.jpg").height > 64 and "![Results](samples.jpg)" in card.text


def test_a_missing_domain_ends_with_one_line(command, image_folders):
    done = command("train", "--domain_a", image_folders[0], "--domain_b", "nowhere")
    assert done.returncode == 1 and "nowhere" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--losses", "{gram: -1}"), "error: the weight of `gram` is -1.0"),
        (("--losses", "{gram: abc}"), "error: `losses.gram`: Expected a float. Got value: abc"),
        (("--losses", "{gramm: 1}"), "error: Group 'losses' does not accept option 'gramm'; did you mean `gram`?"),
        (("--generator", "{chanels: [48, 96]}"), "did you mean `channels`?"),
        (("--adv_loss", "vanilla"), "allowed: bce, non-saturating, lsgan, hinge, wgan, relativistic"),
        (("--photos", "nowhere"), "no image folder at nowhere"),
        (("--lerning_rate", "1"), "error: unrecognized arguments: --lerning_rate; did you mean `learning_rate`?"),
        (("--seed", "x"), "error: `seed`: Expected a int. Got value: x"),
        (("--hub_token", "hf_secret"), "error: unrecognized arguments: --hub_token; a token does not belong"),
        (("--learning", "1"), "error: unrecognized arguments: --learning"),
        (("--config", "nowhere.yaml"), "error: cannot read the config nowhere.yaml"),
    ],
)
def test_bad_options_end_with_one_line(refusal, image_folders, arguments, message):
    error = refusal("train", "--photos", image_folders[0], "--paintings", image_folders[1], *arguments)
    assert message in error and "\n" not in error and "secret" not in error


@pytest.mark.parametrize(
    "arguments, task",
    [
        ("--photos a --paintings b", "stylization"),
        ("--domain_a a --domain_b b", "translation"),
        ("--config ugatit.yaml", "translation"),
        ("--task restoration --photos a", "restoration"),
        ("--task inpainting --config ugatit.yaml", "inpainting"),
    ],
)
def test_the_task_is_the_one_that_is_named_or_follows_from_the_data(arguments, task, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ugatit.yaml").write_text("domain_a: faces\n")
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments.split()])
    script = runpy.run_path(str(ROOT / "scripts" / "train.py"))
    found, rest = script["chosen_task"]()
    assert found == task and found in script["TASKS"]
    assert rest == [a for a in arguments.split() if a not in ("--task", task)]


def test_an_unknown_task_ends_with_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train.py", "--task", "sharpening"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "scripts" / "train.py"), run_name="__main__")
    assert "`task` is 'sharpening'; allowed: stylization, translation, restoration" in str(ended.value) + capsys.readouterr().err
