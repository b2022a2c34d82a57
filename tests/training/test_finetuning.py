import logging

import pytest
import torch

from styleadapt import StyleTransferPipeline
from styleadapt.adaptation.adapter import StyleAdapter
from styleadapt.training import finetuning
from styleadapt.training.config import ConfigError, build_config
from styleadapt.training.finetuning import FinetuneConfig, finetune


@pytest.fixture
def settings(tiny_pipe, image_folders, tmp_path):
    """A run of two steps from a repo of tiny models."""
    tiny_pipe.save_pretrained(tmp_path / "repo")
    photos, styles = map(str, image_folders)
    return {
        "pretrained_model_name_or_path": str(tmp_path / "repo"),
        "train_data_dir": styles,
        "photos": photos,
        "output_dir": str(tmp_path / "out"),
        "resolution": 64,
        "train_batch_size": 2,
        "photo_short_side": [64, 80],
        "painting_short_side": [64, 80],
        "max_train_steps": 2,
        "lr_warmup_steps": 0,
        "adv_warmup": 1,
        "logging_steps": 1,
        "checkpointing_steps": 2,
        "validation_steps": 2,
        "dataloader_num_workers": 0,
        "report_to": "none",
        "learning_rate": 1e-2,
    }


def start(settings, **more):
    torch.manual_seed(0)
    return finetune(build_config(FinetuneConfig, settings | more))


def test_a_repo_of_changed_models(settings, tmp_path, photo, painting):
    result = start(settings)
    assert result == tmp_path / "out" / "final"
    base, tuned = (StyleTransferPipeline.from_pretrained(folder) for folder in (tmp_path / "repo", result))
    for name in ("generator", "discriminator", "style_encoder"):
        before, after = (dict(getattr(pipe, name).named_parameters()) for pipe in (base, tuned))
        assert any(not torch.equal(before[key], after[key]) for key in before), name
        assert all(torch.equal(before[key], after[key]) for key in before if key.startswith("trunk."))
    assert tuned(photo, style=painting).images[0].size == photo.size
    assert (tmp_path / "out" / "validation" / "step-2.jpg").is_file()


@pytest.mark.parametrize("train", ["lora", "loha", "adalin"])
def test_an_adapter_for_the_base(settings, tmp_path, photo, train):
    result = start(settings, output="adapter", train_parameters=train, rank=2)
    pipe = StyleTransferPipeline.from_pretrained(tmp_path / "repo")
    pipe.load_adapter(result / "adapter.safetensors")
    assert pipe(photo).images[0].size == photo.size
    adapter = StyleAdapter.load(result / "adapter.safetensors")
    assert adapter.images == 4 and adapter.base == pipe.fingerprint and str(tmp_path) not in str(adapter.config)
    assert any(delta.abs().max() > 0 for delta in adapter.deltas.values())


def test_the_best_is_the_result(settings, tmp_path):
    assert start(settings, metric_for_best_model="objective") == tmp_path / "out" / "best"


def test_unreadable_styles_are_counted_and_named(settings, image_folders, caplog):
    (image_folders[1] / "0.png").write_bytes(b"broken")
    with caplog.at_level(logging.WARNING):
        start(settings)
    assert "0.png" in caplog.text and "1 images could not be read" in caplog.text


def test_a_stream_with_elastic_weights(settings, image_folders, tmp_path):
    more = {"ewc_weight": 1.0, "ewc_samples": 2, "cache_dir": str(tmp_path / "cache")}
    start(settings, streaming=True, **more)
    assert (tmp_path / "out" / "final" / "model_index.json").is_file()


def test_a_dry_run_writes_nothing(settings, tmp_path, capsys):
    start(settings, dry_run=True, train_parameters="lora")
    assert "train_parameters: lora" in capsys.readouterr().out and not (tmp_path / "out").exists()


def test_the_result_is_published_with_its_facts(settings, tmp_path, monkeypatch):
    pushed = {}

    def push(folder, repo_id, facts, private):
        pushed.update(folder=folder, repo_id=repo_id, facts=facts)

    monkeypatch.setattr(finetuning, "push_run_to_hub", push)
    result = start(settings, push_to_hub=True, hub_model_id="user/stripes")
    facts = pushed["facts"]
    assert pushed["folder"] == result and pushed["repo_id"] == "user/stripes"
    assert facts.images == 4 and set(facts.scores) == set(facts.scores_before) == {"objective", "gram", "content", "structure"}
    assert (result / facts.samples).is_file() and str(tmp_path) not in str(facts.settings)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"output": "adapter"}, "`train_parameters: all` changes all of it"),
        ({"ewc_weight": 1.0, "train_parameters": "lora"}, "`ewc_weight`"),
        ({"output": "lora"}, "allowed: model, adapter"),
        ({"dataset_name": "user/repo"}, "`train_data_dir`.*or by `dataset_name`"),
        ({"paintings": ["a"]}, "unknown key `paintings`"),
    ],
)
def test_bad_values_are_refused(settings, values, message):
    with pytest.raises(ConfigError, match=message):
        build_config(FinetuneConfig, settings | values)
