import pytest
import torch

from styleadapt.errors import ConfigError
from styleadapt.training.adversary import AdversarialConfig, Adversary
from styleadapt.training.config import build_config


def adversary(**values) -> Adversary:
    return Adversary(build_config(AdversarialConfig, values))


def squares(images):
    """Two outputs, x^2 and 3 x summed over an image; their gradients are 2 x and 3."""
    return images.square().sum((1, 2, 3)), 3 * images.sum((1, 2, 3))


def test_penalties_against_their_closed_forms():
    """12 pixels: real all 1, so |2x|^2 = 48 and |3|^2 = 108; generated all 0, so 0 and 108."""
    real, fake = torch.ones(2, 3, 2, 2), torch.zeros(2, 3, 2, 2)
    total, figures = adversary(r1_gamma=10.0, r2_gamma=4.0, r1_every=2).penalty(squares, real, fake, step=4)
    assert {name: float(value) for name, value in figures.items()} == {"r1": 156.0, "r2": 108.0}
    assert float(total) == 2 * (10 / 2 * 156 + 4 / 2 * 108)


def test_wgan_gp_between_real_and_generated():
    """A linear critic of gradient norm 3 sqrt(12) everywhere."""
    total, figures = adversary(adv_loss="wgan", gp_weight=10.0, r1_every=1).penalty(
        lambda x: (3 * x.sum((1, 2, 3)),), torch.ones(2, 3, 2, 2), torch.zeros(2, 3, 2, 2), step=7
    )
    assert float(figures["gp"]) == pytest.approx((3 * 12**0.5 - 1) ** 2, rel=1e-5)
    assert float(total) == pytest.approx(10 * float(figures["gp"]), rel=1e-6)


def test_between_lazy_steps_nothing_is_computed():
    def refuse(images):
        raise AssertionError("called")

    total, figures = adversary(r1_gamma=1.0, r1_every=16).penalty(refuse, torch.ones(1, 3, 2, 2), torch.ones(1, 3, 2, 2), 15)
    assert float(total) == 0 and figures == {}


def test_the_penalty_of_an_augmented_discriminator_reaches_its_weights():
    player = adversary(augment="color,translation,cutout", r1_gamma=1.0, r1_every=1, instance_noise=0.1)
    network = torch.nn.Conv2d(3, 1, 3)
    judge = lambda x: (network(player.shown(x, 0)).square(),)  # noqa: E731
    total, _ = player.penalty(judge, torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8), 0)
    total.backward()
    assert float(network.weight.grad.abs().sum()) > 0


def test_without_strategies_images_are_shown_as_they_are():
    images = torch.rand(2, 3, 4, 4)
    state = torch.get_rng_state()
    assert adversary().shown(images, 0) is images
    assert torch.equal(torch.get_rng_state(), state)


def test_noise_falls_and_ada_starts_at_nothing():
    images = torch.zeros(2, 3, 4, 4)
    noisy = adversary(instance_noise=0.5, instance_noise_steps=10)
    assert noisy.shown(images, 0).std() > 0.3 and torch.equal(noisy.shown(images, 10), images)
    ada = adversary(augment="ada")
    assert torch.equal(ada.shown(images, 0), images) and ada.ada.p == 0


def test_smoothing_moves_the_discriminators_optimum():
    player = adversary(adv_loss="lsgan", label_smoothing=0.1)
    assert float(player.d_loss(torch.tensor([0.9]), torch.zeros(1))) == pytest.approx(0)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"adv_loss": "vanilla"}, "allowed: bce"),
        ({"label_smoothing": 0.1}, "`label_smoothing` has no meaning for 'hinge'"),
        ({"augment": "blur"}, "'blur'.*allowed: color, translation, cutout"),
        ({"augment": "ada", "adv_loss": "wgan"}, "ADA cannot read the logits of 'wgan'"),
        ({"r1_gamma": -1.0}, "`r1_gamma` is -1.0"),
        ({"r1_every": 0}, "`r1_every` is 0"),
    ],
)
def test_what_does_not_go_together_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        build_config(AdversarialConfig, values)
