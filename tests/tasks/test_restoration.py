from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt.errors import ConfigError, SourceError
from styleadapt.hub.model_card import build_model_card
from styleadapt.models.restorer import Restorer
from styleadapt.pipelines.restoration import RestorationPipeline
from styleadapt.tasks import repair
from styleadapt.tasks.repair import divided_photos
from styleadapt.tasks.restoration import RestorationTask, build_dataset, build_models, card_facts
from styleadapt.tasks.restoration_config import RestorationConfig
from styleadapt.training.config import build_config

TINY = {
    "resolution": 32,
    "train_batch_size": 4,
    "max_train_steps": 3,
    "restorer": {"widths": (8, 16), "blocks": (1, 1), "estimator_widths": (8, 8)},
    "discriminator": {"channels": (4, 8), "global_factor": 2},
    "held_out": 0,
    "validation_steps": 0,
    "report_to": "none",
}


def config(folder, /, **options):
    return build_config(RestorationConfig, {**TINY, "photos": [str(folder)], **options})


def task(photos, **options):
    torch.manual_seed(0)
    c = config(photos, **options)
    return RestorationTask(c, build_models(c))


def batch(photos, **options):
    dataset = build_dataset(config(photos, **options))
    return torch.utils.data.default_collate([dataset[n] for n in range(4)])


@pytest.fixture
def photos(image_folders):
    return image_folders[0]


def test_distortion_alone_trains_without_a_discriminator(photos):
    t = task(photos, charbonnier_epsilon=0.0, estimate_weight=0.5)
    data = batch(photos)
    state = t.forward(data, 0)
    assert [phase.name for phase in t.phases()] == ["generator"]
    loss, figures = t.generator_loss(state, 0)
    # it begins by leaving the image alone
    assert float(figures["distortion"].detach()) == pytest.approx(float((data["damaged"] - data["clean"]).abs().mean()))
    assert float(loss.detach()) == pytest.approx(float((figures["distortion"] + 0.5 * figures["estimate"]).detach()))
    loss.backward()
    assert t.models["restorer"].leave.weight.grad.any() and t.models["restorer"].opinions.weight.grad.any()


def test_a_few_steps_lower_the_distortion_and_teach_the_levels(photos):
    noise = {"noise": 1, "jpeg": 0, "blur": 0, "clean": 0, "sigma": [30, 30]}
    t, data = task(photos, mix=noise), batch(photos, mix=noise)
    optimizer = torch.optim.Adam(t.models["restorer"].parameters(), 3e-3)
    history = []
    for _ in range(40):
        loss, figures = t.generator_loss(t.forward(data, 0), 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append((float(figures["distortion"].detach()), float(figures["estimate"].detach())))
    assert history[-1][0] < 0.75 * history[0][0] and history[-1][1] < 0.75 * history[0][1]


def test_the_true_levels_are_withheld_from_the_blind_share(photos):
    data = batch(photos)
    seen = []
    for share in (0.0, 1.0):
        t = task(photos, blind_share=share)
        t.models["restorer"].register_forward_pre_hook(lambda _, args: seen.append(args[1]))
        t.forward(data, 0)
    assert torch.equal(seen[0], data["levels"]) and seen[1].isnan().all()


def test_the_second_phase_adds_the_objective_and_the_discriminator(photos):
    second = {"perceptual_weight": 0.1, "adv_weight": 0.5, "adv_warmup": 4, "r1_gamma": 1.0, "resolution": 64}
    t, data = task(photos, **second), batch(photos, **second)
    state = t.forward(data, 16)
    loss, figures = t.discriminator_loss(state, 16)
    loss.backward()
    assert set(figures) == {"d_adv", "r1"} and all(p.grad is not None for p in t.models["discriminator"].parameters())
    assert all(p.grad is None for p in t.models["restorer"].parameters())
    loss, figures = t.generator_loss(state, 16)
    known = {"distortion", "estimate", "perceptual", "g_adv"}
    assert known < set(figures) and {"gram", "content"} < set(figures)
    weights = {"distortion": 1, "estimate": 1, "perceptual": 0.1, "g_adv": 0.5}
    expected = sum(weight * float(figures[name].detach()) for name, weight in weights.items())
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-4)
    assert "g_adv" not in t.generator_loss(t.forward(data, 0), 0)[1]


def names(table):
    return [Path(table[n].name).stem for n in range(len(table))]


