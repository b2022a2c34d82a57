import logging

import pytest
import torch
from PIL import Image

from styleadapt import StyleTransferPipeline
from styleadapt.adapters.adapter import StyleAdapter
from styleadapt.data.records import ImageSample
from styleadapt.data.sources import ImageTable
from styleadapt.errors import ConfigError
from styleadapt.hub import publishing
from styleadapt.models.discriminator import StyleDiscriminator
from styleadapt.tasks import finetuning
from styleadapt.tasks.finetuning import FinetuneConfig, finetune
from styleadapt.training.config import build_config


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
        "feature_network": "efficientnet-lite0",
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
    result = start(settings, output="adapter", train_parameters=train, rank=2, logging_dir=str(tmp_path / "logs"))
    pipe = StyleTransferPipeline.from_pretrained(tmp_path / "repo")
    pipe.load_adapter(result / "adapter.safetensors")
    assert pipe(photo).images[0].size == photo.size
    adapter = StyleAdapter.load(result / "adapter.safetensors")
    assert adapter.images == 4 and adapter.base == pipe.fingerprint and str(tmp_path) not in str(adapter.config)
    assert any(delta.abs().max() > 0 for delta in adapter.deltas.values())
    assert adapter.steps == 2 and set(adapter.scores) == {f"{name}_{when}" for name in NAMES for when in ("before", "after")}
    assert adapter.scores["style_before"] != adapter.scores["style_after"]


NAMES = ("style", "content")


def test_the_best_is_the_result(settings, tmp_path):
    assert start(settings, metric_for_best_model="objective") == tmp_path / "out" / "best"


def test_an_adapter_that_is_the_best_knows_its_own_step_and_scores(settings, monkeypatch):
    """Of three steps the second is the best; what is published is of that step, sheet and all."""
    objectives, pushed = {0: 9.0, 1: 3.0, 2: 1.0, 3: 2.0}, {}
    validate = finetuning.StylizationTask.validate

    def scored(task, step, folder):
        return validate(task, step, folder) | {"objective": objectives[step], "gram": step / 8, "content": step / 4}

    monkeypatch.setattr(finetuning.StylizationTask, "validate", scored)
    monkeypatch.setattr(publishing, "push_run_to_hub", lambda folder, repo, facts, private: pushed.update(facts=facts))
    more = {"output": "adapter", "train_parameters": "adalin", "metric_for_best_model": "objective", "push_to_hub": True}
    result = start(settings, max_train_steps=3, validation_steps=1, **more)
    adapter = StyleAdapter.load(result / "adapter.safetensors")
    assert adapter.steps == 2 and adapter.scores["style_after"] == 0.25 and adapter.scores["style_before"] == 0
    facts = pushed["facts"]
    assert facts.step == 2 and facts.scores["objective"] == 1.0 and facts.scores_before["objective"] == 9.0
    sheet = result.parent / "validation" / "step-2.jpg"
    assert (result / facts.samples).read_bytes() == sheet.read_bytes()
    last = StyleAdapter.load(result.parent / "final" / "adapter.safetensors")
    assert last.steps == 3 and last.scores["content_after"] == 0.75


@pytest.mark.parametrize("size, shown", [((2048, 2048), (512, 512)), ((5000, 1), (1024, 64)), ((30, 60), (64, 128))])
def test_styles_are_shown_at_the_sizes_that_the_pipeline_reads_them_at(size, shown):
    samples = [ImageSample(Image.new("RGB", size), None, "one")]
    assert [image.size for image in finetuning._first_images(samples)] == [shown]


def test_unreadable_styles_are_counted_and_named(settings, image_folders, caplog):
    (image_folders[1] / "0.png").write_bytes(b"broken")
    with caplog.at_level(logging.WARNING):
        start(settings)
    assert "0.png" in caplog.text and "1 images could not be read" in caplog.text


def test_a_stream_with_elastic_weights(settings, image_folders, tmp_path):
    more = {"ewc_weight": 1.0, "ewc_samples": 2, "cache_dir": str(tmp_path / "cache")}
    start(settings, streaming=True, **more)
    assert (tmp_path / "out" / "final" / "model_index.json").is_file()


