"""Progressive growing, the original GAN, and classes of some of the images, in the task of generators from noise."""

import math
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from styleadapt.errors import ConfigError
from styleadapt.losses.semi_supervised import feature_matching_loss
from styleadapt.pipelines.classification import DiscriminatorClassifier
from styleadapt.pipelines.generation import GenerationPipeline
from styleadapt.tasks import generation
from styleadapt.tasks.generation import GenerationTask, build_dataset, build_models
from styleadapt.tasks.generation_config import GenerationConfig
from styleadapt.training.adversary import steady
from styleadapt.training.config import build_config
from styleadapt.training.engine import Trainer

RUN = {
    "train_batch_size": 4,
    "lr_warmup_steps": 0,
    "validation_steps": 0,
    "dataloader_num_workers": 0,
    "report_to": "none",
}
NARROW = {"channel_base": 64, "channel_max": 8}
PGGAN = {
    **RUN,
    "resolution": 16,
    "generator_type": "pggan",
    "generator": {"latent_dim": 8, **NARROW},
    "discriminator_type": "pggan",
    "discriminator": NARROW,
    "grow_steps": 4,
    "fade_share": 0.5,
    "max_train_steps": 8,
}
GAN = {
    **RUN,
    "resolution": 32,
    "generator_type": "gan",
    "generator": {"latent_dim": 8, "channels": 4},
    "discriminator_type": "gan",
    "discriminator": {"channels": 4},
    "max_train_steps": 2,
}
SEMI = {**GAN, "labels": True, "discriminator": {"channels": 4, "head": "k+1", "blocks": "resnet"}}


@pytest.fixture
def folder(image_folders):
    return image_folders[0]


@pytest.fixture
def classes(image_folders, tmp_path):
    """Two classes of one image each, and six images without."""
    place = tmp_path / "classes"
    for kind, source in zip(("clouds", "stripes"), image_folders):
        for file in sorted(source.iterdir()):
            target = place / (kind if file.stem == "0" else "unlabeled") / f"{kind}-{file.name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            file.rename(target)
    return place


def task(folder, settings, /, **options):
    c = build_config(GenerationConfig, {**settings, "train_data_dir": str(folder), **options})
    torch.manual_seed(0)
    return GenerationTask(c, build_models(c))


def train(folder, out, settings, /, **options):
    t = task(folder, settings, output_dir=str(out), **options)
    trainer = Trainer(t.config, t, build_dataset(t.config))
    return t, trainer.train()


def batch(t, count=4):
    crops = build_dataset(t.config)
    return torch.utils.data.default_collate([crops[n] for n in range(count)])


def saved(folder):
    return {
        f"{name}.{key}": value
        for name in ("generator", "discriminator")
        for key, value in load_file(folder / "final" / name / "diffusion_pytorch_model.safetensors").items()
    }


def test_growing_follows_the_steps(folder):
    t = task(folder, PGGAN)
    data = batch(t)
    for step, side, alpha in ((0, 4, 1.0), (4, 8, 0.0), (5, 8, 0.5), (8, 16, 0.0), (30, 16, 1.0)):
        state = t.forward(data, step)
        assert state.real.shape[-1] == state.generated.shape[-1] == side
        assert {float(model.alpha) for model in t.models.values()} == {alpha}
    # all of the picture is shown again
    assert torch.equal(state.real, data["image"])