def test_photos_that_are_held_out_are_never_trained_on(photos):
    groups, held = divided_photos(config(photos, held_out=2))
    assert names(groups[0]) == ["1", "3"] and names(held) == ["0", "2"]
    c = config(photos, held_out=2)
    assert card_facts(c, build_dataset(c)).images == 2
    groups, held = divided_photos(config(photos, validation_photos=str(photos)))
    assert names(groups[0]) == names(held) == ["0", "1", "2", "3"]
    # what stands in for a photo that cannot be read is of the same side
    (photos / "1.png").write_bytes(b"broken")
    groups, held = divided_photos(config(photos, held_out=2))
    assert names(groups[0]) == ["3", "3"] and names(held) == ["0", "2"]
    (photos / "3.png").write_bytes(b"broken")
    with pytest.raises(SourceError, match="the training part of .* holds 2 images, 0 of them readable"):
        divided_photos(config(photos, held_out=2))
    with pytest.raises(ConfigError, match="`held_out` is 4, but .* holds 4 photos"):
        divided_photos(config(photos, held_out=4))


def test_the_data_set_is_as_long_as_the_run_of_all_processes(photos, monkeypatch):
    assert len(build_dataset(config(photos, held_out=1))) == 12
    monkeypatch.setattr(repair, "process_state", lambda: SimpleNamespace(num_processes=10))
    assert len(build_dataset(config(photos, held_out=1, gradient_accumulation_steps=2))) == 240


def test_validation_scores_every_case_and_shows_it(photos, tmp_path):
    (photos / "2.png").write_bytes(b"broken")
    t = task(photos, held_out=2, validation_steps=1)
    scores = t.validate(7, tmp_path)
    # untrained, it leaves images alone
    assert scores["psnr_noise_25"] == pytest.approx(20 * np.log10(255 / 25), abs=0.5)
    assert scores["psnr_clean"] > 100 and scores["psnr_jpeg_10"] < scores["psnr_jpeg_40"]
    assert scores["rmse"] > 0 and scores == t.validate(7, tmp_path)
    assert Image.open(tmp_path / "step-7.jpg").width > 3 * 192
    assert t.models["restorer"].training


def test_the_second_phase_starts_from_the_result_of_the_first(photos, tmp_path):
    t = task(photos)
    t.save_pretrained(tmp_path)
    assert all(p.requires_grad for p in t.models["restorer"].parameters())
    assert RestorationPipeline.from_pretrained(tmp_path)(photos / "0.png").images[0].size == (80, 72)
    models = build_models(config(photos, pretrained_model_name_or_path=str(tmp_path)))
    for name, model in models.items():
        assert model.training
        assert all(torch.equal(v, t.models[name].state_dict()[k]) for k, v in model.state_dict().items())
    assert isinstance(models["restorer"], Restorer) and models["discriminator"].config.code_dim == 3


@pytest.mark.parametrize(
    "values, message",
    [
        ({"photos": []}, "--photos DIR"),
        ({"photo_weights": [1.0, 2.0]}, "for each of `photos`"),
        ({"photo_scale": [0.5, 2.0]}, "above 0 and up to 1"),
        ({"mix": {"sigmas": 3}}, "Group 'mix' does not accept option 'sigmas'; did you mean `sigma`"),
        ({"mix": {"sigma": [9, 5]}}, "`sigma` is .9.0, 5.0.; it must be two numbers in order"),
        ({"mix": {"noise": "much"}}, "`mix.noise`: Expected a float. Got value: much"),
        ({"losses": {"grams": 1}}, "does not accept option 'grams'; did you mean `gram`"),
        ({"blind_share": 2.0}, "`blind_share` is 2.0"),
        ({"resolution": 8}, "`resolution` is 8"),
        ({"adv_weight": -1.0}, "`adv_weight` is -1.0"),
        ({"validation_steps": 5, "held_out": 0}, "`held_out` is 0; it must be 1 at least"),
        ({"restorers": {}}, "did you mean `restorer`"),
    ],
)
def test_bad_values_are_refused(photos, values, message):
    with pytest.raises(ConfigError, match=message):
        config(photos, **values)


def test_arguments_that_no_model_has_are_named(photos):
    with pytest.raises(ConfigError, match="`restorer` is {'width': 8}, with which no model can be built"):
        build_models(config(photos, restorer={"width": 8}))


def test_the_card_of_a_run_calls_the_pipeline_and_does_not_say_that_a_low_psnr_is_better(photos, tmp_path):
    t = task(photos)
    t.save_pretrained(tmp_path)
    facts = card_facts(t.config, build_dataset(t.config))
    facts.scores = {"psnr_noise_25": 31.0}
    text = build_model_card(tmp_path, "user/clean", facts).text
    assert 'pipe(photo).images[0].save("restored.png")' in text and "is better" not in text
