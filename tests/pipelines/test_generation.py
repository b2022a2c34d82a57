import json

import numpy as np
import pytest
import torch

from styleadapt import GenerationPipeline, ModelLoadError, StyleGAN2Generator
from styleadapt.images.images import tensor_to_image
from styleadapt.models.gan import GANGenerator
from styleadapt.models.pggan import PGGANGenerator
from styleadapt.models.stylegan2 import mix_styles
from styleadapt.pipelines import latent_space


def tiny_generator(num_classes: int = 0) -> StyleGAN2Generator:
    torch.manual_seed(0)
    generator = StyleGAN2Generator(
        16, latent_dim=6, code_dim=8, mapping_layers=2, mapping_lr=1.0, channel_base=64, num_classes=num_classes
    )
    generator.mapping.w_avg.normal_()
    for module in generator.modules():
        if hasattr(module, "noise_strength"):
            torch.nn.init.constant_(module.noise_strength, 0.3)
    return generator


@pytest.fixture
def pipe():
    return GenerationPipeline(tiny_generator())


@pytest.fixture
def classy():
    return GenerationPipeline(tiny_generator(3), classes=["oak", "beech", "ash"])


def same(a, b) -> bool:
    return len(a) == len(b) and all(x.tobytes() == y.tobytes() for x, y in zip(a, b))


def test_pictures_are_those_of_the_generator(pipe):
    out = pipe(num_images=3, seed=5, truncation=0.6)
    with torch.inference_mode():
        expected = pipe.generator(pipe.latents(3, 5), truncation=0.6, noise="constant")
    assert same(out.images, tensor_to_image(expected.sample))
    assert torch.equal(out.w, expected.w) and torch.equal(out.latents, pipe.latents(3, 5)) and out.labels is None
    assert out.images[0].size == (16, 16) and out.images[0].mode == "RGB"


def test_a_seed_gives_the_same_pictures_and_another_one_others(pipe):
    one = pipe(num_images=2, seed=1).images
    torch.manual_seed(99)
    assert same(one, pipe(num_images=2, seed=1).images)
    assert not same(one, pipe(num_images=2, seed=2).images)


def test_the_contract_of_the_defaults(pipe):
    assert same(pipe().images, pipe(num_images=4, seed=0, truncation=0.7, label=None).images)


def test_truncation_to_nothing_gives_one_picture(pipe):
    images = pipe(num_images=3, truncation=0).images
    assert same(images[:1] * 3, images)
    with torch.inference_mode():
        mean = pipe.generator.mapping.w_avg.expand(1, pipe.generator.num_layers, -1)
        assert same(images[:1], tensor_to_image(pipe.generator.synthesis(mean, "constant")))


def test_latents_and_codes_instead_of_a_seed(pipe):
    out = pipe(num_images=3, seed=7)
    assert same(pipe(latents=out.latents).images, out.images)
    assert same(pipe(latents=out.latents[1].numpy()).images, out.images[1:2])
    assert same(pipe(w=out.w, truncation=0.1).images, out.images)
    assert same(pipe(w=out.w[2]).images, out.images[2:])
    assert same(pipe(latents=7).images, out.images[:1])


def test_batches_do_not_change_the_pictures(pipe, monkeypatch):
    whole = np.stack(pipe(num_images=5).images).astype(int)
    monkeypatch.setattr(latent_space, "BATCH_PIXELS", 2 * 16 * 16)
    assert abs(np.stack(pipe(num_images=5).images) - whole).max() <= 1


def test_output_types(pipe):
    images = np.stack(pipe().images)
    assert np.array_equal(pipe(output_type="np").images, images.astype(np.float32) / np.float32(255))
    assert pipe(output_type="pt").images.shape == (4, 3, 16, 16)


def test_classes_by_name_by_number_and_in_turn(classy):
    assert classy(num_images=2, label="ash").labels == [2, 2]
    assert same(classy(num_images=2, label="ash").images, classy(num_images=2, label=2).images)
    assert not same(classy(num_images=2, label="ash").images, classy(num_images=2, label="oak").images)
    out = classy(num_images=4, label=["oak", 1], truncation=1)
    assert out.labels == [0, 1, 0, 1]
    assert same(out.images[1:2], classy(latents=out.latents[1], label="beech", truncation=1).images)
    assert sorted(classy(num_images=3, seed=4).labels) == [0, 1, 2]


@pytest.mark.parametrize("crossover", [0, 2, 6, None])
def test_mixing_takes_the_coarse_layers_of_one_and_the_fine_ones_of_the_other(pipe, crossover):
    a, b = pipe(num_images=2, seed=3).w
    layer = 3 if crossover is None else crossover
    out = pipe.mix(a[None], b[None], crossover)
    assert torch.equal(out.w, mix_styles(a[None], b[None], layer))
    assert same(out.images, pipe(w=out.w).images)
    assert not same(pipe(w=a).images, pipe(w=b).images)


