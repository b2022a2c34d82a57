import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt.errors import ConfigError
from styleadapt.pipelines.restoration import RestorationPipeline
from styleadapt.tasks.colorization import ColorizationTask, build_dataset, build_models, choice_loss, colorfulness
from styleadapt.tasks.restoration_config import ColorizationConfig
from styleadapt.training.config import build_config

TINY = {
    "resolution": 64,
    "train_batch_size": 2,
    "max_train_steps": 2,
    "colorizer": {"width": 8},
    "discriminator": {"channels": (4, 8), "global_factor": 2},
    "held_out": 0,
    "validation_steps": 0,
    "report_to": "none",
}


def config(folder, /, **options):
    return build_config(ColorizationConfig, {**TINY, "photos": [str(folder)], **options})


def task(folder, /, **options):
    torch.manual_seed(0)
    c = config(folder, **options)
    return ColorizationTask(c, build_models(c))


def test_a_few_steps_make_better_choices(image_folders):
    t, dataset = task(image_folders[0], palette_share=1.0, colorizer={"width": 32}), build_dataset(config(image_folders[0]))
    t.calibrate(dataset)
    colorizer = t.models["colorizer"]
    assert float(colorizer.prior.sum()) == pytest.approx(1, abs=1e-4) and colorizer.prior.max() > 2 / len(colorizer.prior)
    data = torch.utils.data.default_collate([dataset[n] for n in range(2)])
    optimizer = torch.optim.Adam(colorizer.parameters(), 3e-3)
    history = []
    for _ in range(40):
        loss, figures = t.generator_loss(t.forward(data, 0), 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(float(figures["choice"].detach()))
    # it begins with what is right on average, and gets better than that
    assert history[0] < np.log(len(colorizer.prior)) and history[-1] < 0.8 * history[0]
    assert all(p.grad is None for p in t.encoder.parameters())


def test_the_true_colors_have_the_least_loss():
    shares = torch.rand(1, 5, 3, 3).softmax(1)
    weights = torch.rand(5) + 0.1
    best = choice_loss(shares.log(), shares, weights)
    assert all(best < choice_loss(shares.log() + torch.randn(1, 5, 3, 3), shares, weights) for _ in range(5))


def test_colorfulness_is_that_of_its_authors():
    x = torch.rand(1, 3, 20, 20)
    r, g, b = 255 * x[0].numpy()
    rg, yb = r - g, (r + g) / 2 - b
    expected = np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())
    assert colorfulness(2 * x - 1) == pytest.approx(expected, rel=1e-4)


def test_validation_and_the_result(image_folders, tmp_path):
    t = task(image_folders[0], held_out=2, validation_steps=1)
    scores = t.validate(3, tmp_path)
    assert set(scores) == {"choice", "rmse", "colorfulness"} and all(np.isfinite(v) for v in scores.values())
    assert (tmp_path / "step-3.jpg").is_file()
    t.save_pretrained(tmp_path / "repo")
    pipe = RestorationPipeline.from_pretrained(tmp_path / "repo")
    photo = Image.open(image_folders[0] / "0.png").convert("L")
    result = pipe(photo, "colorize").images[0]
    assert result.mode == "RGB" and result.size == photo.size
    assert np.abs(np.asarray(result.convert("L"), int) - np.asarray(photo, int)).mean() < 12
    assert pipe(photo, "colorize", reference=image_folders[1] / "0.png").images[0].size == photo.size
    with pytest.raises(ValueError, match="`reference` is of task 'colorize'"):
        pipe(photo, reference=photo)
    with pytest.raises(ValueError, match="no restorer, which `task='denoise'` needs"):
        pipe(photo, "denoise")


@pytest.mark.parametrize("values, message", [({"uniform": 2.0}, "`uniform` is 2"), ({"choice_weight": -1.0}, "`choice_weight`")])
def test_bad_values_are_refused(image_folders, values, message):
    with pytest.raises(ConfigError, match=message):
        config(image_folders[0], **values)
