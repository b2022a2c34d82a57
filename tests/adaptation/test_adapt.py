import gc
import itertools
import weakref
from dataclasses import replace

import pytest
import torch

from styleadapt.adaptation.adapt import _Adaptation, adapt
from styleadapt.adaptation.settings import AdaptationConfig
from styleadapt.devices.cpu import supports_bf16

from ..conftest import smooth_noise, stripes

FAST = AdaptationConfig(rank=2, crop_size=64, pool_size=4, check_every=2, batch_size=1, frozen_layers=1)


def run(models, **options):
    options = {"steps": 4, "config": FAST, **options}
    photos = [smooth_noise((80, 72), seed=i) for i in range(2)]
    return adapt(**models, styles=[stripes(72)], photos=photos, base="base", **options)


def test_same_seed_and_steps_give_the_same_adapter(tiny_models):
    one, other = run(tiny_models, seed=3), run(tiny_models, seed=3)
    assert torch.equal(one.code, other.code)
    assert all(torch.equal(one.deltas[k], other.deltas[k]) for k in one.deltas)
    different = run(tiny_models, seed=4)
    assert any(not torch.equal(one.deltas[k], different.deltas[k]) for k in one.deltas)


def test_the_callers_models_and_random_state_are_left_alone(tiny_models):
    before = {f"{n}.{k}": v.clone() for n, m in tiny_models.items() for k, v in m.state_dict().items()}
    state = torch.get_rng_state()
    run(tiny_models)
    assert torch.equal(state, torch.get_rng_state())
    after = {f"{n}.{k}": v for n, m in tiny_models.items() for k, v in m.state_dict().items()}
    assert [k for k in before if not torch.equal(before[k], after[k])] == []


def test_the_style_figure_improves_on_a_made_style(tiny_models):
    adapter = run(tiny_models, steps=60, seed=1, config=replace(FAST, learning_rate=1e-2, check_every=10))
    assert adapter.scores["style_after"] < 0.9 * adapter.scores["style_before"]
    assert adapter.code.shape == (1, 16) and not torch.equal(adapter.code, adapter.start_code)


def test_the_time_limit_holds(tiny_models):
    """On a clock that only its readers move, a fifth of a second each time."""
    ticks = itertools.count(0, 0.2)
    clock = lambda: next(ticks)  # noqa: E731
    adapter = run(tiny_models, steps=None, max_seconds=20.0, config=replace(FAST, patience=10**6), clock=clock)
    assert 16 <= adapter.seconds <= 22
    assert adapter.steps > 10


def test_progress_reports_and_stops(tiny_models):
    seen = []

    def callback(progress):
        seen.append(progress)
        if len(seen) == 2:
            picture = progress.preview(smooth_noise((70, 66), seed=9))
            assert picture.size == (70, 66)
            progress.stop()

    adapter = run(tiny_models, steps=100, callback=callback)
    assert adapter.steps == 2 and [p.step for p in seen] == [0, 2]
    assert all(0 <= p.fraction <= 1 and p.seconds_left >= 0 and p.style > 0 and p.content > 0 for p in seen)


def test_progress_comes_between_checks_too(tiny_models):
    steps = []
    run(tiny_models, steps=12, config=replace(FAST, check_every=100), callback=lambda progress: steps.append(progress.step))
    assert steps == [0, 5, 10, 12]


@pytest.mark.parametrize("size", [(5000, 10), (140, 70)])
def test_a_preview_has_the_size_of_its_photo(tiny_models, size):
    previews = []
    photo = smooth_noise(size, 3)
    config = replace(FAST, crop_size=96, pool_size=1)
    run(tiny_models, steps=1, config=config, callback=lambda progress: previews.append(progress.preview(photo)))
    assert previews[0].size == size


def test_long_strips_are_no_burden(tiny_models):
    """A strip enlarged until its short side fits would have a hundred megapixels."""
    strip = smooth_noise((12000, 1), 1)
    assert adapt(**tiny_models, styles=[strip], photos=[strip], base="b", steps=1, config=replace(FAST, crop_size=96)).steps == 1


