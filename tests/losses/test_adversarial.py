import math

import pytest
import torch

from styleadapt.losses.adversarial import (
    ADVERSARIAL_LOSSES,
    DECISION_BOUNDARY,
    LABELED,
    NEEDS_REAL,
    adversarial_losses,
    cam_loss,
    instance_noise,
)


def softplus(x):
    return math.log(1 + math.exp(x))


# (real logit 2, fake logit 0.5) -> discriminator's loss, generator's loss, worked out by hand
REFERENCE = {
    "bce": (softplus(-2) + softplus(0.5), -softplus(0.5)),
    "non-saturating": (softplus(-2) + softplus(0.5), softplus(-0.5)),
    "lsgan": ((2 - 1) ** 2 + 0.5**2, (0.5 - 1) ** 2),
    "hinge": (0 + 1.5, -0.5),
    "wgan": (0.5 - 2, -0.5),
    # real - mean(fake) = 1.5, fake - mean(real) = -1.5
    "relativistic": (softplus(-1.5) + softplus(-1.5), softplus(1.5) + softplus(1.5)),
}


@pytest.mark.parametrize("form", ADVERSARIAL_LOSSES)
def test_values_by_hand(form):
    discriminator, generator = ADVERSARIAL_LOSSES[form]
    real, fake = torch.full((2, 1, 3, 3), 2.0), torch.full((2, 1, 3, 3), 0.5)
    assert float(discriminator(real, fake)) == pytest.approx(REFERENCE[form][0], rel=1e-5)
    assert float(generator(fake, real)) == pytest.approx(REFERENCE[form][1], rel=1e-5)


@pytest.mark.parametrize("form", ADVERSARIAL_LOSSES)
def test_several_outputs_are_averaged(form):
    discriminator, generator = ADVERSARIAL_LOSSES[form]
    real, fake = [torch.randn(2, 4), torch.randn(2, 9)], [torch.randn(2, 4), torch.randn(2, 9)]
    mean = sum(discriminator(r, f) for r, f in zip(real, fake)) / 2
    torch.testing.assert_close(discriminator(real, fake), mean)
    torch.testing.assert_close(generator(tuple(fake), tuple(real)), sum(map(generator, fake, real)) / 2)


@pytest.mark.parametrize("form", ADVERSARIAL_LOSSES)
def test_the_players_pull_the_fake_logit_apart(form):
    discriminator, generator = ADVERSARIAL_LOSSES[form]
    fake = torch.zeros(4, requires_grad=True)
    down = torch.autograd.grad(discriminator(torch.zeros(4), fake), fake)[0]
    up = torch.autograd.grad(generator(fake, torch.zeros(4)), fake)[0]
    assert (up < 0).all() and ((down > 0).all() or form == "lsgan")


@pytest.mark.parametrize("form", sorted(set(ADVERSARIAL_LOSSES) - NEEDS_REAL))
def test_real_logits_may_be_left_out(form):
    generator = ADVERSARIAL_LOSSES[form][1]
    fake = [torch.randn(2, 4), torch.randn(2, 9)]
    torch.testing.assert_close(generator(fake), generator(fake, [torch.randn(2, 4), torch.randn(2, 9)]))


@pytest.mark.parametrize("form", sorted(NEEDS_REAL))
def test_missing_real_logits_are_an_error_that_says_so(form):
    with pytest.raises(ValueError, match="needs the logits of real images"):
        ADVERSARIAL_LOSSES[form][1](torch.zeros(2))


def test_the_relativistic_mean_is_over_the_batch():
    """real (0, 2), fake (1, 3): real - 2 = (-2, 0), fake - 1 = (0, 2)."""
    loss = ADVERSARIAL_LOSSES["relativistic"][0](torch.tensor([0.0, 2.0]), torch.tensor([1.0, 3.0]))
    assert float(loss) == pytest.approx((softplus(2) + softplus(0)) / 2 + (softplus(0) + softplus(2)) / 2)


@pytest.mark.parametrize("form", sorted(LABELED))
def test_smoothed_labels_by_hand(form):
    """Cross-entropy toward 0.8: 0.8 softplus(-x) + 0.2 softplus(x); least squares: (x - 0.8)^2. Fakes keep the label 0."""
    discriminator, generator = adversarial_losses(form, label_smoothing=0.2)
    x = 1.5 if form == "relativistic" else 2.0
    real = (2 - 0.8) ** 2 if form == "lsgan" else 0.8 * softplus(-x) + 0.2 * softplus(x)
    fake = {"lsgan": 0.25, "relativistic": softplus(-1.5)}.get(form, softplus(0.5))
    loss = discriminator([torch.full((3,), 2.0)] * 2, [torch.full((3,), 0.5)] * 2)
    assert float(loss) == pytest.approx(real + fake, rel=1e-5)
    assert generator is ADVERSARIAL_LOSSES[form][1]


def test_no_smoothing_is_the_plain_form():
    assert adversarial_losses("hinge") == ADVERSARIAL_LOSSES["hinge"]


@pytest.mark.parametrize(
    "form, smoothing, message", [("hing", 0.0, "hing"), ("hinge", 0.1, "no labels"), ("lsgan", 0.5, r"\[0, 0.5\)")]
)
def test_settings_that_mean_nothing_are_refused(form, smoothing, message):
    with pytest.raises(ValueError, match=message):
        adversarial_losses(form, smoothing)


@pytest.mark.parametrize("form", DECISION_BOUNDARY)
def test_the_boundary_is_where_real_and_fake_cost_the_same(form):
    """Least squares: (b - 1)^2 = b^2 at 1/2; the others are symmetric in 0."""
    discriminator = ADVERSARIAL_LOSSES[form][0]
    boundary = torch.full((1,), DECISION_BOUNDARY[form], requires_grad=True)
    loss = discriminator(boundary, boundary)
    assert float(torch.autograd.grad(loss, boundary)[0]) == pytest.approx(0, abs=1e-6)


def test_instance_noise_falls_linearly_to_none():
    torch.manual_seed(0)
    images = torch.full((4, 3, 64, 64), 0.5)
    for step, expected in ((0, 0.2), (50, 0.1), (75, 0.05)):
        noise = instance_noise(images, step, std=0.2, steps=100) - images
        assert float(noise.std()) == pytest.approx(expected, rel=0.02) and abs(float(noise.mean())) < 0.01
    assert instance_noise(images, 100, 0.2, 100) is images and instance_noise(images, 0, 0.0, 100) is images


def test_cam_loss_wants_source_high_and_target_low():
    good = cam_loss(torch.full((2, 2), 5.0), torch.full((2, 2), -5.0))
    bad = cam_loss(torch.full((2, 2), -5.0), torch.full((2, 2), 5.0))
    assert good < 0.05 and bad > 9


def test_cam_loss_against_its_closed_form():
    """-log sigmoid(source) - log(1 - sigmoid(target)): log 2 each for a classifier that does not know."""
    assert float(cam_loss(torch.zeros(3, 2), torch.zeros(1, 2))) == pytest.approx(2 * math.log(2))
    assert float(cam_loss(torch.full((1, 2), 2.0), torch.full((2, 2), 0.5))) == pytest.approx(softplus(-2) + softplus(0.5))
