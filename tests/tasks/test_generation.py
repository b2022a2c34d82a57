"""The task of generators from noise."""

import json

import pytest
import torch
from safetensors.torch import load_file

from styleadapt.errors import ConfigError, SourceError
from styleadapt.pipelines.generation import GenerationPipeline
from styleadapt.tasks import generation
from styleadapt.tasks.generation import GenerationConfig, GenerationTask, build_dataset, build_models, card_facts
from styleadapt.training.config import build_config
from styleadapt.training.engine import Trainer

from ..commands import ROOT
from ..data.made_sets import encoded
from ..training.test_engine import TWO, run

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


def test_path_lengths_are_free_of_the_autocast_that_accelerate_wraps_a_model_in(folder):
    t = task(folder, path_length_weight=2.0)
    generator, kinds = t.models["generator"], []
    generator.synthesis.enter.register_forward_hook(lambda module, inputs, output: kinds.append(output.dtype))
    generator.forward = wrapped = torch.autocast("cpu", torch.bfloat16)(generator.forward)
    t.path_length_loss(t.forward(batch(folder), 0), 0)
    assert kinds == [torch.bfloat16, torch.float32] and generator.forward is wrapped


def test_the_mean_path_length_is_of_all_batches_and_processes(folder, monkeypatch):
    def means(accumulation):
        t = task(folder, path_length_weight=2.0, gradient_accumulation_steps=accumulation)
        state = t.forward(batch(folder), 0)
        torch.manual_seed(1)
        return [float(t.path_length_loss(state, 0)[1]["path_length"]) for _ in range(2)]

    first, second = means(1)
    # the second batch of the other run is of the same step, whose lengths are measured against the mean before it
    alone = second - 0.99 * first
    assert means(2) == pytest.approx([0, (first + alone) / 2])
    monkeypatch.setattr(generation, "reduce", lambda mean, how: (mean + 1) if how == "mean" else None)
    assert means(1)[0] == pytest.approx(first + 1)


def test_validation_and_saving_wait_for_no_other_process(folder, tmp_path, monkeypatch):
    t = task(folder)
    state = generation.process_state()
    monkeypatch.setattr(type(state), "main_process_first", lambda self: pytest.fail("the other processes do not come here"))
    t.validate(1, tmp_path)
    t.save_pretrained(tmp_path)
    assert len(t.crops.images) == 4


@pytest.mark.slow
def test_two_processes_validate_and_equal_twice_the_accumulation(folder, tmp_path):
    lines = [f"{key}: {json.dumps(value)}" for key, value in TINY.items()]
    (tmp_path / "tiny.yaml").write_text("\n".join(lines))
    script = [str(ROOT / "scripts/train.py"), "--task", "generation", "--config", str(tmp_path / "tiny.yaml")]
    script += ["--train_data_dir", str(folder), "--max_train_steps", "3", "--train_batch_size", "2"]
    # plain gradient descent, whose steps are as near to each other as the gradients
    script += ["--path_length_weight", "2", "--path_length_every", "1", "--optimizer", "sgd", "--style_mixing", "0"]
    script += ["--discriminator.deviation_group", "0"]
    log = run([*script, "--output_dir", str(tmp_path / "two"), "--validation_steps", "1"], TWO)
    assert "2 processes" in log and (tmp_path / "two/validation/step-3.jpg").is_file()
    run([*script, "--output_dir", str(tmp_path / "one"), "--gradient_accumulation_steps", "2"])
    run([*script, "--output_dir", str(tmp_path / "start"), "--learning_rate", "1e-12", "--lr_d", "1e-12"])
    start, one, two = (weights(tmp_path / name / "final") for name in ("start", "one", "two"))
    trained = [key for key in one if not key.endswith(("w_avg", "noise_const"))]
    difference = max(float((one[key] - two[key]).abs().max()) for key in trained)
    movement = max(float((one[key] - start[key]).abs().max()) for key in trained)
    assert difference < 1e-5 < movement, (difference, movement)


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


@pytest.mark.parametrize("labels", [[0, 1, 1, 0], ["oak", "elm", "elm", "oak"]])
@pytest.mark.parametrize("column", ["label", "labels"])
def test_a_table_says_the_classes_in_a_column_of_any_usual_name(tmp_path, labels, column):
    datasets = pytest.importorskip("datasets")
    rows = {"image": [{"bytes": encoded(n), "path": None} for n in range(4)], column: labels}
    (tmp_path / "table").mkdir()
    table = datasets.Dataset.from_dict(rows).cast_column("image", datasets.Image())
    table.to_parquet(str(tmp_path / "table" / "rows.parquet"))
    t = task(tmp_path / "table", labels=True, cache_dir=str(tmp_path / "cache"))
    assert t.classes == [str(label) for label in sorted(set(labels))]


def test_a_start_of_other_classes_is_refused_before_training(classes, tmp_path):
    train(classes, tmp_path / "plain", max_train_steps=1)
    train(classes, tmp_path / "two", labels=True, max_train_steps=1)
    plain, two = (str(tmp_path / name / "final") for name in ("plain", "two"))
    with pytest.raises(ConfigError, match=r"generator of .* has 2 classes, but .*`labels` \(False\).* it should have 0"):
        build_models(config(classes, pretrained_model_name_or_path=two))
    with pytest.raises(ConfigError, match="has 0 classes, but .* it should have 2"):
        build_models(config(classes, pretrained_model_name_or_path=plain, labels=True))
    with pytest.raises(ConfigError, match=r"generator of .* has 2 .*`generator_labels` \(False\) it should have 0"):
        build_models(config(classes, pretrained_model_name_or_path=two, labels=True, generator_labels=False))
    assert build_models(config(classes, pretrained_model_name_or_path=two, labels=True))["generator"].config.num_classes == 2


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
        ({"path_length_weight": 2.0, "torch_compile": True}, "set `torch_compile` to false"),
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