def test_the_noise_is_shifted_while_training_and_stands_still_in_checks(tiny_models, monkeypatch):
    from styleadapt.models.layers import StyleNoise

    modes, forward = [], StyleNoise.forward
    monkeypatch.setattr(StyleNoise, "forward", lambda self, *a: modes.append(self.training) or forward(self, *a))
    run(tiny_models, steps=1)
    noises = sum(isinstance(m, StyleNoise) for m in tiny_models["generator"].modules())
    checks = 2  # before the first step and after the last
    assert modes.count(True) == noises and modes.count(False) == checks * noises * 4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_models_train_in_float32(tiny_models, dtype):
    half = {name: model.to(dtype) for name, model in tiny_models.items()}
    adapter = run(half)
    assert {v.dtype for v in (*adapter.deltas.values(), adapter.code)} == {torch.float32}


def test_it_stops_early_when_nothing_improves(tiny_models):
    adapter = run(tiny_models, steps=500, config=replace(FAST, learning_rate=1e-12, patience=2))
    assert adapter.steps < 500


def test_a_result_is_never_worse_than_the_start(tiny_models):
    adapter = run(tiny_models, steps=6, config=replace(FAST, learning_rate=10.0))
    weights = FAST.losses
    before, after = (
        weights.gram * adapter.scores[f"style_{w}"] + weights.content * adapter.scores[f"content_{w}"]
        for w in ("before", "after")
    )
    assert after <= before * 1.05


def test_without_a_discriminator(tiny_models):
    assert run({**tiny_models, "discriminator": None}).steps == 4


def test_only_the_upper_layers_of_the_discriminator_train(tiny_models, monkeypatch):
    import styleadapt.adaptation.adapt as module

    kept = []
    monkeypatch.setattr(
        module._Adaptation, "average", lambda self: kept.append(self) or {k: v.clone() for k, v in self.averaged.items()}
    )
    run(tiny_models)
    before = dict(tiny_models["discriminator"].named_parameters())
    moved = {n for n, p in kept[0].opponent.discriminator.named_parameters() if not torch.equal(p, before[n])}
    assert moved and not any(".convs.0." in name for name in moved)


def test_several_styles_give_one_adapter(tiny_models):
    adapter = adapt(
        **tiny_models, styles=[stripes(72), stripes(90, 12)], photos=[smooth_noise((80, 72), 0)], base="b", steps=2, config=FAST
    )
    assert adapter.images == 2 and adapter.code.shape == (1, 16)


def test_each_of_several_styles_has_its_turn_with_its_own_code_and_statistics(tiny_models, monkeypatch):
    import styleadapt.adaptation.adapt as module

    seen = []

    class Watched(module._Adaptation):
        def _generate(self, photo, state):
            if self.generator.training:
                seen.append((state["code"] - self.trained["code"]).detach())
            return super()._generate(photo, state)

        def _loss(self, generated, features, content, targets, directions=None):
            if directions is None:
                seen.append(targets)
            return super()._loss(generated, features, content, targets, directions)

    kept = []
    monkeypatch.setattr(module, "_Adaptation", lambda *args: kept.append(Watched(*args)) or kept[0])
    styles = [stripes(72), smooth_noise((80, 80), 3), stripes(90, 12)]
    adapt(**tiny_models, styles=styles, photos=[smooth_noise((80, 72), 0)], base="b", steps=4, config=FAST)
    codes, targets = seen[::2], seen[1::2]
    own = [tiny_models["style_encoder"](image) for image in kept[0].styles]
    for step, turn in enumerate([0, 1, 2, 0]):
        assert torch.allclose(codes[step], own[turn] - sum(own) / 3, atol=1e-5)
        assert targets[step] is kept[0].single[turn]
    mean = sum(target[0].statistics.gram["relu1_2"] for target in kept[0].single) / 3
    assert torch.allclose(kept[0].targets[0].statistics.gram["relu1_2"], mean, rtol=1e-4)


@pytest.mark.parametrize("options, name", [({"steps": 0}, "`steps`"), ({"steps": None, "max_seconds": 0}, "`max_seconds`")])
def test_budgets_that_are_none_are_refused(tiny_models, options, name):
    with pytest.raises(ValueError, match=name):
        run(tiny_models, **options)


def test_tiny_images_are_enough(tiny_models):
    photos = [smooth_noise((1, 1), 0), smooth_noise((300, 2), 0)]
    assert adapt(**tiny_models, styles=[stripes(3)], photos=photos, base="b", steps=1, config=FAST).steps == 1


def test_a_pyramid_of_style_scales(tiny_models):
    assert run(tiny_models, config=replace(FAST, pyramid=2)).steps == 4