def test_real_images_fade_in_as_well(folder):
    t = task(folder, PGGAN)
    data = batch(t)
    fine = torch.nn.functional.avg_pool2d(data["image"], 2)
    coarse = torch.nn.functional.avg_pool2d(fine, 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.allclose(t.forward(data, 4).real, coarse)
    assert torch.allclose(t.forward(data, 5).real, (coarse + fine) / 2)
    assert torch.allclose(t.forward(data, 6).real, fine)


@pytest.mark.parametrize("processes", [1, 2])
def test_layers_that_have_not_grown_get_a_gradient_only_where_several_processes_wait_for_it(folder, monkeypatch, processes):
    t = task(folder, PGGAN)
    data = batch(t)
    monkeypatch.setattr(generation, "process_state", lambda: SimpleNamespace(num_processes=processes))
    state = t.forward(data, 0)
    t.discriminator_loss(state, 0)[0].backward(retain_graph=True)
    t.generator_loss(state, 0)[0].backward()
    later = [*t.models["generator"].blocks.parameters(), *t.models["discriminator"].blocks.parameters()]
    if processes == 1:
        assert all(p.grad is None for p in later)
    else:
        assert all(p.grad is not None for model in t.models.values() for p in model.parameters())
        assert not any(p.grad.any() for p in later)


def test_the_optimizer_of_a_layer_counts_its_steps_from_when_it_has_grown(folder, tmp_path):
    t = task(folder, PGGAN, output_dir=str(tmp_path), max_train_steps=6)
    trainer = Trainer(t.config, t, build_dataset(t.config))
    trainer.train()
    for name, model in t.models.items():
        state = trainer.optimizers[name].optimizer.state
        first, second = (block[0].weight for block in model.blocks)
        # level 1 has grown at step 4
        assert int(state[first]["step"]) == 2 and second not in state


@pytest.mark.parametrize("stop", [3, 5])
def test_a_run_resumed_before_a_level_grows_or_in_the_middle_of_its_fade_is_bit_identical(folder, tmp_path, stop):
    options = {"checkpointing_steps": stop}
    train(folder, tmp_path / "whole", PGGAN, **options)
    train(folder, tmp_path / "broken", PGGAN, **options, **{"max_train_steps": stop})
    t, _ = train(folder, tmp_path / "broken", PGGAN, **options, resume_from_checkpoint="latest")
    whole, broken = saved(tmp_path / "whole"), saved(tmp_path / "broken")
    assert whole.keys() == broken.keys() and all(torch.equal(whole[key], broken[key]) for key in whole)
    # the last step was half-way through the second part of level 1
    assert int(t.models["generator"].level) == 1
    # a half-grown generator is a pipeline of smaller pictures
    pipe = GenerationPipeline.from_pretrained(str(tmp_path / "broken/final"))
    assert pipe(num_images=1).images[0].size == (8, 8)


def test_a_half_grown_generator_is_validated(folder, tmp_path):
    _, scores = train(folder, tmp_path / "out", PGGAN, max_train_steps=2, validation_steps=2)
    assert math.isfinite(scores["kid"])


@pytest.mark.parametrize("adv_loss", ["bce", "non-saturating"])
def test_the_original_gan(folder, tmp_path, adv_loss):
    t, _ = train(folder, tmp_path / "out", GAN, adv_loss=adv_loss)
    logits = torch.tensor([[1.5]])
    expected = -math.log(1 / (1 + math.exp(-1.5))) if adv_loss == "non-saturating" else math.log(1 / (1 + math.exp(1.5)))
    assert float(t.adversary.g_loss([logits])) == pytest.approx(expected, abs=1e-6)
    pipe = GenerationPipeline.from_pretrained(str(tmp_path / "out/final"))
    assert pipe(num_images=2).images[1].size == (32, 32)


def test_a_classifying_discriminator_is_taught_by_the_labels_there_are(classes):
    t = task(classes, SEMI)
    assert t.classes == ["clouds", "stripes"]
    data = batch(t)
    state = t.forward({**data, "label": torch.tensor([-1, 1, -1, 0])}, 0)
    with_two = t.discriminator_loss(state, 0)[1]["d_class"]
    logits = t.models["discriminator"](state.real).class_logits.detach()
    assert float(with_two) == pytest.approx(
        float(torch.nn.functional.cross_entropy(logits[[1, 3]], torch.tensor([1, 0]))), abs=1e-5
    )
    none = t.forward({**data, "label": torch.full((4,), -1)}, 0)
    assert float(t.discriminator_loss(none, 0)[1]["d_class"]) == 0


def test_the_weight_of_classes(classes):
    losses = []
    for weight in (0.0, 2.0):
        t = task(classes, SEMI, class_weight=weight)
        losses.append(t.discriminator_loss(t.forward({**batch(t), "label": torch.tensor([0, 1, 0, 1])}, 0), 0))
    (plain, _), (weighted, figures) = losses
    assert float(weighted - plain) == pytest.approx(2 * float(figures["d_class"]), abs=1e-5)


def test_an_auxiliary_head_classifies_generated_pictures_too(classes):
    t = task(classes, SEMI, discriminator={"channels": 4, "head": "auxiliary", "blocks": "resnet"})
    state = t.forward({**batch(t), "label": torch.full((4,), -1)}, 0)
    assert set(state.drawn_label.tolist()) <= {0, 1}
    assert float(t.discriminator_loss(state, 0)[1]["d_class"]) > 0
    assert float(t.generator_loss(state, 0)[1]["g_class"]) > 0


def test_feature_matching_alone(classes):
    t = task(classes, SEMI, generator_labels=False, adv_weight=0, feature_matching_weight=3.0)
    loss, figures = t.generator_loss(t.forward(batch(t), 0), 0)
    assert float(loss) == pytest.approx(3 * float(figures["feature_matching"]), rel=1e-5)
    assert t.models["generator"].config.num_classes == 0


def test_features_are_matched_under_the_statistics_that_the_discriminator_has_learned(folder):
    t = task(folder, GAN, feature_matching_weight=1.0)
    discriminator = t.models["discriminator"]
    state = t.forward(batch(t), 0)
    state.generated = state.real + 0.5
    before = {name: value.clone() for name, value in discriminator.named_buffers()}
    found = float(t.generator_loss(state, 0)[1]["feature_matching"].detach())
    # generated images leave no trace in them
    assert all(torch.equal(value, before[name]) for name, value in discriminator.named_buffers()) and discriminator.training
    with torch.no_grad(), steady(discriminator):
        real, brighter = (discriminator(images).features for images in (state.real, state.generated))
    assert found == pytest.approx(float(feature_matching_loss(real, brighter)))


def test_few_labels_are_drawn_more_often(classes):
    shares = {}
    for share in (0.0, 0.75):
        crops = build_dataset(task(classes, SEMI, labeled_share=share).config)
        shares[share] = sum(int(crops[n]["label"]) >= 0 for n in range(200)) / 200
    # 2 of 8 images have labels
    assert 0.15 < shares[0.0] < 0.35 and 0.7 < shares[0.75] < 0.9


def test_the_discriminator_becomes_a_classifier(classes, tmp_path):
    validation = tmp_path / "validation"
    for kind in ("clouds", "stripes"):
        (validation / kind).mkdir(parents=True)
    for file in (classes / "unlabeled").iterdir():
        (validation / file.name.split("-")[0] / file.name).write_bytes(file.read_bytes())
    options = {"max_train_steps": 30, "validation_steps": 30, "labeled_share": 0.5, "train_batch_size": 8}
    t, scores = train(classes, tmp_path / "out", SEMI, **options, validation_data_dir=str(validation))
    classifier = DiscriminatorClassifier.from_pretrained(str(tmp_path / "out/final/classifier"))
    files = sorted(validation.rglob("*.png"))
    found = [classifier(str(file), top_k=1)[0].labels[0] for file in files]
    wrong = sum(name != file.parent.name for name, file in zip(found, files)) / len(files)
    assert wrong == scores["error"] <= 0.34
    pipe = GenerationPipeline.from_pretrained(str(tmp_path / "out/final"))
    assert len(pipe(num_images=2, label="stripes").images) == 2


def test_without_validation_images_the_labeled_training_images_are_classified(classes):
    t = task(classes, SEMI)
    assert t.classification_error() in (0.0, 0.5, 1.0)  # of two images
    assert not task(classes, SEMI, discriminator={"channels": 4}).classifies


@pytest.mark.parametrize(
    "settings, options, message",
    [
        (PGGAN, {"discriminator_type": "stylegan2"}, "both grow"),
        (PGGAN, {"labels": True}, "no classes"),
        (PGGAN, {"grow_steps": 0}, "1 at least"),
        (PGGAN, {"fade_share": 1.5}, r"must lie in \[0, 1\]"),
        (GAN, {"path_length_weight": 1.0}, "'stylegan2'"),
        (GAN, {"tileable": True}, "'stylegan2'"),
        (GAN, {"labeled_share": 0.5}, "set `labels` to true"),
        (GAN, {"adv_weight": 0.0}, "learn nothing"),
        (GAN, {"resolution": 16}, "32, 64 or 128"),
        (GAN, {"labels": True}, "class"),
    ],
)
def test_settings_that_cannot_be(folder, settings, options, message):
    with pytest.raises((ConfigError, ValueError), match=message):
        task(folder, settings, **options)
