import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from styleadapt.adaptation.restoring import RestorationAdaptationConfig, adapt_restorer
from styleadapt.errors import AdapterError, ImageError
from styleadapt.models.restorer import Restorer

from ..conftest import stripes
from ..tiny_restoration import QUICK_ADAPTATION

FAST = replace(QUICK_ADAPTATION, learning_rate=2e-2, kernel_rate=1.0)


@pytest.fixture
def restorer():
    torch.manual_seed(0)
    return Restorer(widths=(8, 16), blocks=(1, 1), estimator_widths=(8, 8)).eval()


def drawing(seed: int = 0, size: int = 160) -> Image.Image:
    """Flat squares of strong colors: a kind of images that is easy to learn."""
    colors = np.random.default_rng(seed).integers(0, 2, (5, 5, 3)) * 255
    return Image.fromarray(colors.astype(np.uint8)).resize((size, size), Image.Resampling.NEAREST)


def run(restorer, images=None, **options):
    options = {"steps": 4, "config": FAST, **options}
    return adapt_restorer(restorer, images or [drawing(0), drawing(1)], base="base", **options)


def test_images_of_the_kind_are_restored_better(restorer):
    adapter = run(restorer, steps=80)
    assert adapter.scores["psnr_after"] > adapter.scores["psnr_before"] + 0.7
    assert (adapter.kind, adapter.base, adapter.images, adapter.steps) == ("restoration", "base", 2, 80)


def test_same_seed_and_steps_give_the_same_adapter(restorer):
    one, other, different = (run(restorer, steps=20, seed=seed) for seed in (3, 3, 4))
    assert all(torch.equal(one.deltas[k], other.deltas[k]) for k in one.deltas)
    assert one.scores == other.scores
    assert any(not torch.equal(one.deltas[k], different.deltas[k]) for k in one.deltas)


def test_the_restorer_and_the_callers_random_state_are_left_alone(restorer):
    before, state = {k: v.clone() for k, v in restorer.state_dict().items()}, torch.get_rng_state()
    run(restorer)
    assert torch.equal(state, torch.get_rng_state()) and not restorer.training
    assert all(torch.equal(v, before[k]) for k, v in restorer.state_dict().items())


def test_what_makes_it_worse_is_not_kept(restorer):
    adapter = run(restorer, steps=30, config=replace(FAST, learning_rate=50.0, ema_decay=0.0))
    assert adapter.scores["psnr_after"] >= adapter.scores["psnr_before"]


def test_the_parts_that_are_judged_are_not_trained_on(restorer, monkeypatch):
    """The right fifth of the image is white, and the rest black."""
    import styleadapt.adaptation.restoring as module

    image = Image.new("RGB", (400, 64))
    image.paste("white", (320, 0, 400, 64))
    runs, begin = [], module._RestorerAdaptation.__init__
    monkeypatch.setattr(module._RestorerAdaptation, "__init__", lambda self, *a: runs.append(self) or begin(self, *a))
    run(restorer, [image], steps=1)
    assert [crop.max() for crop in runs[0].pool] == [0] * 6
    assert [float(sample["clean"].min()) for sample in runs[0].held_out] == [1.0] * 4


def test_the_time_limit_holds(restorer):
    """On a clock that only its readers move, a fifth of a second each time."""
    ticks = itertools.count(0, 0.2)
    config = replace(FAST, patience=10**6)
    adapter = run(restorer, steps=None, max_seconds=20.0, config=config, clock=lambda: next(ticks))
    assert 16 <= adapter.seconds <= 22 and adapter.steps > 10


def test_progress_is_reported_and_the_callback_stops_it(restorer):
    seen = []

    def callback(progress):
        seen.append(progress)
        if progress.step >= 10:
            progress.stop()

    adapter = run(restorer, steps=50, callback=callback)
    assert [p.step for p in seen] == [0, 5, 10] and adapter.steps == 10
    assert [round(p.fraction, 2) for p in seen] == [0.0, 0.1, 0.2]
    assert seen[0].psnr == adapter.scores["psnr_before"] and max(p.psnr for p in seen) == adapter.scores["psnr_after"]


@pytest.mark.parametrize("train", ["small", "low-rank", "all"])
def test_every_set_of_parameters_trains(train):
    wide = Restorer(widths=(8, 64), blocks=(1, 1), estimator_widths=(8, 8)).eval()
    deltas = run(wide, config=replace(FAST, train=train, check_every=1, held_out=1)).deltas
    assert any("lora" in name for name in deltas) == (train == "low-rank")
    assert all(torch.isfinite(delta).all() for delta in deltas.values())


def test_many_images_are_opened_only_as_far_as_they_are_needed(restorer):
    images = [drawing(seed, 64) for seed in range(12)] + [Image.new("L", (64, 64))]
    assert run(restorer, images, steps=1).images == 13


@pytest.mark.parametrize(
    "images, error, message",
    [
        ([], ValueError, "`images` is empty"),
        ([Image.new("RGB", (31, 200))], ImageError, "31 x 200 pixels is too small"),
        (["nowhere.png"], ImageError, "does not exist"),
    ],
)
def test_images_that_cannot_be_learned_from_are_refused(restorer, images, error, message):
    with pytest.raises(error, match=message):
        adapt_restorer(restorer, images, base="base", steps=1, config=FAST)


def test_broken_weights_are_refused(restorer):
    torch.nn.init.constant_(restorer.leave.weight, float("nan"))
    with pytest.raises(AdapterError, match="restorer's weights"):
        run(restorer, [stripes(72)])


@pytest.mark.parametrize(
    "values, message",
    [
        ({"train": "code"}, "`train` is 'code'; allowed: small, low-rank"),
        ({"lr_scheduler": "steps"}, "`lr_scheduler` is 'steps'"),
        ({"rank": 0}, "`rank`"),
        ({"crop_size": 16}, "`crop_size`"),
        ({"ema_decay": 1.0}, "`ema_decay`"),
        ({"blind_share": 2}, "`blind_share`"),
        ({"photo_scale": (1.0, 0.5)}, "`photo_scale`"),
    ],
)
def test_settings_out_of_range_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        RestorationAdaptationConfig(**values)