def test_an_adapter_says_how_many_images_of_a_stream_it_was_made_from(settings, tmp_path):
    more = {"train_parameters": "lora", "rank": 2, "output": "adapter", "cache_dir": str(tmp_path / "cache")}
    result = start(settings, streaming=True, **more)
    # of which twelve are shown, some of them again
    assert StyleAdapter.load(result / finetuning.ADAPTER_FILE).images == 4


def test_a_dry_run_writes_nothing(settings, tmp_path, capsys):
    start(settings, dry_run=True, train_parameters="lora")
    assert "train_parameters: lora" in capsys.readouterr().out and not (tmp_path / "out").exists()


def test_the_result_is_published_with_its_facts(settings, tmp_path, monkeypatch):
    pushed = {}

    def push(folder, repo_id, facts, private):
        pushed.update(folder=folder, repo_id=repo_id, facts=facts)

    monkeypatch.setattr(publishing, "push_run_to_hub", push)
    result = start(settings, push_to_hub=True, hub_model_id="user/stripes", logging_dir=str(tmp_path / "logs"))
    facts = pushed["facts"]
    assert pushed["folder"] == result and pushed["repo_id"] == "user/stripes"
    assert facts.images == 4 and set(facts.scores) == set(facts.scores_before) == {"objective", "gram", "content", "structure"}
    assert (result / facts.samples).is_file() and str(tmp_path) not in str(facts.settings)
    assert facts.step == 2 and facts.scored_on == "pairs of training photos and training style images"


def test_validation_folders_take_the_place_of_training_images_each_for_itself(settings, tmp_path, painting):
    (tmp_path / "validation").mkdir()
    painting.save(tmp_path / "validation" / "one.png")
    config = build_config(FinetuneConfig, settings | {"validation_styles": str(tmp_path / "validation")})
    training = [Image.new("RGB", (64, 64))]
    source = ImageTable([], "none")
    task = finetuning.FinetuningTask(config, finetuning.load_base(config), training, training, source)
    photos, styles = task.validation_images()
    assert photos is training and [image.size for image in styles] == [painting.size]
    assert finetuning._scored_on(config) == "pairs of training photos and the trainer's validation styles"
    both = build_config(FinetuneConfig, settings | {key: str(tmp_path / "validation") for key in VALIDATION})
    assert finetuning._scored_on(both) == "pairs of the trainer's validation photos and styles"


VALIDATION = ("validation_photos", "validation_styles")


def test_no_more_style_images_than_are_asked_for(settings):
    config = build_config(FinetuneConfig, settings | {"max_train_samples": 2})
    styles, photos = finetuning._open_sources(config)
    assert (len(styles), len(photos)) == (2, 4) and len({sample.name for sample in styles.first(9)}) == 2


def test_the_discriminator_may_come_from_elsewhere(settings, tmp_path):
    StyleDiscriminator(channels=(4,), code_dim=16).save_pretrained(tmp_path / "other" / "discriminator")
    StyleDiscriminator(channels=(4,), code_dim=8).save_pretrained(tmp_path / "wrong" / "discriminator")
    config = build_config(FinetuneConfig, settings | {"discriminator_name_or_path": str(tmp_path / "other")})
    discriminator = finetuning.load_base(config).models["discriminator"]
    assert discriminator.config.channels == (4,) and discriminator.training
    assert all(p.requires_grad for p in discriminator.parameters())
    with pytest.raises(ConfigError, match="style codes of 8 numbers; those of the generator have 16"):
        finetuning.load_base(build_config(FinetuneConfig, settings | {"discriminator_name_or_path": str(tmp_path / "wrong")}))


@pytest.mark.parametrize(
    "values, message",
    [
        ({"output": "adapter"}, "`train_parameters: all` changes all of it"),
        ({"ewc_weight": 1.0, "train_parameters": "lora"}, "`ewc_weight`"),
        ({"output": "lora"}, "allowed: model, adapter"),
        ({"dataset_name": "user/repo"}, "`train_data_dir`.*or by `dataset_name`"),
        ({"paintings": ["a"]}, "Option 'paintings' is not accepted"),
        ({"max_train_samples": 0}, "`max_train_samples` is 0"),
        ({"max_train_samples": 2, "streaming": True}, "`max_train_samples` cannot be drawn from a stream"),
    ],
)
def test_bad_values_are_refused(settings, values, message):
    with pytest.raises(ConfigError, match=message):
        build_config(FinetuneConfig, settings | values)
