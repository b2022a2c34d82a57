from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from styleadapt import TranslationPipeline
from styleadapt.errors import ConfigError, SourceError
from styleadapt.models.ugatit_checkpoint import NETWORKS, _discriminator_keys, _generator_keys, load_ugatit_checkpoint
from styleadapt.tasks import translation
from styleadapt.tasks.translation import UnpairedConfig, UnpairedTask, build_dataset, build_models
from styleadapt.training.config import build_config
from ugatit_loop import ReferenceLoop

TINY = {"resolution": 32, "channels": 4, "blocks": 1, "n_layers_global": 5, "n_layers_local": 4, "light": True}


def config(image_folders=("a", "b"), **more):
    return build_config(UnpairedConfig, {"domain_a": str(image_folders[0]), "domain_b": str(image_folders[1]), **TINY, **more})


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def task():
    return UnpairedTask(config(), build_models(config()))


def batch(size=2, dtype=torch.float32):
    a, b = torch.rand(2, size, 3, 32, 32, dtype=dtype) * 2 - 1
    return {"a": a, "b": b}


@pytest.mark.parametrize("light", [False, True], ids=["full", "light"])
def test_losses_and_gradients_equal_the_reference_loop(tmp_path, light):
    """In double precision and with spectral norms at rest, for the fused passes iterate their powers once and not twice."""
    loop = ReferenceLoop(4, 2, 32, light, n_layers_global=5, n_layers_local=4, dtype=torch.float64)
    data = batch(dtype=torch.float64)
    with torch.no_grad():
        loop.discriminator_loss(data["a"], data["b"])
        for weights in loop.generators.values():
            for key, tensor in weights.items():
                if key.endswith(".rho"):
                    tensor.clamp_(0, 1)
    for layers in loop.discriminators.values():
        for layer in layers.values():
            layer.eval()
    checkpoint = {name: {k: t.float() for k, t in state.items()} for name, state in loop.checkpoint().items()}
    torch.save(checkpoint, tmp_path / "official.pt")
    models = {name: torch.nn.Module.to(m, torch.float64) for name, m in load_ugatit_checkpoint(tmp_path / "official.pt").items()}
    for ours, theirs in [(models[ours], theirs) for theirs, ours in NETWORKS.items() if theirs.startswith("gen")]:
        keys = _generator_keys(2)
        for name, parameter in ours.named_parameters():
            parameter.data.copy_(loop.generators[theirs][keys[name]].detach().view_as(parameter))
    for name, layers in loop.discriminators.items():
        keys = _discriminator_keys((5 if name.startswith("disG") else 4) - 1)
        official = {f"{layer}.{key}": t for layer, module in layers.items() for key, t in module.state_dict().items()}
        for key, tensor in models[NETWORKS[name]].state_dict().items():
            tensor.copy_(official[keys[key]])
    task = UnpairedTask(config(light=light), models)

    d_reference = loop.discriminator_loss(data["a"], data["b"])
    d_reference.backward()
    d_expected = gradients_of_discriminators(loop)
    for weights in loop.generators.values():
        for tensor in weights.values():
            tensor.grad = None
    g_reference = loop.generator_loss(data["a"], data["b"])
    g_reference.backward()

    state = task.forward(data, 0)
    d_loss, _ = task.discriminator_loss(state, 0)
    d_loss.backward()
    assert float(d_loss.detach()) == pytest.approx(float(d_reference.detach()), rel=1e-5)
    assert all(p.grad is None for name in task.generator_names for p in models[name].parameters())
    for name in loop.discriminators:
        keys = _discriminator_keys((5 if name.startswith("disG") else 4) - 1)
        for key, parameter in models[NETWORKS[name]].named_parameters():
            assert_close(parameter.grad, d_expected[name][keys[key]], f"{name} {key}")
            parameter.requires_grad_(False)
            parameter.grad = None
    g_loss, _ = task.generator_loss(state, 0)
    g_loss.backward()
    assert float(g_loss.detach()) == pytest.approx(float(g_reference.detach()), rel=1e-5)
    assert all(p.grad is None for name in task.discriminator_names for p in models[name].parameters())
    for name in ("genA2B", "genB2A"):
        keys = _generator_keys(2)
        for key, parameter in models[NETWORKS[name]].named_parameters():
            assert_close(parameter.grad, loop.generators[name][keys[key]].grad, f"{name} {key}")


def gradients_of_discriminators(loop):
    return {
        name: {f"{layer}.{key}": p.grad.clone() for layer, module in layers.items() for key, p in module.named_parameters()}
        for name, layers in loop.discriminators.items()
    }


def assert_close(found, expected, what):
    expected = expected.reshape(found.shape)
    # the losses themselves are summed in float32
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max() + 1e-9, what


