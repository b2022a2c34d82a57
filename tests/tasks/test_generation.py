"""The task of generators from noise."""

import json

import pytest
import torch
from safetensors.torch import load_file

from styleadapt.errors import ConfigError, SourceError
from styleadapt.pipelines.generation import GenerationPipeline
from styleadapt.tasks.generation import GenerationConfig, GenerationTask, build_dataset, build_models, card_facts
from styleadapt.training.config import build_config
from styleadapt.training.engine import Trainer

TINY = {
    "resolution": 16,
    "train_batch_size": 4,
    "max_train_steps": 6,
    "generator": {"latent_dim": 8, "code_dim": 8, "mapping_layers": 2, "channel_base": 128, "channel_max": 16},
    "discriminator": {"channel_base": 128, "channel_max": 16},
    "lr_warmup_steps": 0,
    "validation_steps": 0,
    "dataloader_num_workers": 0,
    "report_to": "none",
}


@pytest.fixture
def folder(image_folders):
    return image_folders[1]


@pytest.fixture
def classes(image_folders, tmp_path):
    """Two classes of four images each."""
    for kind, place in zip(("clouds", "stripes"), image_folders):
        (tmp_path / "classes").mkdir(exist_ok=True)
        place.rename(tmp_path / "classes" / kind)
    return tmp_path / "classes"


def config(folder, /, **options):
    return build_config(GenerationConfig, {**TINY, "train_data_dir": str(folder), **options})


def task(folder, /, **options):
    torch.manual_seed(0)
    c = config(folder, **options)
    return GenerationTask(c, build_models(c))


def train(folder, out, /, **options):
    c = config(folder, output_dir=str(out), **options)
    torch.manual_seed(c.seed)
    trainer = Trainer(c, GenerationTask(c, build_models(c)), build_dataset(c))
    return trainer, trainer.train()


def weights(folder):
    found = {}
    for model in ("generator", "discriminator"):
        file = load_file(folder / model / "diffusion_pytorch_model.safetensors")
        found |= {f"{model}.{key}": value for key, value in file.items()}
    return found


def batch(folder, count=4, **options):
    crops = build_dataset(config(folder, **options))
    return torch.utils.data.default_collate([crops[n] for n in range(count)])


