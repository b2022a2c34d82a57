import json
import math
import re

import pytest
import torch

from styleadapt.data.sources import open_folder
from styleadapt.errors import DivergenceError
from styleadapt.images.images import image_to_tensor
from styleadapt.losses.adversarial import ADVERSARIAL_LOSSES, LABELED, adversarial_losses
from styleadapt.losses.regularization import r1_penalty
from styleadapt.models.discriminator import StyleDiscriminator
from styleadapt.models.style_encoder import StyleEncoder
from styleadapt.tasks.stylization import packaged
from styleadapt.training.divergence import MAX_SKIPPED, DivergenceGuard, least_loss


def test_a_figure_that_is_not_finite_is_named_with_its_last_value():
    guard = DivergenceGuard(0)
    guard.watch(10, {"loss_g": 3.0, "gram": 0.25})
    with pytest.raises(DivergenceError, match=r"gram stopped being finite before step 20 \(at step 10: gram 0.25\).*`lr_d`"):
        guard.watch(20, {"loss_g": 3.0, "gram": math.nan})


def test_from_the_start():
    with pytest.raises(DivergenceError, match="it was never finite"):
        DivergenceGuard(0).require_finite(2, {"loss_g": math.inf})


def test_the_advised_penalty_weighs_as_much_as_the_loss():
    """Of the packaged discriminator at real images; the hinge loss of one that cannot tell is 2."""
    guard = DivergenceGuard(1)
    guard.watch(0, {"d_adv": 0.0})
    with pytest.raises(DivergenceError) as end:
        guard.watch(1, {"d_adv": 0.0})
    gamma = float(re.search("`r1_gamma: (.*?)`", str(end.value))[1])
    discriminator = StyleDiscriminator.from_pretrained(packaged("weights"), subfolder="discriminator")
    encoder = StyleEncoder.from_pretrained(packaged("weights"), subfolder="style_encoder")
    styles = [sample.image.resize((184, 184)) for sample in open_folder(packaged("styles")).first(2)]
    images = torch.cat([image_to_tensor(image) for image in styles])
    code = encoder(images).detach()
    images.requires_grad_()
    penalty = gamma / 2 * sum(r1_penalty(logits, images).mean() for logits in discriminator(images, code).logits)
    assert 0.05 < float(penalty.detach()) < 5


def test_a_discriminator_that_recovers_goes_on():
    guard = DivergenceGuard(100)
    for step, loss in ((50, 0.0), (100, 0.001), (140, 0.5), (150, 0.0), (240, 0.0)):
        guard.watch(step, {"d_adv": loss})
    with pytest.raises(DivergenceError, match="from step 150 to step 250"):
        guard.watch(250, {"d_adv": 0.0})


def test_without_an_adversarial_loss_or_with_0_nothing_is_watched():
    for guard, figures in ((DivergenceGuard(1), {"loss_d": 0.0}), (DivergenceGuard(0), {"d_adv": 0.0})):
        for step in range(5):
            guard.watch(step, figures)


def test_a_critic_that_cannot_tell_has_not_collapsed():
    guard = DivergenceGuard(1, least_loss("wgan"))
    for step in range(5):
        guard.watch(step, {"d_adv": 0.0})


@pytest.mark.parametrize("form", sorted(ADVERSARIAL_LOSSES.keys() - {"wgan"}))
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_sure_discriminator_collapses_in_every_form_with_labels_smoothed_or_not(form, smoothing):
    if smoothing and form not in LABELED:
        pytest.skip("it has no labels")
    logits = torch.zeros(2, 1, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.1)
    for _ in range(1000):
        optimizer.zero_grad()
        descending = adversarial_losses(form, smoothing)[0](*logits)
        descending.backward()
        optimizer.step()
    loss = descending.item()
    guard = DivergenceGuard(1, least_loss(form, smoothing))
    guard.watch(0, {"d_adv": loss + 0.02})
    guard.watch(1, {"d_adv": loss + 0.005})
    with pytest.raises(DivergenceError, match="collapsed"):
        guard.watch(2, {"d_adv": loss})


def test_too_many_steps_without_a_gradient_end_the_run():
    guard = DivergenceGuard(0)
    for step in range(MAX_SKIPPED - 1):
        guard.watch_gradient(step, "generator", finite=False)
        guard.watch_gradient(step, "discriminator", finite=True)
    guard.watch_gradient(MAX_SKIPPED, "generator", finite=True)
    for step in range(100, 100 + MAX_SKIPPED - 1):
        guard.watch_gradient(step, "generator", finite=False)
    with pytest.raises(DivergenceError, match="gradient of the generator was not finite in 50 steps in a row.*step 149"):
        guard.watch_gradient(149, "generator", finite=False)


def test_a_resumed_guard_stops_where_an_unbroken_one_would():
    guard, resumed = DivergenceGuard(10), DivergenceGuard(10)
    resumed.load_state_dict(json.loads(json.dumps(guard.state_dict())))
    assert resumed.state_dict() == guard.state_dict()
    guard.watch(5, {"d_adv": 0.0})
    for step in range(MAX_SKIPPED - 1):
        guard.watch_gradient(step, "generator", finite=False)
    resumed.load_state_dict(json.loads(json.dumps(guard.state_dict())))
    with pytest.raises(DivergenceError, match=r"at step 5: d_adv 0\)"):
        resumed.require_finite(8, {"d_adv": math.nan})
    with pytest.raises(DivergenceError, match="in a row"):
        resumed.watch_gradient(60, "generator", finite=False)
    with pytest.raises(DivergenceError, match="from step 5 to step 15"):
        resumed.watch(15, {"d_adv": 0.0})