def test_mixing_takes_latents_seeds_and_codes(pipe):
    a, b = pipe(num_images=1, seed=3), pipe(num_images=1, seed=4)
    whole = pipe.mix(a.w, b.w).images
    assert same(pipe.mix(3, 4).images, whole)
    assert same(pipe.mix(a.latents[0], b.latents).images, whole)
    assert same(pipe.mix(a.w[0], b.w[0]).images, whole)
    assert len(pipe.mix(pipe.latents(5), 4).images) == 5


def test_one_picture_s_codes_that_could_be_latents_are_refused():
    pipe = GenerationPipeline(StyleGAN2Generator(8, latent_dim=4, code_dim=4, mapping_layers=1, channel_base=16))
    w = pipe(num_images=1).w
    with pytest.raises(ValueError, match=r"pass codes with a batch axis, `w\[None\]`"):
        pipe.mix(w[0], 1)
    assert len(pipe.mix(w, 1).images) == 1 and len(pipe.mix(pipe.latents(3), 1).images) == 3


def test_mixing_classes(classy):
    coarse, fine = classy(num_images=1, seed=3, label="oak").w, classy(num_images=1, seed=4, label="ash").w
    assert torch.equal(classy.mix(3, 4, label=["oak", "ash"]).w, mix_styles(coarse, fine, 3))
    assert torch.equal(classy.mix(3, 4).w[0, 0], classy(num_images=1, seed=3).w[0, 0])


def test_classes_of_both_ends_may_be_an_array_or_a_tensor(classy):
    expected = classy.mix(3, 4, label=[0, 2]).w
    for several in (np.array([0, 2]), torch.tensor([0, 2])):
        assert torch.equal(classy.mix(3, 4, label=several).w, expected)
    w = classy(num_images=1).w
    with pytest.raises(ValueError, match="`a` and `b` are codes.* leave `label` out"):
        classy.mix(w, w, label="oak")


def test_interpolation_is_a_straight_line_of_codes_with_both_ends(pipe):
    a, b = pipe(num_images=1, seed=1), pipe(num_images=1, seed=2)
    out = pipe.interpolate(1, 2, 5)
    assert len(out.images) == 5
    assert same(out.images[:1], a.images) and same(out.images[-1:], b.images)
    assert torch.allclose(out.w[1], 0.75 * a.w[0] + 0.25 * b.w[0], atol=1e-6)


def shift_the_start(generator) -> None:
    """What a picture begins with, and its noise, go a quarter to the right."""
    synthesis = generator.synthesis
    with torch.no_grad():
        synthesis.const.copy_(synthesis.const.roll(1, 2))
    for module in synthesis.modules():
        if hasattr(module, "noise_const"):
            module.noise_const.copy_(module.noise_const.roll(len(module.noise_const) // 4, 1))


def test_nothing_marks_the_edge_of_tileable_pictures(pipe):
    plain, tiled = pipe(), pipe(tileable=True)
    assert not pipe.generator.tileable and same(plain.images, pipe().images)
    shift_the_start(pipe.generator)
    shifted, moved = (np.stack(pipe(tileable=on).images).astype(int) for on in (True, False))
    assert abs(np.roll(np.stack(tiled.images), 4, 2) - shifted).max() <= 1
    assert abs(np.roll(np.stack(plain.images), 4, 2) - moved).max() > 10


@pytest.mark.parametrize(
    "options, message",
    [
        ({"num_images": 0}, "`num_images` is 0"),
        ({"num_images": 1001}, "`num_images` is 1001"),
        ({"seed": "a"}, "`seed` is 'a'"),
        ({"truncation": 1.6}, "`truncation` is 1.6"),
        ({"truncation": -1}, "`truncation` is -1"),
        ({"label": 0}, "knows no classes"),
        ({"latents": torch.zeros(2, 7)}, r"`latents` has the shape \(2, 7\)"),
        ({"latents": torch.full((1, 6), float("inf"))}, "not finite"),
        ({"w": torch.zeros(1, 6)}, r"`w` has the shape .*this generator takes \(B, 6, 8\)"),
        ({"w": torch.zeros(6, 8), "latents": torch.zeros(6)}, "leave `latents` and `label` out"),
        ({"output_type": "latent"}, "`output_type` is 'latent'"),
    ],
)
def test_bad_calls(pipe, options, message):
    with pytest.raises(ValueError, match=message):
        pipe(**options)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda pipe: pipe.mix(0, 1, crossover=7), "layer from 0 to 6"),
        (lambda pipe: pipe.mix(pipe.latents(2), pipe.latents(3)), "of 2 pictures and `b` of 3"),
        (lambda pipe: pipe.mix(0, "b"), "`b` is a str"),
        (lambda pipe: pipe.interpolate(0, 1, steps=1), "`steps` is 1"),
        (lambda pipe: pipe.interpolate(0, 1, steps=10**6), "`steps` is 1000000"),
        (lambda pipe: pipe.interpolate(pipe.latents(2), 1), "pass one each"),
        (lambda pipe: pipe.interpolate(0, 1, label=[0, 1, 2]), "`label` has 3 entries"),
        (lambda pipe: pipe.latents(0), "`num_images` is 0"),
    ],
)
def test_bad_ways(pipe, call, message):
    with pytest.raises(ValueError, match=message):
        call(pipe)


