import pytest
import torch

from styleadapt.losses.regularization import r1_penalty
from styleadapt.models.equalized import pixel_norm
from styleadapt.models.stylegan2 import StyleGAN2Discriminator, StyleGAN2Generator, block_channels, mix_styles

SIZES = {"latent_dim": 8, "code_dim": 6, "mapping_layers": 2, "channel_base": 64, "channel_max": 8}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def generator(resolution=16, **options):
    return StyleGAN2Generator(resolution, **{**SIZES, **options}).eval()


def noisy(model):
    for name, parameter in model.named_parameters():
        if name.endswith("noise_strength"):
            parameter.data.fill_(0.5)
    return model


@pytest.mark.parametrize("architecture", ["skip", "residual"])
@pytest.mark.parametrize("resolution", [8, 32, 64])
def test_shapes_and_how_large_the_values_are(architecture, resolution):
    model = generator(resolution, architecture=architecture, channel_base=1024, channel_max=64)
    out = model(torch.randn(3, 8))
    assert out.sample.shape == (3, 3, resolution, resolution)
    assert out.w.shape == (3, model.num_layers, 6) and model.num_layers == 2 * resolution.bit_length() - 4
    assert 0.2 < float(out.sample.detach().std()) < 4


def test_channels_are_those_of_the_paper():
    assert block_channels(1024, 32768, 512) == (512, 512, 512, 512, 512, 256, 128, 64, 32)
    with torch.device("meta"):
        model = StyleGAN2Generator(1024, 512, 512, 8, channel_base=32768, channel_max=512)
        judge = StyleGAN2Discriminator(1024, 32768, 512)
    assert (model.num_layers, len(judge.blocks)) == (18, 8)
    # what the authors' code prints for configuration F at 1024 px
    assert [sum(p.numel() for p in m.parameters()) for m in (model, judge)] == [30370060, 29012513]


def test_every_layer_has_its_code():
    """A change in layer n leaves what was made before it: with code n and later ones changed, earlier pictures stay the same."""
    model = generator(32)
    w1, w2 = model.mapping(torch.randn(1, 8)), model.mapping(torch.randn(1, 8))
    pictures = [model.synthesis(mix_styles(w1, w2, n), "none") for n in range(model.num_layers + 1)]
    torch.testing.assert_close(pictures[-1], model.synthesis(w1, "none"))
    torch.testing.assert_close(pictures[0], model.synthesis(w2, "none"))
    assert all(not torch.allclose(a, b, atol=1e-4) for a, b in zip(pictures, pictures[1:]))


def test_styles_mix_by_image_and_in_forward():
    w1, w2 = torch.zeros(2, 4, 1), torch.ones(2, 4, 1)
    assert mix_styles(w1, w2, torch.tensor([1, 4]))[..., 0].tolist() == [[0, 1, 1, 1], [0, 0, 0, 0]]
    model = generator()
    z1, z2 = torch.randn(2, 2, 8)
    out = model(z1, mix=(z2, 3), noise="none")
    assert torch.equal(out.w[:, :3], model.mapping(z1)[:, :3]) and torch.equal(out.w[:, 3:], model.mapping(z2)[:, 3:])


def test_the_mean_code_runs_in_training_and_truncation_draws_to_it():
    model = generator()
    z = torch.randn(5, 8)
    w = model.mapping(z)[:, 0]
    assert not model.mapping.w_avg.any()
    model.train()
    for _ in range(2):
        model.mapping(z)
    mean = w.mean(0)
    torch.testing.assert_close(model.mapping.w_avg, 0.005 * mean + 0.995 * 0.005 * mean)
    model.eval()
    average = model.mapping.w_avg
    torch.testing.assert_close(model.mapping(z, truncation=0.3)[:, 2], average + 0.3 * (w - average))
    torch.testing.assert_close(model(z, truncation=0.0, noise="none").w[0, 0], average)


