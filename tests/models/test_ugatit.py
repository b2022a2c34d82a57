import pytest
import torch

from styleadapt.models.ugatit import UGATITDiscriminator, UGATITGenerator, _Moments, _UpConv
from styleadapt.models.ugatit_checkpoint import NETWORKS, load_ugatit_checkpoint
from ugatit_networks import (
    discriminator_state,
    official_checkpoint,
    official_discriminator,
    official_generator,
    reference_discriminator,
    reference_generator,
)

SIZES = {False: [(32, 32), (31, 30)], True: [(32, 40), (37, 22), (5, 5)]}
CASES = [(light, size) for light, sizes in SIZES.items() for size in sizes]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture(scope="module", params=[False, True], ids=["full", "light"])
def light(request):
    return request.param


@pytest.fixture
def generator(light):
    return UGATITGenerator(channels=4, blocks=1, image_size=32, light=light)


@pytest.fixture
def discriminator():
    return UGATITDiscriminator(channels=4, n_layers=5)


def loaded(tmp_path, **networks):
    """Our models of the given official weights, by official name."""
    checkpoint = {**official_checkpoint(light=True), **networks}
    torch.save(checkpoint, tmp_path / "official.pt")
    models = load_ugatit_checkpoint(tmp_path / "official.pt")
    return [models[NETWORKS[name]] for name in networks]


def assert_equal(out, reference, tolerance):
    for ours, theirs in zip(out.to_tuple(), reference, strict=True):
        torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=0)


def image(*size, dtype=torch.float32):
    return torch.rand(2, 3, *size, dtype=dtype) * 2 - 1


@pytest.mark.parametrize("light, size", CASES)
def test_generator_equals_the_reference(tmp_path, light, size):
    weights = official_generator(light=light)
    (ours,) = loaded(tmp_path, genA2B=weights)
    x = image(*size)
    with torch.no_grad():
        out = ours(x)
        assert_equal(out, reference_generator(weights, x, light), 1e-5)
        assert_equal(ours(x.contiguous(memory_format=torch.channels_last)), out.to_tuple(), 1e-5)


def test_generator_is_the_reference_in_double_precision_gradients_as_well(tmp_path, light):
    weights = official_generator(light=light)
    (ours,) = loaded(tmp_path, genA2B=weights)
    ours = torch.nn.Module.to(ours, torch.float64)
    weights = {key: value.double().requires_grad_() for key, value in weights.items()}
    x = image(32, 32, dtype=torch.float64)
    x_reference = x.clone().requires_grad_()
    x.requires_grad_()
    out, reference = ours(x), reference_generator(weights, x_reference, light)
    assert_equal(out, reference, 1e-9)
    for tensors in (out.to_tuple(), reference):
        sum((t * torch.linspace(-1, 1, t.numel(), dtype=t.dtype).view(t.shape)).sum() for t in tensors).backward()
    torch.testing.assert_close(x.grad, x_reference.grad, atol=1e-8, rtol=1e-8)
    pairs = [
        (ours.enter.weight, "DownBlock.1.weight"),
        (ours.encoder[1].conv2.weight, "DownBlock.13.conv_block.5.weight"),
        (ours.cam.fuse.weight, "conv1x1.weight"),
        (ours.cam.maximum.weight, "gmp_fc.weight"),
        (ours.style[0].weight, "FC.0.weight"),
        (ours.beta.weight, "beta.weight"),
        (ours.decoder[0].norm1.rho, "UpBlock1_1.norm1.rho"),
        (ours.up[0].conv.weight, "UpBlock2.2.weight"),
        (ours.up[1].norm.rho, "UpBlock2.8.rho"),
        (ours.up[1].gamma, "UpBlock2.8.gamma"),
        (ours.exit.weight, "UpBlock2.11.weight"),
    ]
    for parameter, key in pairs:
        torch.testing.assert_close(parameter.grad.flatten(), weights[key].grad.flatten(), atol=1e-8, rtol=1e-8, msg=key)


def test_generator_keeps_its_precision_on_a_pale_image(tmp_path):
    """Where a channel's mean is far larger than its deviation, E[x^2] - E[x]^2 would be off by more."""
    weights = official_generator(light=True)
    (ours,) = loaded(tmp_path, genA2B=weights)
    x = 0.9 + 0.02 * torch.rand(1, 3, 32, 32)
    exact = reference_generator({key: value.double() for key, value in weights.items()}, x.double(), True)
    plain = reference_generator(weights, x, True)
    with torch.no_grad():
        out = ours(x)
    for ours_, plain_, exact_ in zip(out.to_tuple(), plain, exact):
        assert (ours_ - exact_).abs().max() < 2 * (plain_ - exact_).abs().max() + 1e-5