def test_the_discriminator_learns_to_tell_noise_from_images(folder):
    t = task(folder)
    data = batch(folder)
    optimizer = torch.optim.Adam(t.models["discriminator"].parameters(), 2e-3, (0.0, 0.99))
    history = []
    for step in range(20):
        loss, figures = t.discriminator_loss(t.forward(data, step), step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(float(figures["d_adv"].detach()))
    assert history[-1] < 0.7 * history[0]


def test_the_generator_follows_the_discriminator(folder):
    t = task(folder, feature_matching_weight=1.0)
    loss, figures = t.generator_loss(t.forward(batch(folder), 0), 0)
    loss.backward()
    assert set(figures) == {"g_adv", "feature_matching"}
    assert all(p.grad is not None for p in t.models["generator"].parameters())


def test_path_lengths_have_a_phase_of_their_own(folder):
    plain, lazy = task(folder), task(folder, path_length_weight=2.0, path_length_every=3)
    assert [phase.name for phase in plain.phases()] == ["discriminator", "generator"]
    phase = lazy.phases()[-1]
    assert phase.interval == 3 and phase.optimizer_name == "generator"
    state = lazy.forward(batch(folder), 0)
    loss, figures = phase.loss(state, 0)
    loss.backward()
    assert float(figures["path_length"]) > 0 and loss > 0
    # the mean of the lengths moves by a hundredth at a time
    before = float(figures["path_length"])
    assert before < float(phase.loss(state, 3)[1]["path_length"])


@pytest.mark.parametrize("options", [{"path_length_weight": 2.0, "path_length_every": 2}, {"augment": "ada", "ada_interval": 1}])
def test_a_resumed_run_is_bit_identical(folder, tmp_path, options):
    options = {**options, "r1_gamma": 1.0, "r1_every": 2, "lr_scheduler": "constant", "checkpointing_steps": 3}
    train(folder, tmp_path / "whole", **options)
    train(folder, tmp_path / "broken", **{**options, "max_train_steps": 3})
    train(folder, tmp_path / "broken", **options, resume_from_checkpoint="latest")
    whole, broken = (weights(tmp_path / name / "final") for name in ("whole", "broken"))
    assert whole.keys() == broken.keys() and all(torch.equal(whole[key], broken[key]) for key in whole)


def test_the_result_is_a_repo_that_the_pipeline_loads(folder, tmp_path):
    trainer, scores = train(folder, tmp_path / "out", validation_steps=6, metric_for_best_model="kid", max_train_steps=6)
    assert {"kid", "kid_real"} == set(scores) and (tmp_path / "out/validation/step-6.jpg").is_file()
    assert json.loads((tmp_path / "out/best/score.json").read_text())["step"] == 6
    pipe = GenerationPipeline.from_pretrained(str(tmp_path / "out/final"))
    assert [image.size for image in pipe(num_images=2, seed=0).images] == [(16, 16)] * 2
    # and a run goes on from it, discriminator included
    more = build_models(config(folder, pretrained_model_name_or_path=str(tmp_path / "out/final")))
    saved = weights(tmp_path / "out/final")
    assert torch.equal(more["discriminator"].dense.weight, saved["discriminator.dense.weight"])
    facts = card_facts(trainer.config, trainer.dataset)
    assert facts.images == 4 and "16 px" in facts.purpose


def test_classes_are_taught(classes, tmp_path):
    trainer, scores = train(classes, tmp_path / "out", labels=True, max_train_steps=2, validation_steps=2)
    assert trainer.task.classes == ["clouds", "stripes"]
    assert trainer.task.models["generator"].config.num_classes == 2
    pipe = GenerationPipeline.from_pretrained(str(tmp_path / "out/final"))
    assert len(pipe(num_images=2, seed=0, label="stripes").images) == 2


def test_images_without_classes_cannot_teach_any(folder):
    with pytest.raises((ConfigError, SourceError), match="class"):
        task(folder, labels=True)


def test_a_projected_discriminator(folder):
    t = task(folder, discriminator_type="projected", discriminator={"width": 8, "input_size": 32}, adv_loss="hinge")
    assert float(t.models["discriminator"].trunk.stem.weight.std()) > 0.05  # ImageNet's, not new ones
    loss, _ = t.discriminator_loss(t.forward(batch(folder), 0), 0)
    loss.backward()
    assert t.models["discriminator"].trunk.stem.weight.grad is None


def test_a_tileable_generator_trains_tileable(folder):
    assert task(folder, tileable=True).models["generator"].tileable


def test_frozen_blocks_stay(folder, tmp_path):
    trainer, _ = train(folder, tmp_path / "out", freeze_layers=1, max_train_steps=2)
    discriminator = trainer.task.models["discriminator"]
    assert not discriminator.blocks[0].conv0.weight.requires_grad and discriminator.dense.weight.requires_grad


@pytest.mark.parametrize(
    "options, message",
    [
        ({"generator_type": "vae"}, "allowed: .*stylegan2"),
        ({"short_side": [8, 20]}, "two numbers in order"),
        ({"style_mixing": 1.5}, r"must lie in \[0, 1\]"),
        ({"path_length_every": 0}, "1 at least"),
        ({"resolution": 20}, "power of two"),
        ({"generator": {"depth": 3}}, "no model can be built"),
    ],
)
def test_settings_that_cannot_be(folder, options, message):
    with pytest.raises(ConfigError, match=message):
        task(folder, **options)


def test_a_folder_of_one_image_is_too_few(folder):
    for file in sorted(folder.iterdir())[1:]:
        file.unlink()
    with pytest.raises(SourceError, match="2 or more are needed"):
        build_dataset(config(folder))