def test_noise_follows_its_kind_and_its_generator():
    model = noisy(generator())
    w = model.mapping(torch.randn(1, 8)).expand(2, -1, -1)
    for kind, same in (("none", True), ("constant", True), ("random", False)):
        pictures = model.synthesis(w, kind)
        assert torch.allclose(pictures[0], pictures[1], atol=1e-5) == same
    assert not torch.allclose(model.synthesis(w, "none"), model.synthesis(w, "constant"), atol=1e-3)
    drawn = [model.synthesis(w, "random", torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.allclose(drawn[0], drawn[2], atol=1e-3)


@pytest.mark.parametrize("architecture", ["skip", "residual"])
@torch.no_grad()
def test_tileable_pictures_turn_with_their_constant(architecture):
    model = generator(32, architecture=architecture)
    w = model.mapping(torch.randn(2, 8))
    edged = model.synthesis(w, "none")
    assert not model.tileable
    model.tileable = True
    assert model.tileable
    picture = model.synthesis(w, "none")
    model.synthesis.const.data = model.synthesis.const.roll((1, 2), (1, 2))
    torch.testing.assert_close(model.synthesis(w, "none"), picture.roll((8, 16), (2, 3)), atol=1e-5, rtol=1e-5)
    model.tileable = False
    rolled = model.synthesis(w, "none")
    assert not torch.allclose(rolled, edged.roll((8, 16), (2, 3)), atol=1e-2)


@torch.no_grad()
def test_the_seam_of_a_tile_is_as_smooth_as_its_inside():
    model = noisy(generator(64, channel_base=512, channel_max=32))
    model.tileable = True
    x = model.synthesis(model.mapping(torch.randn(8, 8)), "random")
    inside = (x[..., 1:] - x[..., :-1]).abs().mean()
    seam = (x[..., 0] - x[..., -1]).abs().mean()
    assert 0.75 < float(seam / inside) < 1.33


def test_labels_choose_the_picture_by_a_normalized_embedding():
    model = generator(num_classes=3)
    z = torch.randn(1, 8).expand(3, -1)
    w = model.mapping(z, torch.arange(3))
    assert not torch.allclose(w[0], w[1]) and not torch.allclose(w[1], w[2])
    model.mapping.embed.weight.data *= 7
    torch.testing.assert_close(model.mapping(z, torch.arange(3)), w, atol=1e-5, rtol=1e-4)
    # by hand: both parts have a mean square of 1
    joined = torch.cat([pixel_norm(z[:1]), pixel_norm(model.mapping.embed.weight[1:2])], 1)
    torch.testing.assert_close(joined.square().mean(), torch.tensor(1.0))
    for layer in model.mapping.layers:
        joined = layer(joined)
    torch.testing.assert_close(w[1, 0], joined[0], atol=1e-5, rtol=1e-4)


def test_the_mapping_network_learns_slowly_and_begins_the_same():
    torch.manual_seed(1)
    slow = generator(mapping_lr=0.01)
    torch.manual_seed(1)
    quick = generator(mapping_lr=1.0)
    z = torch.randn(2, 8)
    torch.testing.assert_close(slow.mapping(z), quick.mapping(z), atol=1e-5, rtol=1e-4)
    for model, factor in ((slow, 0.01), (quick, 1.0)):
        model.mapping(z).sum().backward()
        model.unit = model.mapping.layers[0].weight.grad / factor
    torch.testing.assert_close(slow.unit, quick.unit, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("architecture", ["residual", "plain"])
def test_the_discriminator_gives_one_logit_and_its_features(architecture):
    judge = StyleGAN2Discriminator(32, 256, 16, architecture=architecture)
    out = judge(torch.randn(4, 3, 32, 32))
    assert out.logits.shape == (4, 1) and out.class_logits is None
    assert [tuple(f.shape) for f in out.features] == [(4, 16, 16, 16), (4, 16, 8, 8), (4, 16, 4, 4), (4, 16, 4, 4)]
    assert len(judge.blocks) == 3 and (judge.blocks[0].skip is None) == (architecture == "plain")


def test_batches_are_compared_unless_the_discriminator_classifies():
    x = torch.randn(4, 3, 16, 16)
    for options, depends in (({}, True), ({"num_classes": 3, "head": "auxiliary"}, False), ({"deviation_group": 0}, False)):
        judge = StyleGAN2Discriminator(16, 64, 8, **options)
        alone, among = judge(x[:1]).logits, judge(x).logits[:1]
        assert torch.allclose(alone, among, atol=1e-6) != depends


@pytest.mark.parametrize("architecture", ["residual", "plain"])
def test_r1_reaches_every_weight_of_the_discriminator(architecture):
    judge = StyleGAN2Discriminator(16, 64, 8, architecture=architecture)
    x = torch.randn(4, 3, 16, 16, requires_grad=True)
    r1_penalty(judge(x).logits, x).sum().backward()
    weights = {n: p for n, p in judge.named_parameters() if n.endswith("weight")}
    assert weights and all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in weights.values())


def test_channels_last_and_bfloat16_stay_close():
    model, judge = noisy(generator(32)), StyleGAN2Discriminator(32, 64, 8).eval()
    z, x = torch.randn(2, 8), torch.randn(2, 3, 32, 32)
    picture, logits = model(z, noise="constant").sample, judge(x).logits
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(z, noise="constant")
        assert (rough.sample - picture).abs().mean() < 0.02 * picture.abs().mean() + 0.02 and rough.w.dtype == torch.float32
        torch.testing.assert_close(judge(x).logits.float(), logits, atol=0.1, rtol=0.1)
    model, judge = model.to(memory_format=torch.channels_last), judge.to(memory_format=torch.channels_last)
    torch.testing.assert_close(model(z, noise="constant").sample, picture, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(judge(x.to(memory_format=torch.channels_last)).logits, logits, atol=1e-4, rtol=1e-4)
    assert model.bfloat16()(z.bfloat16()).sample.dtype == torch.bfloat16
    assert judge.bfloat16()(x.bfloat16()).logits.dtype == torch.bfloat16


@pytest.mark.parametrize("options", [{}, {"num_classes": 2, "architecture": "residual", "clamp": 256.0}])
def test_saving_and_loading_keep_the_picture(tmp_path, options):
    model = noisy(generator(**options))
    model.mapping.w_avg.normal_()
    model.save_pretrained(tmp_path)
    again = StyleGAN2Generator.from_pretrained(tmp_path)
    arguments = (torch.randn(2, 8), torch.tensor([0, 1]) if options else None, 0.7, "constant")
    torch.testing.assert_close(again(*arguments).sample, model(*arguments).sample)
    judge = StyleGAN2Discriminator(16, 64, 8, num_classes=2, head="k+1", architecture="plain")
    judge.save_pretrained(tmp_path / "judge")
    x = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(StyleGAN2Discriminator.from_pretrained(tmp_path / "judge")(x).class_logits, judge(x).class_logits)


def test_freezing_keeps_the_fine_blocks_as_they_are():
    judge = StyleGAN2Discriminator(32, 64, 8)
    judge.freeze_lower(2)
    frozen = {name for name, p in judge.named_parameters() if not p.requires_grad}
    assert frozen and all(name.startswith(("from_rgb", "blocks.0.", "blocks.1.")) for name in frozen)
    judge = StyleGAN2Discriminator(32, 64, 8)
    judge.freeze_lower(0)
    assert all(p.requires_grad for p in judge.parameters())


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: generator(24), "`resolution` is 24"),
        (lambda: generator(2048), "`resolution` is 2048"),
        (lambda: generator(channel_base=8), "no channels at 16 px"),
        (lambda: generator(architecture="resnet"), "'skip' or 'residual'"),
        (lambda: generator(mapping_layers=0), "1 at least"),
        (lambda: generator()(torch.randn(2, 9)), r"\(B, 8\), got \(2, 9\)"),
        (lambda: generator()(torch.randn(8)), r"got \(8,\)"),
        (lambda: generator()(torch.randn(1, 8), torch.tensor([0])), "without classes"),
        (lambda: generator(num_classes=2)(torch.randn(1, 8)), "2 classes needs `label`"),
        (lambda: generator(num_classes=2)(torch.randn(1, 8), torch.tensor([2])), "0 to 1, got 2"),
        (lambda: generator(num_classes=2)(torch.randn(1, 8), torch.tensor([-1])), "0 to 1, got -1"),
        (lambda: generator(num_classes=2)(torch.randn(1, 8), torch.tensor([0.0])), "int64"),
        (lambda: generator()(torch.randn(1, 8), noise="some"), "`noise` is 'some'"),
        (lambda: generator().synthesis(torch.randn(1, 5, 6)), r"\(B, 6, 6\), got \(1, 5, 6\)"),
        (lambda: StyleGAN2Discriminator(16, 64, 8)(torch.zeros(1, 3, 32, 32)), r"got \(1, 3, 32, 32\)"),
        (lambda: StyleGAN2Discriminator(16, architecture="skip"), "'residual' or 'plain'"),
        (lambda: StyleGAN2Discriminator(16, deviation_group=-1), "`deviation_group` is -1"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
