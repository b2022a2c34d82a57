import math

import pytest
import torch

from styleadapt.losses.adversarial import nonsaturating_discriminator_loss
from styleadapt.losses.semi_supervised import classification_loss, feature_matching_loss

LOGITS = torch.tensor([[1.0, 2.0], [0.0, -1.0], [5.0, 5.0]])


def test_classification_by_hand_and_without_the_unlabeled():
    """-log softmax: log(e + e^2) - 2, log(1 + e^-1) - 0; the third has no label."""
    labels = torch.tensor([1, 0, -1])
    expected = ((math.log(math.e + math.e**2) - 2) + math.log(1 + math.exp(-1))) / 2
    assert float(classification_loss(LOGITS, labels)) == pytest.approx(expected, rel=1e-6)


def test_no_labels_are_no_loss_and_a_gradient_of_0():
    logits = LOGITS.clone().requires_grad_()
    loss = classification_loss(logits, torch.full((3,), -1))
    loss.backward()
    assert float(loss.detach()) == 0 and not logits.grad.any()


def test_the_losses_of_a_log_sum_exp_are_those_of_a_softmax_of_k_plus_one():
    """The same from the probabilities of K + 1 classes, where the logit of the last is 0."""
    fake, labels = torch.tensor([[0.5, -2.0], [1.0, 0.0], [-3.0, 0.3]]), torch.tensor([1, -1, 0])

    def probabilities(row):
        powers = [math.exp(v) for v in (*row.tolist(), 0.0)]
        return [p / sum(powers) for p in powers]

    real_term = -sum(math.log(1 - probabilities(row)[2]) for row in LOGITS) / 3
    fake_term = -sum(math.log(probabilities(row)[2]) for row in fake) / 3
    known = [(0, 1), (2, 0)]
    label_term = 0.0
    for n, y in known:
        p = probabilities(LOGITS[n])
        label_term -= math.log(p[y] / (1 - p[2])) / len(known)
    adversarial = nonsaturating_discriminator_loss(LOGITS.logsumexp(1), fake.logsumexp(1))
    assert float(adversarial) == pytest.approx(real_term + fake_term, rel=1e-5)
    assert float(classification_loss(LOGITS, labels)) == pytest.approx(label_term, rel=1e-5)


def test_features_are_matched_in_the_mean():
    """Layer 1: means (2, 0) and (5, 1), squares 9 and 1; layer 2: 0 and 2, square 4. Averages 5 and 4."""
    real = [torch.tensor([[1.0, 0.0], [3.0, 0.0]], requires_grad=True), torch.zeros(2, 1, 2, 2)]
    fake = [torch.tensor([[5.0, 1.0]], requires_grad=True), torch.full((1, 1, 2, 2), 2.0)]
    loss = feature_matching_loss(real, fake)
    assert float(loss.detach()) == pytest.approx(4.5)
    loss.backward()
    assert real[0].grad is None
    assert fake[0].grad.tolist() == [[1.5, 0.5]]  # 2 x difference / 2 values / 2 layers


def test_layers_must_be_as_many():
    with pytest.raises(ValueError):
        feature_matching_loss([torch.zeros(1, 1)], [torch.zeros(1, 1)] * 2)
