import math

import pytest
import torch

from styleadapt.metrics.few_shot import intra_cluster_diversity, memorization


def test_diversity_is_averaged_over_clusters_by_hand():
    """Outputs 0, 1, 2 are nearest to the first image, 3 and 4 to the second, 5 alone to the third."""
    to_training = torch.full((6, 3), 1.0)
    for output, shot in enumerate((0, 0, 0, 1, 1, 2)):
        to_training[output, shot] = 0.1
    pairwise = torch.zeros(6, 6)
    for (i, j), distance in {(0, 1): 0.2, (0, 2): 0.4, (1, 2): 0.6, (3, 4): 0.8, (0, 3): 9.0}.items():
        pairwise[i, j] = pairwise[j, i] = distance
    assert intra_cluster_diversity(to_training, pairwise) == pytest.approx((0.4 + 0.8) / 2)
    order = torch.tensor([4, 2, 5, 0, 3, 1])
    assert intra_cluster_diversity(to_training[order], pairwise[order][:, order]) == pytest.approx(0.6)


def test_repeating_every_training_image_is_not_diverse():
    """Distances among all outputs are large, and yet each cluster holds one and the same picture."""
    copies = torch.eye(2).repeat(3, 1)
    pairwise = torch.cdist(copies, copies)
    assert intra_cluster_diversity(1 - copies, pairwise) == 0 < float(pairwise.mean())


def test_single_outputs_have_no_diversity():
    assert math.isnan(intra_cluster_diversity(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.zeros(2, 2)))
    with pytest.raises(ValueError, match="must be square"):
        intra_cluster_diversity(torch.zeros(3, 2), torch.zeros(2, 2))


def test_copies_are_nearer_than_the_neighbor_of_what_they_copy():
    among = torch.tensor([[0.0, 0.5, 0.9], [0.5, 0.0, 0.2], [0.9, 0.2, 0.0]])
    to_training = torch.tensor([[0.4, 0.9, 0.9], [0.6, 0.9, 0.9], [0.9, 0.3, 0.9], [0.9, 0.9, 0.1]])
    found = memorization(to_training, among)
    # 0.4 < 0.5 is a copy, 0.6 is none; 0.3 > 0.2 is none, 0.1 < 0.2 is one
    assert found.copied == 0.5 and found.closest == pytest.approx(0.1) and found.nearest == pytest.approx(0.35)
    shuffled = memorization(to_training.flip(1), among.flip(0, 1))
    assert shuffled == found


def test_one_training_image_has_no_neighbor():
    found = memorization(torch.tensor([[0.25], [0.75]]), torch.zeros(1, 1))
    assert found.nearest == 0.5 and math.isnan(found.copied)
    with pytest.raises(ValueError, match="2 training images"):
        memorization(torch.zeros(3, 2), torch.zeros(3, 3))