def test_every_loss_is_reported_and_weighted(task):
    state = task.forward(batch(), 0)
    d_loss, d_figures = task.discriminator_loss(state, 0)
    mean = float(d_figures.pop("d_adv").detach())
    assert set(d_figures) == {"d_global_a", "d_local_a", "d_global_b", "d_local_b"}
    assert float(d_loss.detach()) == pytest.approx(sum(float(value.detach()) for value in d_figures.values()), rel=1e-5)
    assert mean == pytest.approx(float(d_loss.detach()) / 8)  # patches and classifier of four
    g_loss, figures = task.generator_loss(state, 0)
    weighted = {"g_adv": 1, "cycle": 10, "identity": 10, "cam": 1000}
    assert float(g_loss.detach()) == pytest.approx(
        sum(w * float(figures[name].detach()) for name, w in weighted.items()), rel=1e-5
    )


def test_accumulating_two_batches_equals_one_of_both(task):
    data = batch(2)
    for name in task.discriminator_names:
        task.models[name].eval()  # as the engine does for all but the first of the batches

    def gradients(parts):
        for model in task.models.values():
            model.zero_grad()
        for part in parts:
            state = task.forward(part, 0)
            task.discriminator_loss(state, 0)[0].div(len(parts)).backward()
            for name in task.discriminator_names:
                task.models[name].requires_grad_(False)
            task.generator_loss(state, 0)[0].div(len(parts)).backward()
            for name in task.discriminator_names:
                task.models[name].requires_grad_(True)
        return {f"{n}.{key}": p.grad.clone() for n, model in task.models.items() for key, p in model.named_parameters()}

    whole = gradients([data])
    for key, gradient in gradients([{side: images[n : n + 1] for side, images in data.items()} for n in range(2)]).items():
        assert (gradient - whole[key]).abs().max() <= 1e-4 * whole[key].abs().max() + 1e-6, key


@pytest.mark.parametrize("adv_loss", ["bce", "non-saturating", "lsgan", "hinge", "wgan", "relativistic"])
def test_every_form_with_every_penalty_and_augmentation_trains_both_players(adv_loss):
    penalties = {"r1_gamma": 1.0, "r2_gamma": 1.0, "gp_weight": 1.0, "r1_every": 2, "instance_noise": 0.1}
    c = config(adv_loss=adv_loss, augment="color,translation,cutout", **penalties)
    task = UnpairedTask(c, build_models(c))
    state = task.forward(batch(), 2)
    loss, figures = task.discriminator_loss(state, 2)
    loss.backward()
    assert {"r1", "r2", "gp"} < set(figures) and all(figure.isfinite() for figure in figures.values())
    assert all(p.grad is not None for name in task.discriminator_names for p in task.models[name].parameters())
    assert all(p.grad is None for name in task.generator_names for p in task.models[name].parameters())
    loss, figures = task.generator_loss(state, 2)
    loss.backward()
    assert figures["g_adv"].isfinite()
    assert all(p.grad is not None for name in task.generator_names for p in task.models[name].parameters())
    assert all(task.models[name].training for name in task.discriminator_names)
    assert "r1" not in task.discriminator_loss(task.forward(batch(), 3), 3)[1]


def test_penalties_and_smoothing_are_in_the_discriminators_loss():
    c = config(adv_weight=0.0, r1_gamma=4.0, r1_every=3)
    task = UnpairedTask(c, build_models(c))
    loss, figures = task.discriminator_loss(task.forward(batch(), 3), 3)
    # gamma / 2, three times in every third step, and the mean is of four discriminators
    assert float(loss.detach()) == pytest.approx(4 * 3 * 4.0 / 2 * float(figures["r1"].detach()), rel=1e-5) and loss > 0
    plain, smooth = (UnpairedTask(config(label_smoothing=s), task.models) for s in (0.0, 0.4))
    for name in task.discriminator_names:
        task.models[name].eval()
    state = task.forward(batch(), 1)
    assert plain.discriminator_loss(state, 1)[0] != smooth.discriminator_loss(state, 1)[0]


def test_ada_watches_all_discriminators_and_adapts():
    c = config(augment="ada", ada_interval=1, ada_images=2)
    task = UnpairedTask(c, build_models(c))
    task.discriminator_loss(task.forward(batch(2), 0), 0)
    assert task.ada.update() == (1.0 if task.ada.overfitting > 0.6 else 0.0) and -1 <= task.ada.overfitting <= 1


def test_rho_is_clipped_before_use(task, tmp_path):
    rho = task.models["generator_b2a"].decoder[0].norm1.rho
    torch.nn.init.constant_(rho, 1.2)
    task.forward(batch(1), 0)
    assert float(rho.detach().max()) == 1
    torch.nn.init.constant_(rho, -0.1)
    task.save_pretrained(tmp_path)
    assert float(TranslationPipeline.from_pretrained(tmp_path).generator_b2a.decoder[0].norm1.rho.min()) == 0


