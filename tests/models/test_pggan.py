import copy

import pytest
import torch
import torch.nn.functional as F

from styleadapt.losses.regularization import interpolates, wgan_gp_penalty
from styleadapt.models.equalized import pixel_norm
from styleadapt.models.pggan import PGGANDiscriminator, PGGANGenerator


@pytest.fixture
def players():
    torch.manual_seed(0)
    return PGGANGenerator(32, latent_dim=8, channel_base=128, channel_max=12), PGGANDiscriminator(32, 128, 12)


@torch.no_grad()
@pytest.mark.parametrize("level", [1, 2, 3])
def test_the_ends_of_a_fade_are_the_smaller_and_the_larger_network(players, level):
    generator, discriminator = players
    z, x = torch.randn(3, 8), torch.randn(3, 3, 4 << level, 4 << level)

    def at(level, alpha, image):
        for player in players:
            player.grow(level, alpha)
        return generator(z).sample, discriminator(image).logits

    smaller, small_logits = at(level - 1, 1.0, F.avg_pool2d(x, 2))
    larger, large_logits = at(level, 1.0, x)
    start, start_logits = at(level, 0.0, x)
    middle, middle_logits = at(level, 0.25, x)
    torch.testing.assert_close(start, smaller.repeat_interleave(2, 2).repeat_interleave(2, 3), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(start_logits, small_logits, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(middle, 0.75 * start + 0.25 * larger, atol=1e-6, rtol=1e-6)
    assert not torch.allclose(start, larger) and not torch.allclose(middle_logits, large_logits)
    nearly, nearly_logits = at(level, 1 - 1e-7, x)
    torch.testing.assert_close(nearly, larger, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(nearly_logits, large_logits, atol=1e-6, rtol=1e-6)


@torch.no_grad()
def test_the_larger_network_is_a_network_of_its_own(players):
    """The second level by hand: a full-grown network of 8 px with the same weights."""
    generator, discriminator = players
    small, judge = PGGANGenerator(8, 8, 128, 12), PGGANDiscriminator(8, 128, 12)
    for whole, part in ((generator, small), (discriminator, judge)):
        part.load_state_dict({key: value for key, value in whole.state_dict().items() if key in part.state_dict()})
        part.grow(1)
        whole.grow(1)
    z, x = torch.randn(2, 8), torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(generator(z).sample, small(z).sample)
    torch.testing.assert_close(discriminator(x).logits, judge(x).logits)


def test_features_are_normalized_at_every_place(players):
    generator, _ = players
    seen = []
    generator.to_rgb[3].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    generator(torch.randn(2, 8))
    mean_square = seen[0].square().mean(1)
    torch.testing.assert_close(mean_square, torch.ones_like(mean_square), atol=1e-4, rtol=1e-4)
    # in float64, since some processors' rounding in float32 is larger than the bound
    generator.double()
    z = torch.randn(2, 8, dtype=torch.float64)
    torch.testing.assert_close(generator(z).sample, generator(5 * pixel_norm(z)).sample, atol=1e-5, rtol=1e-4)


def test_weights_above_the_level_get_no_gradient(players):
    generator, discriminator = players
    for player in players:
        player.grow(1, 0.5)
    discriminator(generator(torch.randn(2, 8)).sample).logits.sum().backward()
    for player in players:
        for name, parameter in player.named_parameters():
            above = name.startswith(("blocks.1", "blocks.2", "to_rgb.2", "to_rgb.3", "from_rgb.2", "from_rgb.3"))
            assert (parameter.grad is None) == above, name


def test_level_and_fade_are_saved_with_the_weights(players, tmp_path):
    for name, player, given in zip("gd", players, (torch.randn(2, 8), torch.randn(2, 3, 16, 16))):
        player.grow(2, 0.3)
        player.save_pretrained(tmp_path / name)
        again = type(player).from_pretrained(tmp_path / name)
        assert again.current_resolution == 16 and float(again.alpha) == float(player.alpha)
        assert torch.equal(next(iter(again(given).values())), next(iter(player(given).values())))
        copied = copy.deepcopy(player)
        player.grow(0)
        assert copied.current_resolution == 16


def test_the_gradient_penalty_of_the_paper_works(players):
    _, discriminator = players
    discriminator.grow(1, 0.5)
    points = interpolates(torch.randn(4, 3, 8, 8), torch.randn(4, 3, 8, 8))
    wgan_gp_penalty(discriminator(points).logits, points).sum().backward()
    used = (discriminator.blocks[0], discriminator.from_rgb[0], discriminator.from_rgb[1], discriminator.dense)
    assert all(p.grad is not None and p.grad.any() for part in used for n, p in part.named_parameters() if "weight" in n)


def test_freezing_begins_with_the_finest_level(players):
    _, discriminator = players
    discriminator.freeze_lower(0)
    assert all(p.requires_grad for p in discriminator.parameters())
    discriminator.freeze_lower(1)
    frozen = {name.split(".conv")[0] for name, p in discriminator.named_parameters() if not p.requires_grad}
    assert frozen and all(name.startswith(("blocks.2.", "from_rgb.")) for name in frozen)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda g, d: g.grow(4), "levels 0, for 4 px, to 3"),
        (lambda g, d: g.grow(-1), "`level` is -1"),
        (lambda g, d: d.grow(1, 1.5), "`alpha` is 1.5"),
        (lambda g, d: g(torch.zeros(1, 9)), r"got \(1, 9\)"),
        (lambda g, d: g(torch.zeros(1, 8), torch.tensor([0])), "without classes"),
        (lambda g, d: d(torch.zeros(1, 3, 16, 16)), r"\(B, 3, 32, 32\), got \(1, 3, 16, 16\)"),
        (lambda g, d: PGGANGenerator(4), "`resolution` is 4"),
    ],
)
def test_what_does_not_fit_is_refused(players, call, message):
    with pytest.raises(ValueError, match=message):
        call(*players)