@pytest.mark.parametrize("n_layers, size", [(7, (96, 96)), (7, (130, 101)), (5, (32, 40)), (5, (24, 27))])
def test_discriminator_equals_the_reference_in_both_modes(tmp_path, n_layers, size):
    layers = official_discriminator(2, n_layers)
    with torch.no_grad():
        reference_discriminator(layers, image(*size))
        (ours,) = loaded(tmp_path, disGA=discriminator_state(layers))
        for layer in layers.values():
            layer.eval()
        x = image(*size)
        assert_equal(ours(x), reference_discriminator(layers, x), 1e-5)
        ours.train()
        for layer in layers.values():
            layer.train()
        for _ in range(3):
            x = image(*size)
            assert_equal(ours(x), reference_discriminator(layers, x), 1e-5)


def test_discriminator_gradients_equal_the_reference(tmp_path):
    layers = official_discriminator(2, 5)
    reference_discriminator(layers, image(32, 32))
    (ours,) = loaded(tmp_path, disLA=discriminator_state(layers))
    ours.train()
    real, fake = image(32, 32), image(32, 32)
    # two forwards before one backward, as in every GAN
    for network in (ours, lambda x: reference_discriminator(layers, x)):
        one, two = (out if isinstance(out, tuple) else out.to_tuple() for out in (network(real), network(fake)))
        sum((t - 1).square().mean() for t in one[:2]).add(sum(t.square().mean() for t in two[:2])).backward()
    for parameter, theirs in [
        (ours.convs[1].parametrizations.weight.original, layers["model.4"].weight_orig),
        (ours.convs[3].bias, layers["model.10"].bias),
        (ours.cam.average.parametrizations.weight.original, layers["gap_fc"].weight_orig),
        (ours.cam.fuse.weight, layers["conv1x1"].weight),
        (ours.patch.parametrizations.weight.original, layers["conv"].weight_orig),
    ]:
        torch.testing.assert_close(parameter.grad, theirs.grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("size", [(4, 4), (1, 3), (5, 2)])
def test_up_convolution_is_nearest_upsampling_padding_and_convolution(size):
    conv = _UpConv(3, 2, 3, bias=False).double()
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    padded = torch.nn.functional.pad(x.repeat_interleave(2, 2).repeat_interleave(2, 3), (1, 1, 1, 1), mode="reflect")
    torch.testing.assert_close(conv(x), torch.nn.functional.conv2d(padded, conv.weight))


def test_moments_have_right_first_and_second_derivatives():
    x = torch.randn(2, 3, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(_Moments.apply, x)
    assert torch.autograd.gradgradcheck(_Moments.apply, x)


@pytest.mark.parametrize("size, expected", [((5, 5), (8, 8)), ((32, 40), (32, 40)), ((33, 47), (36, 48))])
def test_light_generator_rounds_sides_up_to_multiples_of_4(size, expected):
    with torch.inference_mode():
        out = UGATITGenerator(channels=4, blocks=1, light=True)(image(*size))
    assert out.sample.shape == (2, 3, *expected) and out.sample.abs().max() <= 1
    assert out.attention.shape == (2, 1, expected[0] // 4, expected[1] // 4) and (out.attention >= 0).all()
    assert out.cam_logits.shape == (2, 2)


def test_a_batch_is_its_images_one_by_one(generator):
    x = image(32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(generator(x).sample[1:], generator(x[1:]).sample, atol=1e-5, rtol=0)


def test_every_parameter_gets_a_gradient(generator, discriminator):
    out = generator(image(32, 32))
    judged = discriminator(out.sample)
    sum(t.square().mean() for t in (out.cam_logits, judged.logits, judged.cam_logits)).backward()
    for name, p in (*generator.named_parameters(), *discriminator.named_parameters()):
        assert p.grad is not None and p.grad.isfinite().all() and p.grad.abs().max() > 0, name


def test_clip_rho_brings_every_rho_back_and_touches_nothing_else(generator):
    rhos = {name: p for name, p in generator.named_parameters() if name.endswith("rho")}
    assert len(rhos) == 4
    others = {name: p.clone() for name, p in generator.named_parameters() if name not in rhos}
    assert {name: set(p.tolist()) for name, p in rhos.items() if "up." in name} == {f"up.{i}.norm.rho": {0.0} for i in (0, 1)}
    for p in rhos.values():
        torch.nn.init.uniform_(p, -1, 2)
    inside = {name: (p >= 0) & (p <= 1) for name, p in rhos.items()}
    before = {name: p.clone() for name, p in rhos.items()}
    generator.clip_rho()
    for name, p in rhos.items():
        assert p.requires_grad and p.min() >= 0 and p.max() <= 1
        assert torch.equal(p[inside[name]], before[name][inside[name]])
    assert all(torch.equal(p, others[name]) for name, p in generator.named_parameters() if name in others)


def test_save_and_load(generator, discriminator, tmp_path):
    discriminator(image(32, 32))
    x = image(32, 32)
    for model in (generator, discriminator):
        model.save_pretrained(tmp_path / type(model).__name__)
        again = type(model).from_pretrained(tmp_path / type(model).__name__)
        assert again.config.items() <= model.config.items()
        with torch.no_grad():
            for ours, theirs in zip(model.eval()(x).to_tuple(), again(x).to_tuple()):
                assert torch.equal(ours, theirs)


def test_bf16_weights_and_autocast_stay_close(generator, discriminator):
    x = image(32, 32)
    discriminator.eval()
    with torch.no_grad():
        exact = generator(x).sample, discriminator(x).logits
        with torch.autocast("cpu", torch.bfloat16):
            mixed = generator(x).sample, discriminator(x).logits
        half = [torch.nn.Module.to(model, torch.bfloat16)(x.bfloat16()) for model in (generator, discriminator)]
    assert half[0].sample.dtype == half[1].logits.dtype == half[0].attention.dtype == torch.bfloat16
    for e, m, h in zip(exact, mixed, (half[0].sample, half[1].logits)):
        assert (e - m.float()).abs().mean() < 0.02 and (e - h.float()).abs().mean() < 0.02


def test_discriminator_output_has_its_logits_as_sample_too(discriminator):
    out = discriminator(image(32, 40))
    assert out.sample is out.logits and out.logits.shape == (2, 1, 2, 3)
    assert out.attention.shape == (2, 1, 3, 4) and out.cam_logits.shape == (2, 2)


def test_wrong_sizes_are_refused_with_the_number():
    with pytest.raises(ValueError, match="32 x 32 px alone, got 40 x 32"):
        UGATITGenerator(channels=2, blocks=1, image_size=32)(image(32, 40))
    with pytest.raises(ValueError, match="5 px at least, got 9 x 4"):
        UGATITGenerator(channels=2, blocks=1, light=True)(image(4, 9))
    with pytest.raises(ValueError, match="96 px at least, got 96 x 95"):
        UGATITDiscriminator(channels=1, n_layers=7)(image(95, 96))


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: UGATITGenerator(channels=0), "`channels` is 0"),
        (lambda: UGATITGenerator(blocks=0), "`blocks` is 0"),
        (lambda: UGATITGenerator(channels=1, image_size=30), "`image_size` is 30"),
        (lambda: UGATITDiscriminator(n_layers=2), "`n_layers` 2"),
    ],
)
def test_wrong_configs_are_refused_by_name(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_gradient_checkpointing_changes_no_output_and_no_gradient(generator):
    results = []
    for _ in range(2):
        generator.zero_grad()
        out = generator(torch.linspace(-1, 1, 3 * 32 * 32).view(1, 3, 32, 32))
        (out.sample.square().sum() + out.cam_logits.sum()).backward()
        results.append([*out.to_tuple(), *(p.grad.clone() for p in generator.parameters())])
        generator.enable_gradient_checkpointing()
    assert generator.gradient_checkpointing and all(torch.equal(a, b) for a, b in zip(*results))


def test_gradient_checkpointing_keeps_fewer_activations():
    generator = UGATITGenerator(channels=4, blocks=2, light=True)
    kept = []
    for _ in range(2):
        kept.append(0)

        def count(tensor):
            kept[-1] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            generator(torch.zeros(1, 3, 32, 32))
        generator.enable_gradient_checkpointing()
    assert kept[1] < 0.6 * kept[0]