def test_a_few_steps_lower_what_the_generators_minimize(task):
    """On ramps, which a network of a few channels can learn to copy."""
    task.config = config(cam_weight=0.0)
    ramp = torch.linspace(-1, 1, 32).expand(1, 3, 32, 32)
    data = {"a": ramp, "b": ramp.mT}
    optimizer = torch.optim.Adam([p for n in task.generator_names for p in task.models[n].parameters()], 2e-3, (0.5, 0.99))
    history = []
    for _ in range(25):
        loss, _ = task.generator_loss(task.forward(data, 0), 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(float(loss.detach()))
    assert history[-1] < 0.8 * history[0]


def test_the_data_set_does_not_depend_on_who_asks(image_folders, monkeypatch):
    first, again = (build_dataset(config(image_folders, seed=4)) for _ in range(2))
    assert torch.equal(first[17]["b"], again[17]["b"]) and not torch.equal(first[17]["a"], first[18]["a"])
    many = {"max_train_steps": 3, "train_batch_size": 5, "gradient_accumulation_steps": 2}
    assert len(build_dataset(config(image_folders, **many))) == 30
    monkeypatch.setattr(translation, "process_state", lambda: SimpleNamespace(num_processes=100))
    assert len(build_dataset(config(image_folders, **many))) == 3000
    with pytest.raises(SourceError, match="`domain_a` is 'nowhere'"):
        build_dataset(config(("nowhere", image_folders[1])))


def test_validation_shows_and_scores_both_directions(image_folders, task, tmp_path):
    (image_folders[0] / "1.png").write_bytes(b"broken")
    shown = UnpairedTask(config(validation_a=str(image_folders[0]), validation_b=str(image_folders[1])), task.models)
    scores = shown.validate(7, tmp_path)
    assert set(scores) == {"cycle_a", "cycle_b", "kid_a2b", "kid_b2a"} and 0 < scores["cycle_a"] < 1
    # three rows, as one image cannot be read, of image, translation, way back and heat map, for each direction
    assert Image.open(tmp_path / "step-7.jpg").size == (2 * 4 * 32 + 6, 3 * 32)
    assert task.validate(8, tmp_path) == {} and not (tmp_path / "step-8.jpg").exists()


def test_training_goes_on_from_a_repo(task, tmp_path):
    task.models.pop("discriminator_local_a")
    TranslationPipeline(**task.models).save_pretrained(tmp_path / "repo")
    models = build_models(config(pretrained_model_name_or_path=str(tmp_path / "repo")))
    assert set(models) == {*UnpairedTask.generator_names, *UnpairedTask.discriminator_names}
    assert all(model.training for model in models.values())
    for name, model in task.models.items():
        for key, tensor in model.state_dict().items():
            assert torch.equal(tensor, models[name].state_dict()[key]), f"{name} {key}"


def test_full_generators_know_one_size(tmp_path):
    build = build_models(config(light=False))
    UnpairedTask(config(light=False), build).save_pretrained(tmp_path / "repo")
    with pytest.raises(ConfigError, match="`resolution` is 64, but .* is for 32 px"):
        build_models(config(light=False, resolution=64, pretrained_model_name_or_path=str(tmp_path / "repo")))


@pytest.mark.parametrize(
    "values, message",
    [
        ({"domain_b": ""}, "--domain_b DIR"),
        ({"n_layers_global": 6}, "images of 32 px allow 5 at most"),
        ({"n_layers_local": 2}, "must be 3 at least"),
        ({"resolution": 30}, "multiple of 4"),
        ({"crop_scale": 0.9}, "`crop_scale` is 0.9"),
        ({"chanels": 8}, "did you mean `channels`"),
        ({"cycle_weight": -1.0}, "`cycle_weight` is -1.0"),
        ({"adv_loss": "vanilla"}, "allowed: bce"),
        ({"adv_loss": "wgan", "augment": "ada"}, "ADA cannot read"),
    ],
)
def test_bad_values_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        config(**values)


def test_the_defaults_are_those_of_the_paper():
    c = build_config(UnpairedConfig, {"domain_a": "a", "domain_b": "b"})
    assert (c.adv_loss, c.label_smoothing, c.instance_noise, c.augment) == ("lsgan", 0, 0, "")
    assert (c.r1_gamma, c.r2_gamma, c.gp_weight) == (0, 0, 0)
    assert (c.adv_weight, c.cycle_weight, c.identity_weight, c.cam_weight) == (1, 10, 10, 1000)
    assert (c.learning_rate, c.lr_d, c.adam_beta1, c.adam_beta2, c.adam_weight_decay) == (1e-4, 1e-4, 0.5, 0.999, 1e-4)
    assert (c.resolution, c.channels, c.blocks, c.n_layers_global, c.n_layers_local) == (256, 64, 4, 7, 5)


def test_a_validation_folder_without_a_readable_image_is_refused_before_training(image_folders, task):
    for file in image_folders[1].iterdir():
        file.write_bytes(b"broken")
    with pytest.raises(SourceError, match="paintings holds 4 images, 0 of them readable"):
        UnpairedTask(config(validation_a=str(image_folders[0]), validation_b=str(image_folders[1])), task.models)
