"""Fine-tuning of a generator from noise."""

import shutil

import pytest
import torch

from styleadapt.errors import ConfigError
from styleadapt.hub.model_card import ADAPTER_FILE
from styleadapt.pipelines.generation import GenerationPipeline
from styleadapt.tasks import generation
from styleadapt.tasks.generation import build_dataset
from styleadapt.tasks.generation_finetuning import GenerationFinetuneConfig, GenerationFinetuningTask, build_models
from styleadapt.training.config import build_config
from styleadapt.training.engine import Trainer

from .test_generation import TINY
from .test_generation import train as train_source


@pytest.fixture
def source(image_folders, tmp_path):
    train_source(image_folders[0], tmp_path / "source", max_train_steps=1)
    return tmp_path / "source" / "final"


@pytest.fixture
def config(image_folders, source, tmp_path):
    def made(**options):
        values = {key: value for key, value in TINY.items() if key != "generator"}
        places = {"train_data_dir": str(image_folders[1]), "output_dir": str(tmp_path / "out")}
        start = {"pretrained_model_name_or_path": str(source), "max_train_steps": 2}
        return build_config(GenerationFinetuneConfig, {**values, **places, **start, **options})

    return made


@pytest.fixture
def source_of_two_classes(image_folders, source, tmp_path):
    """Beside the other one; the images are put back where they were."""
    folder = tmp_path / "classes"
    for number, kind in enumerate(("clouds", "stripes")):
        shutil.copytree(image_folders[number], folder / kind)
    train_source(folder, tmp_path / "two", labels=True, max_train_steps=1)
    return tmp_path / "two" / "final"


def train(config):
    torch.manual_seed(0)
    task = GenerationFinetuningTask(config, build_models(config))
    Trainer(config, task, build_dataset(config)).train()
    return task


@pytest.mark.parametrize("train_parameters", ["affine", "lora", "loha", "affine+lora"])
def test_an_adapter_changes_the_source_as_training_did(config, source, tmp_path, train_parameters):
    task = train(config(train_parameters=train_parameters, rank=2, output="adapter", learning_rate=1e-2, ema_decay=0.0))
    pipe = GenerationPipeline.from_pretrained(str(source))
    before = pipe(num_images=2, seed=0, output_type="pt").images
    pipe.load_adapter(tmp_path / "out" / "final")
    after = pipe(num_images=2, seed=0, output_type="pt").images
    assert not torch.allclose(before, after)
    latents = pipe.latents(2, seed=0)
    trained = task.models["generator"].eval()
    with torch.no_grad():
        w = trained.mapping(latents)
        expected = (trained.synthesis(w, "constant").clamp(-1, 1) + 1) / 2
    pipe_w = pipe.generator.mapping(latents)
    torch.testing.assert_close(pipe_w, w, atol=1e-3, rtol=1e-2)
    torch.testing.assert_close(pipe.generator.synthesis(pipe_w, "constant").clamp(-1, 1) / 2 + 0.5, expected, atol=2e-2, rtol=0)


def test_what_keeps_the_source_is_in_the_loss(config):
    task = GenerationFinetuningTask(
        settings := config(ewc_weight=10.0, ewc_samples=3, correspondence_weight=1.0), build_models(settings)
    )
    batch = torch.utils.data.default_collate([build_dataset(settings)[n] for n in range(4)])
    _, figures = task.generator_loss(task.forward(batch, 0), 0)
    # it has not moved yet
    assert float(figures["ewc"]) == 0 and float(figures["correspondence"].detach()) >= 0
    with torch.no_grad():
        for parameter in task.models["generator"].parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    _, moved = task.generator_loss(task.forward(batch, 0), 0)
    assert float(moved["ewc"].detach()) > 0 and float(moved["correspondence"].detach()) > float(
        figures["correspondence"].detach()
    )


def test_a_whole_model_is_a_repo(config, tmp_path):
    train(config(freeze_layers=1))
    assert len(GenerationPipeline.from_pretrained(str(tmp_path / "out" / "final"))(num_images=1, seed=0).images) == 1


def test_a_tileable_source_stays_tileable(config, source, tmp_path):
    place = str(tmp_path / "tiles")
    GenerationPipeline(GenerationPipeline.from_pretrained(str(source)).generator, tileable=True).save_pretrained(place)
    settings = config(pretrained_model_name_or_path=place, correspondence_weight=1.0)
    task = GenerationFinetuningTask(settings, build_models(settings))
    assert task.models["generator"].tileable and task.source.tileable
    task.save_pretrained(tmp_path / "result")
    assert GenerationPipeline.from_pretrained(str(tmp_path / "result")).config.tileable


def test_what_a_source_resembles_is_tileable_where_the_pictures_are(config):
    settings = config(tileable=True, correspondence_weight=1.0)
    assert GenerationFinetuningTask(settings, build_models(settings)).source.tileable


@pytest.mark.parametrize("discriminator", [True, False])
def test_a_source_with_classes_is_tuned_in_all_of_them(config, source_of_two_classes, tmp_path, discriminator):
    if not discriminator:
        shutil.rmtree(source_of_two_classes / "discriminator")
    options = {"pretrained_model_name_or_path": str(source_of_two_classes), "validation_steps": 2, "path_length_weight": 1.0}
    task = train(config(**options, ewc_weight=10.0, ewc_samples=2, correspondence_weight=1.0))
    pipe = GenerationPipeline.from_pretrained(str(tmp_path / "out" / "final"))
    assert pipe.classes == ["clouds", "stripes"] and len(pipe(num_images=2, seed=0, label="stripes").images) == 2
    # images in subfolders of their own are of none of these classes, and neither is told to the discriminator
    batch = {"image": torch.zeros(4, 3, 16, 16), "label": torch.full((4,), 7)}
    state = task.forward(batch, 0)
    assert set(state.inputs["label"].tolist()) <= {0, 1}
    for told in (state.label, state.drawn_label):
        assert told.tolist() == [-1] * 4 if discriminator else told is None


def test_path_lengths_are_of_codes_whose_mapping_is_frozen_too(config):
    task = train(config(train_parameters="affine", path_length_weight=2.0, path_length_every=1))
    assert task.models["generator"].path_length_mean > 0


def test_an_adapter_is_saved_without_another_process(config, tmp_path, monkeypatch):
    settings = config(train_parameters="affine", output="adapter")
    task = GenerationFinetuningTask(settings, build_models(settings))
    state = generation.process_state()
    monkeypatch.setattr(type(state), "main_process_first", lambda self: pytest.fail("the other processes do not come here"))
    task.save_pretrained(tmp_path)
    assert (tmp_path / ADAPTER_FILE).is_file()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"output": "adapter"}, "train_parameters: all"),
        ({"output": "file"}, "allowed: model, adapter"),
        ({"correspondence_weight": 1.0, "train_batch_size": 2}, "3 at least"),
        ({"resolution": 32}, "source generates pictures of 16 px"),
        ({"labels": True}, "cannot be taught anew"),
        ({"ewc_weight": 1.0, "train_parameters": "affine+lora"}, "low-rank changes have none"),
    ],
)
def test_settings_that_cannot_be(config, options, message):
    with pytest.raises(ConfigError, match=message):
        build_models(config(**options))
