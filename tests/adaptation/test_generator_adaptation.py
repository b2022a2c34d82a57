import dataclasses

import pytest
import torch

from styleadapt import AdapterError, GenerationPipeline, GeneratorAdapter, StyleGAN2Generator
from styleadapt.adaptation.generator_adaptation import GeneratorAdaptationConfig, PatchHeads, generator_deltas
from styleadapt.adapters.deltas import check_deltas, weight_deltas

from ..conftest import smooth_noise, stripes

FAST = GeneratorAdaptationConfig(rank=2, batch_size=3, learning_rate=2e-2)


def tiny_generator(num_classes: int = 0) -> StyleGAN2Generator:
    torch.manual_seed(0)
    return StyleGAN2Generator(
        16, latent_dim=6, code_dim=8, mapping_layers=1, mapping_lr=1.0, channel_base=128, num_classes=num_classes
    )


def pixels(pipe, seed=0):
    return pipe(num_images=2, seed=seed, output_type="pt").images


@pytest.fixture
def pipe():
    return GenerationPipeline(tiny_generator())


@pytest.mark.parametrize("train", ["affine", "low-rank"])
def test_deltas_change_nothing_at_first_and_leave_the_mapping_alone(train):
    generator = tiny_generator()
    deltas = generator_deltas(generator, train, 2, torch.Generator().manual_seed(0))
    check_deltas(deltas, {name: p.shape for name, p in generator.named_parameters()})
    changes = weight_deltas(deltas)
    assert not any(change.any() for change in changes.values())
    assert not any(name.startswith("mapping.") for name in changes)
    assert ("synthesis.enter.weight" in changes) == (train == "low-rank")
    assert {"synthesis.enter.affine.weight", "synthesis.enter.bias"} <= changes.keys()


def test_patch_heads_learn_to_tell_maps_apart():
    torch.manual_seed(0)
    real, fake = torch.rand(4, 6, 3, 3) * torch.linspace(1, 50, 6)[:, None, None], torch.rand(4, 6, 3, 3)
    heads = PatchHeads({"relu2_2": real}, width=8)
    optimizer = torch.optim.Adam(heads.parameters(), 0.02)
    for _ in range(60):
        ours, theirs = heads({"relu2_2": real})[0], heads({"relu2_2": fake})[0]
        optimizer.zero_grad()
        (torch.relu(1 - ours).mean() + torch.relu(1 + theirs).mean()).backward()
        optimizer.step()
    assert (ours > 0).float().mean() > 0.95 and (theirs < 0).float().mean() > 0.95


def test_an_adaptation_comes_nearer_to_its_images_and_makes_an_adapter(pipe, tmp_path):
    before, fingerprint = pixels(pipe), pipe.fingerprint
    steps = []

    def watch(progress):
        steps.append(progress.step)
        assert progress.preview(pipe.latents(2))[1].size == (16, 16)

    adapter = pipe.adapt([stripes(32), stripes(40)], steps=12, seed=3, callback=watch, config=FAST)
    assert steps == list(range(1, 13)) and adapter.steps == 12 and adapter.images == 2
    assert adapter.scores["style_after"] < 0.9 * adapter.scores["style_before"]
    assert adapter.scores["diversity_after"] > 0
    assert pipe.get_active_adapters() == ["adapted"] and pipe.fingerprint == adapter.base == fingerprint
    after = pixels(pipe)
    assert (after - before).abs().mean() > 0.02

    file = adapter.save(tmp_path / "stripes.safetensors")
    pipe.unload_adapters()
    assert torch.equal(pixels(pipe), before)
    pipe.load_adapter(file)
    assert (pixels(pipe) - after).abs().mean() < 0.01
    assert GeneratorAdapter.load(file).kind == "generator"


def test_the_same_seed_and_steps_give_the_same_adapter(pipe):
    one, same, other = (pipe.adapt(stripes(32), steps=2, seed=seed, config=FAST).deltas for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_domains_blend(pipe):
    pipe.adapt(stripes(32), steps=3, name="stripes", config=FAST)
    pipe.adapt(smooth_noise((32, 32), 0), steps=3, name="clouds", config=FAST)
    generator = pipe.generator.synthesis.enter
    pipe.set_adapters([])
    base = generator.bias.clone()
    pipe.set_adapters("stripes")
    stripes_bias = generator.bias.clone()
    pipe.set_adapters("clouds")
    clouds_bias = generator.bias.clone()
    pipe.set_adapters(["stripes", "clouds"], [0.25, 0.75])
    assert torch.allclose(generator.bias, base + 0.25 * (stripes_bias - base) + 0.75 * (clouds_bias - base), atol=1e-6)


def test_what_is_saved_is_the_base(pipe, tmp_path):
    before = pixels(pipe)
    pipe.adapt(stripes(32), steps=2, config=FAST)
    pipe.save_pretrained(tmp_path)
    assert pipe.get_active_adapters() == ["adapted"]
    assert torch.equal(pixels(GenerationPipeline.from_pretrained(tmp_path)), before)


def test_stopping_keeps_what_is_learned_and_a_failure_the_adapters_before(pipe):
    adapter = pipe.adapt(stripes(32), steps=50, callback=lambda p: p.step == 2 and p.stop(), config=FAST, name="first")
    assert adapter.steps == 2

    def fail(progress):
        raise RuntimeError("from the callback")

    with pytest.raises(RuntimeError, match="from the callback"):
        pipe.adapt(stripes(32), steps=5, callback=fail, config=FAST)
    assert pipe.get_active_adapters() == ["first"]
    assert not any(p.requires_grad for p in pipe.generator.parameters())


def test_correspondence_keeps_resemblances_nearer_to_the_source(pipe):
    free = dataclasses.replace(FAST, correspondence_weight=0.0, adv_weight=0.0)
    bound = dataclasses.replace(free, correspondence_weight=1e5)
    found = [pipe.adapt(stripes(32), steps=8, config=config).scores for config in (free, bound)]
    assert abs(found[1]["diversity_after"] - found[1]["diversity_before"]) < abs(
        found[0]["diversity_after"] - found[0]["diversity_before"]
    )


def test_classes_are_adapted_together_or_one_alone():
    pipe = GenerationPipeline(tiny_generator(2), classes=["oak", "ash"])
    adapter = pipe.adapt(stripes(32), steps=1, label="ash", config=FAST)
    assert adapter.steps == 1
    assert pipe.adapt(stripes(32), steps=1, config=FAST).steps == 1
    with pytest.raises(ValueError, match="does not know"):
        pipe.adapt(stripes(32), steps=1, label="elm")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"images": []}, "`images` is empty"),
        ({"images": ["absent.png"]}, "absent.png"),
        ({"images": [stripes(16)] * 101}, "1 to 100 images, got 101"),
        ({"images": stripes(16), "max_seconds": 0}, "`max_seconds` is 0"),
        ({"images": stripes(16), "steps": 0}, "`steps` is 0"),
        ({"images": stripes(16), "seed": -1}, "`seed` is -1"),
    ],
)
def test_bad_calls(pipe, options, message):
    with pytest.raises(ValueError, match=message):
        pipe.adapt(**options)


@pytest.mark.parametrize("options", [{"train": "all"}, {"batch_size": 2}, {"rank": 0}, {"ema_decay": 1.0}])
def test_settings_that_cannot_be(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        GeneratorAdaptationConfig(**options)


def test_weights_that_are_not_finite_are_told(pipe):
    pipe.generator.synthesis.enter.weight.data.fill_(float("nan"))
    with pytest.raises((AdapterError, ValueError), match="finite|NaN"):
        pipe.adapt(stripes(32), steps=2, config=FAST)
