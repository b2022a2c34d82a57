import pytest
import torch
import torch.nn as nn

from styleadapt.losses.adversarial import adversarial_losses
from styleadapt.losses.regularization import r1_penalty
from styleadapt.models.gan import GANDiscriminator, GANGenerator


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def dcgan_pair(channels, latent_dim):
    """DCGAN at 64 px as a list of layers, as in its figure 1."""
    c = channels

    def up(i, o):
        return nn.ConvTranspose2d(i, o, 4, 2, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU()

    def down(i, o):
        return nn.Conv2d(i, o, 4, 2, 1, bias=False), nn.BatchNorm2d(o), nn.LeakyReLU(0.2)

    generator = nn.Sequential(
        nn.ConvTranspose2d(latent_dim, 8 * c, 4, 1, 0, bias=False),
        *(nn.BatchNorm2d(8 * c), nn.ReLU(), *up(8 * c, 4 * c), *up(4 * c, 2 * c), *up(2 * c, c)),
        *(nn.ConvTranspose2d(c, 3, 4, 2, 1), nn.Tanh()),
    )
    discriminator = nn.Sequential(
        *(nn.Conv2d(3, c, 4, 2, 1), nn.LeakyReLU(0.2), *down(c, 2 * c), *down(2 * c, 4 * c), *down(4 * c, 8 * c)),
        nn.Conv2d(8 * c, 1, 4, 1, 0),
    )
    return generator, discriminator


def test_plain_blocks_are_dcgan():
    generator, judge = GANGenerator(64, 10, 4), GANDiscriminator(64, 4)
    their_generator, their_judge = dcgan_pair(4, 10)
    state = [value.clone() for value in generator.state_dict().values()]
    state[0] = generator.enter.weight.detach().T.reshape(10, 32, 4, 4)  # a 4x4 kernel on one pixel
    order = {key: n for n, key in enumerate(generator.state_dict())}
    names = ["enter", "norm", "layers.0.conv", "layers.0.norm", "layers.1.conv", "layers.1.norm", "layers.2.conv"]
    names += ["layers.2.norm", "to_rgb"]
    theirs = [m for m in their_generator if list(m.state_dict())]
    for name, module in zip(names, theirs, strict=True):
        module.load_state_dict({key: state[order[f"{name}.{key}"]] for key in module.state_dict()})
    z = torch.randn(3, 10)
    torch.testing.assert_close(generator(z).sample, their_generator(z[:, :, None, None]))
    names = ["layers.0.conv"] + [f"layers.{n}.{part}" for n in (1, 2, 3) for part in ("conv", "norm")]
    ours = [judge.get_submodule(name) for name in names]
    theirs = [m for m in their_judge if list(m.state_dict())]
    for module, other in zip(ours, theirs):
        other.load_state_dict(module.state_dict())
    theirs[-1].weight.data = judge.verdict.out.weight.detach().view(1, 32, 4, 4)
    theirs[-1].bias.data = judge.verdict.out.bias.detach()
    x = torch.randn(3, 3, 64, 64)
    torch.testing.assert_close(judge(x).logits, their_judge(x).flatten(1))


@pytest.mark.parametrize("blocks", ["plain", "resnet"])
@pytest.mark.parametrize("resolution", [32, 64, 128])
def test_sizes_and_ranges(blocks, resolution):
    generator = GANGenerator(resolution, 8, 2, blocks=blocks)
    judge = GANDiscriminator(resolution, 2, blocks=blocks)
    out = generator(torch.randn(3, 8))
    assert out.sample.shape == (3, 3, resolution, resolution) and out.w is None
    assert float(out.sample.detach().abs().max()) <= 1 and float(out.sample.detach().std()) > 1e-4
    judged = judge(out.sample)
    assert judged.logits.shape == (3, 1)
    assert [f.shape[-1] for f in judged.features] == [resolution >> n for n in range(1, resolution.bit_length() - 2)]


def test_a_residual_block_without_its_branch_is_its_skip():
    generator, judge = GANGenerator(32, 8, 2, blocks="resnet"), GANDiscriminator(32, 2, blocks="resnet")
    for layer in (*generator.layers, *judge.layers):
        layer.conv1.weight.data.zero_()
    x = torch.randn(1, 8, 4, 4)
    skipped = generator.layers[0].skip(x).repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(generator.layers[0](x), skipped)
    x = torch.randn(1, 3, 8, 8)
    torch.testing.assert_close(judge.layers[0](x), nn.functional.avg_pool2d(judge.layers[0].skip(x), 2))


@pytest.mark.parametrize("blocks", ["plain", "resnet"])
def test_labels_choose_the_picture(blocks):
    generator = GANGenerator(32, 8, 2, num_classes=3, blocks=blocks).eval()
    z = torch.randn(1, 8).expand(3, -1)
    pictures = generator(z, torch.arange(3)).sample
    assert not torch.allclose(pictures[0], pictures[1], atol=1e-5) and not torch.allclose(pictures[1], pictures[2], atol=1e-5)


@pytest.mark.parametrize("blocks", ["plain", "resnet"])
@pytest.mark.parametrize("form", ["bce", "non-saturating"])
def test_both_objectives_teach_both_players(blocks, form):
    generator, judge = GANGenerator(32, 8, 2, blocks=blocks), GANDiscriminator(32, 2, blocks=blocks)
    d_loss, g_loss = adversarial_losses(form)
    real, fake = torch.randn(4, 3, 32, 32), generator(torch.randn(4, 8)).sample
    g_loss(judge(fake).logits).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in generator.parameters())
    optimizer = torch.optim.Adam(judge.parameters(), 2e-3, (0.5, 0.999))
    losses = []
    for _ in range(12):
        loss = d_loss(judge(real).logits, judge(fake.detach()).logits)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("blocks", ["plain", "resnet"])
