import math

import pytest
import torch

from styleadapt.losses.adversarial import ADVERSARIAL_LOSSES, cam_loss

# (real logit, fake logit) -> discriminator's loss, generator's loss, worked out by hand
REFERENCE = {
    "non-saturating": (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(0.5)), math.log(1 + math.exp(-0.5))),
    "lsgan": ((2 - 1) ** 2 + 0.5**2, (0.5 - 1) ** 2),
    "hinge": (0 + 1.5, -0.5),
}


@pytest.mark.parametrize("form", ADVERSARIAL_LOSSES)
def test_values_by_hand(form):
    discriminator, generator = ADVERSARIAL_LOSSES[form]
    real, fake = torch.full((2, 1, 3, 3), 2.0), torch.full((2, 1, 3, 3), 0.5)
    assert float(discriminator(real, fake)) == pytest.approx(REFERENCE[form][0], rel=1e-5)
    assert float(generator(fake)) == pytest.approx(REFERENCE[form][1], rel=1e-5)


@pytest.mark.parametrize("form", ADVERSARIAL_LOSSES)
def test_several_outputs_are_averaged(form):
    discriminator, generator = ADVERSARIAL_LOSSES[form]
    real, fake = [torch.randn(2, 4), torch.randn(2, 9)], [torch.randn(2, 4), torch.randn(2, 9)]
    mean = sum(discriminator(r, f) for r, f in zip(real, fake)) / 2
    torch.testing.assert_close(discriminator(real, fake), mean)
    torch.testing.assert_close(generator(tuple(fake)), sum(map(generator, fake)) / 2)


@pytest.mark.parametrize("form", ADVERSARIAL_LOSSES)
def test_the_players_pull_the_fake_logit_apart(form):
    discriminator, generator = ADVERSARIAL_LOSSES[form]
    fake = torch.zeros(4, requires_grad=True)
    down = torch.autograd.grad(discriminator(torch.zeros(4), fake), fake)[0]
    up = torch.autograd.grad(generator(fake), fake)[0]
    assert (up < 0).all() and ((down > 0).all() or form == "lsgan")


def test_cam_loss_wants_source_high_and_target_low():
    good = cam_loss(torch.full((2, 2), 5.0), torch.full((2, 2), -5.0))
    bad = cam_loss(torch.full((2, 2), -5.0), torch.full((2, 2), 5.0))
    assert good < 0.05 and bad > 9
