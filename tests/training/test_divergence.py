import math

import pytest

from styleadapt.training.divergence import DivergenceError, DivergenceGuard


def test_a_figure_that_is_not_finite_is_named_with_its_last_value():
    guard = DivergenceGuard(0)
    guard.watch(10, {"loss_g": 3.0, "gram": 0.25})
    with pytest.raises(DivergenceError, match=r"gram stopped being finite before step 20 \(at step 10: gram 0.25\).*`lr_d`"):
        guard.watch(20, {"loss_g": 3.0, "gram": math.nan})


def test_from_the_start():
    with pytest.raises(DivergenceError, match="it was never finite"):
        DivergenceGuard(0).require_finite(2, {"loss_g": math.inf})


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
