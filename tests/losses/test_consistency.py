import math

import pytest
import torch
from torch import nn

from styleadapt.losses.adversarial import ADVERSARIAL_LOSSES
from styleadapt.losses.consistency import correspondence_loss, elastic_penalty, fisher_diagonal


def test_fisher_of_a_bernoulli_by_hand():
    """Logit w at 0: the gradient of -log sigmoid(w x) is -x / 2, so samples 1, 3 give (1/4 + 9/4) / 2 = 5/4."""
    w = torch.zeros(1, requires_grad=True)
    generator_loss = ADVERSARIAL_LOSSES["non-saturating"][1]
    fisher = fisher_diagonal((generator_loss(w * x) for x in (1.0, 3.0)), {"w": w})
    torch.testing.assert_close(fisher["w"], torch.tensor([1.25]))


def test_fisher_is_of_single_samples_not_of_their_mean():
    """Gradients +1 and -1 cancel in the mean, their squares do not."""
    w = torch.ones(1, requires_grad=True)
    assert float(fisher_diagonal([w.sum(), -w.sum()], {"w": w})["w"]) == 1.0


def test_fisher_leaves_frozen_weights_and_gradients_alone():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    model[0].requires_grad_(False)
    fisher = fisher_diagonal((model(torch.randn(1, 2)).sum() for _ in range(2)), dict(model.named_parameters()))
    assert set(fisher) == {"1.weight", "1.bias"} and model[1].weight.grad is None
    assert float(fisher["1.bias"]) == 1.0


def test_fisher_of_a_weight_that_nothing_uses_is_zero():
    used, idle = torch.ones(1, requires_grad=True), torch.ones(3, requires_grad=True)
    assert not fisher_diagonal([used.sum()], {"used": used, "idle": idle})["idle"].any()


def test_fisher_of_nothing_is_refused():
    with pytest.raises(ValueError, match="one sample"):
        fisher_diagonal([], {"w": torch.ones(1, requires_grad=True)})


def test_elastic_penalty_and_its_gradient_by_hand():
    """2 (3 - 1)^2 + 0 (5 - 1)^2 + 1 (0 - 1)^2 = 9, gradient 2 F (w - anchor) = (8, 0, -2)."""
    w = torch.tensor([3.0, 5.0, 0.0], requires_grad=True)
    penalty = elastic_penalty({"w": w}, {"w": torch.ones(3)}, {"w": torch.tensor([2.0, 0.0, 1.0])})
    penalty.backward()
    assert penalty.item() == 9.0 and w.grad.tolist() == [8.0, 0.0, -2.0]


def test_elastic_penalty_of_another_model_is_refused():
    with pytest.raises(ValueError, match="`b`"):
        elastic_penalty({"a": torch.ones(1)}, {"a": torch.ones(1)}, {"b": torch.ones(1)})


def test_correspondence_by_hand():
    """Three images; to the first, source cosines are (1, 0), the adapted ones (0, 1): with s = e / (e + 1) the divergence is
    s log(s / (1 - s)) + (1 - s) log((1 - s) / s) = 2 s - 1. To the others, (1, 0) against (0, 0) and (0, 0) against (1, 0)."""
    x, y = [1.0, 0.0], [0.0, 1.0]
    source, adapted = torch.tensor([x, x, y]), torch.tensor([x, y, x])
    s = math.e / (math.e + 1)
    uneven_to_even = s * math.log(2 * s) + (1 - s) * math.log(2 * (1 - s))
    even_to_uneven = 0.5 * math.log(0.5 / s) + 0.5 * math.log(0.5 / (1 - s))
    loss = correspondence_loss({"a": adapted}, {"a": source})
    torch.testing.assert_close(loss, torch.tensor([2 * s - 1, uneven_to_even, even_to_uneven]))


def test_correspondence_cares_for_resemblance_not_for_appearance():
    features = torch.rand(4, 6, 3, 3)
    torch.testing.assert_close(correspondence_loss({"a": 5 * features}, {"a": features}), torch.zeros(4), atol=1e-6, rtol=0)


def test_layers_are_averaged_and_only_the_adapted_learns():
    source = {k: torch.rand(4, 8, requires_grad=True) for k in "ab"}
    adapted = {k: torch.rand(4, 8, requires_grad=True) for k in "ab"}
    single = [correspondence_loss({k: adapted[k]}, {k: source[k]}) for k in "ab"]
    loss = correspondence_loss(adapted, source)
    torch.testing.assert_close(loss, (single[0] + single[1]) / 2)
    loss.sum().backward()
    assert source["a"].grad is None and adapted["a"].grad.any()


def test_two_images_have_no_resemblance_to_keep():
    with pytest.raises(ValueError, match="3 images"):
        correspondence_loss({"a": torch.rand(2, 4)}, {"a": torch.rand(2, 4)})
