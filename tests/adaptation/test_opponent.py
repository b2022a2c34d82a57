import contextlib
from dataclasses import replace

import pytest
import torch

from styleadapt.adaptation.discriminator_game import Opponent
from styleadapt.adaptation.settings import AdaptationConfig
from styleadapt.training.adversary import AdversarialSettings

CONFIG = AdaptationConfig(frozen_layers=1)


def play(tiny_models, steps=1, **adversarial):
    settings = AdversarialSettings(**{"adv_loss": "hinge", **adversarial})
    opponent = Opponent(tiny_models["discriminator"], replace(CONFIG, adversarial=settings), contextlib.nullcontext)
    torch.manual_seed(0)
    generated = torch.rand(2, 3, 64, 64, requires_grad=True)
    real, code = -torch.ones(2, 3, 64, 64), torch.zeros(2, 16)
    losses = [opponent.loss(generated, real, code, step) for step in range(steps)]
    return opponent, losses, generated


@pytest.mark.parametrize("form", ["bce", "non-saturating", "lsgan", "hinge", "wgan", "relativistic"])
def test_every_form_trains_the_discriminator_and_reaches_the_generator(tiny_models, form):
    opponent, losses, generated = play(tiny_models, adv_loss=form)
    (gradient,) = torch.autograd.grad(losses[0], generated)
    assert torch.isfinite(gradient).all() and gradient.any()
    before = dict(tiny_models["discriminator"].named_parameters())
    moved = {n for n, p in opponent.discriminator.named_parameters() if not torch.equal(p, before[n])}
    assert moved and not any(".convs.0." in name for name in moved)


@pytest.mark.parametrize("penalty", [{"r1_gamma": 100.0}, {"r2_gamma": 100.0}, {"gp_weight": 100.0}])
def test_penalties_change_what_the_discriminator_learns(tiny_models, penalty):
    plain, penalized = (
        dict(play(tiny_models, r1_every=1, **options)[0].discriminator.named_parameters()) for options in ({}, penalty)
    )
    assert any(not torch.equal(plain[n], penalized[n]) for n in plain)


def test_ada_raises_its_probability_when_the_discriminator_is_sure(tiny_models):
    opponent, _, _ = play(tiny_models, steps=12, augment="ada", ada_images=20, ada_interval=1, ada_target=-0.9)
    assert opponent.adversary.ada.p > 0


def test_the_discriminators_parameters_get_no_gradient_from_the_generators_loss(tiny_models):
    opponent, losses, _ = play(tiny_models)
    for parameter in opponent.trained:
        parameter.grad = None
    losses[0].backward()
    assert all(parameter.grad is None for parameter in opponent.trained)