def test_r1_and_bfloat16(blocks):
    judge, x = GANDiscriminator(32, 2, blocks=blocks), torch.randn(2, 3, 32, 32, requires_grad=True)
    r1_penalty(judge(x).logits, x).sum().backward()
    assert all(p.grad.isfinite().all() for n, p in judge.named_parameters() if n.endswith("conv0.weight"))
    judge.eval()
    with torch.autocast("cpu", torch.bfloat16):
        rough = judge(x).logits.float()
    torch.testing.assert_close(rough, judge(x).logits, atol=0.05, rtol=0.05)


def test_saving_and_loading(tmp_path):
    generator = GANGenerator(32, 8, 2, num_classes=2, blocks="resnet").eval()
    generator.save_pretrained(tmp_path / "g")
    z, label = torch.randn(2, 8), torch.tensor([0, 1])
    again = GANGenerator.from_pretrained(tmp_path / "g")
    torch.testing.assert_close(again(z, label).sample, generator(z, label).sample)
    judge = GANDiscriminator(32, 2, num_classes=2).eval()
    judge.save_pretrained(tmp_path / "d")
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(GANDiscriminator.from_pretrained(tmp_path / "d")(x, label).logits, judge(x, label).logits)


def test_freezing_the_finest_layers():
    judge = GANDiscriminator(32, 2)
    judge.freeze_lower(1)
    assert {n.split(".")[1] for n, p in judge.named_parameters() if not p.requires_grad} == {"0"}


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: GANGenerator(16), "32, 64 or 128"),
        (lambda: GANGenerator(32, blocks="residual"), "'plain' or 'resnet'"),
        (lambda: GANGenerator(32, channels=0), "`channels` is 0"),
        (lambda: GANGenerator(32, latent_dim=0), "1 at least"),
        (lambda: GANGenerator(32, 8, 2)(torch.zeros(1, 7)), r"\(B, 8\), got \(1, 7\)"),
        (lambda: GANGenerator(32, 8, 2)(torch.zeros(1, 8), torch.tensor([0])), "without classes"),
        (lambda: GANGenerator(32, 8, 2, 2)(torch.zeros(1, 8)), "needs `label`"),
        (lambda: GANDiscriminator(32, 2)(torch.zeros(1, 3, 64, 64)), r"got \(1, 3, 64, 64\)"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