@pytest.mark.skipif(not supports_bf16(torch.device("cpu")), reason="this CPU has no fast bfloat16")
def test_training_in_bf16_keeps_float32_deltas(tiny_models):
    assert {v.dtype for v in run(tiny_models).deltas.values()} == {torch.float32}


@pytest.mark.parametrize("train, names", [("code", set()), ("adalin", {"norm"}), ("all", {"conv", "norm"})])
def test_what_trains_is_what_the_adapter_changes(tiny_models, train, names):
    adapter = run(tiny_models, steps=8, config=replace(FAST, train=train, learning_rate=1e-2))
    assert not torch.equal(adapter.code, adapter.start_code)
    assert all(any(name in key for key in adapter.deltas) for name in names)
    assert train != "adalin" or all("norm" in key for key in adapter.deltas)
    assert train != "code" or not adapter.deltas


def test_elastic_weight_consolidation_holds_the_weights_back(tiny_models):
    def moved(weight):
        """After ten steps; the adapter would be the best of them, which may be an early one."""
        config = replace(FAST, ewc_weight=weight, learning_rate=1e-2)
        run = _Adaptation(**tiny_models, styles=[stripes(72)], photos=[smooth_noise((80, 72), seed=0)], seed=0, config=config)
        for step in range(10):
            run.step(step, step / 10)
        return sum(float(tensor.detach().square().sum()) for name, tensor in run.trained.items() if name.endswith(".delta"))

    assert moved(1e9) < 0.9 * moved(0.0)


def test_correspondence_compares_a_batch_with_what_the_source_makes_of_it(tiny_models, monkeypatch):
    seen = []

    def distance(after, before):
        seen.append((after, before))
        return torch.stack([f.flatten(1).mean(1) for f in after.values()]).sum(0)

    monkeypatch.setattr("styleadapt.adaptation.adapt.correspondence_loss", distance)
    run(tiny_models, config=replace(FAST, batch_size=3, adv_weight=0.0, correspondence_weight=1.0))
    assert len(seen) == 4  # steps
    after, before = seen[0]
    assert all(
        len(after[name]) == len(f) == 3 and after[name].requires_grad and not f.requires_grad for name, f in before.items()
    )


@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop", "sgd"])
def test_other_optimizers_train_too(tiny_models, optimizer):
    adapter = run(tiny_models, steps=8, config=replace(FAST, optimizer=optimizer))
    assert not torch.equal(adapter.code, adapter.start_code)


def test_nothing_of_an_adaptation_is_left_in_memory(tiny_models, monkeypatch):
    """Without the help of the garbage collector, which may come late."""
    import styleadapt.adaptation.adapt as module

    made = []
    begin = module._Adaptation.__init__
    monkeypatch.setattr(module._Adaptation, "__init__", lambda self, *a: made.append(weakref.ref(self)) or begin(self, *a))
    gc.disable()
    try:
        run(tiny_models, callback=lambda progress: progress.step)
        assert made[0]() is None
    finally:
        gc.enable()


def test_an_eighth_of_the_crops_are_drawn_edges_unless_they_have_no_weight(tiny_models, monkeypatch):
    import styleadapt.adaptation.adapt as module

    distances = []
    monkeypatch.setattr(module, "rim_loss", lambda images, distance: distances.append(distance) or images.mean((1, 2, 3)))
    config = replace(FAST, pool_size=1, adv_weight=0.0)
    run(tiny_models, steps=12, config=config)
    assert distances and all(d.shape == (1, 64, 64) for d in distances)
    seen = len(distances)
    run(tiny_models, steps=12, config=replace(config, rim_weight=0.0))
    assert len(distances) == seen


def test_efficientnet_lite0_is_a_choice_with_weights_of_its_own(tiny_models):
    config = replace(AdaptationConfig(feature_network="efficientnet-lite0"), crop_size=64, pool_size=2, rank=2)
    assert config.losses != AdaptationConfig().losses
    adapter = run(tiny_models, config=config)
    assert adapter.steps == 4 and adapter.config["feature_network"] == "efficientnet-lite0"


def test_the_target_is_the_mean_of_several_scales(tiny_models):
    one, two = (run(tiny_models, config=replace(FAST, style_scales=scales)).scores for scales in ((1.0,), (1.0, 0.5)))
    assert one["style_before"] != two["style_before"]
