import pytest
import torch

from styleadapt.training.config import ConfigError, build_config
from styleadapt.training.finetuning import FinetuneConfig
from styleadapt.training.stylization import StylizationConfig, StylizationTask, build_dataset


def config(image_folders, **more):
    photos, paintings = map(str, image_folders)
    values = {"photos": photos, "paintings": [paintings], "resolution": 64, "adv_warmup": 1}
    values.update(photo_short_side=[64, 80], painting_short_side=[64, 80], **more)
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


@pytest.mark.parametrize("step", [1, 3, 5, 7])
def test_in_the_other_steps_all_pairs_are_as_drawn(image_folders, tiny_models, batch, step):
    task = StylizationTask(config(image_folders), tiny_models)
    state = task.forward(batch, step)
    torch.testing.assert_close((state.photo, state.style), (batch["photo"], batch["style"]))
    assert not {"identity", "cam"} & set(task.generator_loss(state, step)[1])


def test_a_batch_of_one_has_finite_losses(image_folders, tiny_models, batch):
    task = StylizationTask(config(image_folders), tiny_models)
    one = {key: value[:1] for key, value in batch.items()}
    assert all(task.generator_loss(task.forward(one, step), step)[0].isfinite() for step in range(8))


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
    assert task.discriminator_loss(state, 0)[1] == {}


def test_a_few_steps_lower_the_loss(image_folders, tiny_models, batch):
    task = StylizationTask(config(image_folders, adv_weight=0.0), tiny_models)
    parameters = [p for m in ("generator", "style_encoder") for p in tiny_models[m].parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(parameters, 1e-3)
    history = []
    for _ in range(12):
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
    from styleadapt import StyleTransferPipeline

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


@pytest.mark.parametrize(
    "values, message",
    [
        ({"painting_weights": [1.0, 2.0]}, "`painting_weights`"),
        ({"losses": {"gram": "a lot"}}, "could not convert"),
        ({"painting_short_side": [1, 2, 3]}, "`painting_short_side`"),
        ({"correspondence_weight": 1.0, "train_batch_size": 2}, "3 samples at least"),
        ({"ewc_weight": 1.0}, "belongs to fine-tuning"),
    ],
)
def test_bad_values_are_refused(image_folders, values, message):
    photos, paintings = map(str, image_folders)
    with pytest.raises((ConfigError, ValueError), match=message):
        build_config(StylizationConfig, {"photos": photos, "paintings": [paintings], **values})