@pytest.mark.parametrize("classes", [None, ["one", "two"]])
def test_saved_and_loaded_it_makes_the_same(tmp_path, classes):
    pipe = GenerationPipeline(tiny_generator(2 if classes else 0), classes=classes)
    pipe.save_pretrained(tmp_path)
    again = GenerationPipeline.from_pretrained(tmp_path)
    assert again.classes == classes
    assert same(pipe().images, again().images)


@pytest.mark.parametrize("classes", [["a"], ["a", "a"], ["a", ""], "ab", [1, 2]])
def test_names_that_do_not_fit_the_classes(tmp_path, classes):
    with pytest.raises(ValueError, match="2 different names"):
        GenerationPipeline(tiny_generator(2), classes=classes)
    GenerationPipeline(tiny_generator(2)).save_pretrained(tmp_path)
    index = json.loads((tmp_path / "model_index.json").read_text(encoding="utf-8"))
    (tmp_path / "model_index.json").write_text(json.dumps({**index, "classes": classes}), encoding="utf-8")
    with pytest.raises(ModelLoadError, match="2 different names"):
        GenerationPipeline.from_pretrained(tmp_path)


def test_a_picture_of_the_generator_is_found(pipe):
    wanted = pipe(num_images=1, seed=77, truncation=0.9)
    seen = []
    found = pipe.project(wanted.images[0], steps=40, seed=1, callback=lambda progress: seen.append(progress))
    assert found.distance < 0.3 * found.start_distance
    assert found.w.shape == wanted.w.shape and same(pipe(w=found.w).images, found.images)
    assert [p.step for p in seen] == list(range(1, 41)) and seen[-1].fraction == 1
    assert not pipe.generator.tileable and not any(p.requires_grad for p in pipe.generator.parameters())
    again = pipe.project(wanted.images[0], steps=40, seed=1)
    assert torch.equal(again.w, found.w)


@pytest.mark.parametrize("stage", [0, 1])
def test_a_growing_generator_finds_pictures_of_its_present_size(pipe, stage):
    generator = PGGANGenerator(16, latent_dim=8, channel_base=64, channel_max=8)
    generator.grow(stage)
    found = GenerationPipeline(generator).project(pipe(num_images=1).images[0], steps=1)
    assert found.images[0].size == (generator.current_resolution,) * 2


def test_a_found_picture_has_its_class():
    generator = GANGenerator(32, latent_dim=8, channels=4, num_classes=3)
    assert GenerationPipeline(generator).project(np.zeros((32, 32, 3), np.uint8), steps=1, label=1).labels == [1]


def test_a_search_ends_when_told_and_after_its_time(pipe):
    image = pipe(num_images=1).images[0].resize((50, 30))
    steps = []
    pipe.project(image, steps=40, callback=lambda p: steps.append(p.step) or (p.step == 3 and p.stop()))
    assert steps == [1, 2, 3]
    steps.clear()
    pipe.project(image, max_seconds=1.0, callback=lambda p: steps.append(p.seconds))
    assert steps and steps[-1] < 3


@pytest.mark.parametrize("options, message", [({"steps": 0}, "`steps` is 0"), ({"max_seconds": 0}, "`max_seconds` is 0")])
def test_searches_without_a_budget(pipe, options, message):
    with pytest.raises(ValueError, match=message):
        pipe.project(pipe(num_images=1).images[0], **options)
    with pytest.raises(ValueError, match="absent.png"):
        pipe.project("absent.png")


def test_a_tileable_generator_makes_tileable_pictures_unless_told_otherwise(tmp_path):
    pipe = GenerationPipeline(tiny_generator(), tileable=True)
    pipe.save_pretrained(tmp_path)
    pipe = GenerationPipeline.from_pretrained(tmp_path)
    assert same(pipe().images, pipe(tileable=True).images)
    assert not same(pipe().images, pipe(tileable=False).images)
