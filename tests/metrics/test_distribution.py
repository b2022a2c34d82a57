import pytest
import torch

from styleadapt.metrics.distribution import kernel_distance


def test_it_is_the_sum_over_pairs():
    """Against the definition, written as loops, on features that standardising leaves alone."""
    torch.manual_seed(0)
    y = torch.randn(5, 3, dtype=torch.float64)
    y = (y - y.mean(0)) / y.std(0)
    x = torch.randn(4, 3, dtype=torch.float64)

    def mean(pairs):
        values = [(sum(a * b for a, b in zip(u.tolist(), v.tolist())) / 3 + 1) ** 3 for u, v in pairs]
        return sum(values) / len(values)

    within = [mean([(u, v) for i, u in enumerate(s) for j, v in enumerate(s) if i != j]) for s in (x, y)]
    expected = sum(within) - 2 * mean([(u, v) for u in x for v in y])
    assert kernel_distance(x, y) == pytest.approx(expected, rel=1e-9)


def test_it_grows_with_the_distance_and_is_near_0_for_one_distribution():
    torch.manual_seed(0)
    x, y = torch.randn(2, 300, 8)
    distances = [kernel_distance(x + shift, y) for shift in (0, 0.5, 1)]
    assert abs(distances[0]) < 0.05 < distances[1] < distances[2]


def test_a_channel_without_spread_does_not_outweigh_the_others():
    torch.manual_seed(0)
    x, y = torch.randn(2, 50, 20)
    y[:, 0] = 0
    x[:, 0] = 0.1
    assert abs(kernel_distance(x, y)) < 0.5


def test_one_image_is_no_distribution():
    with pytest.raises(ValueError, match="got 1 and 5"):
        kernel_distance(torch.zeros(1, 3), torch.zeros(5, 3))
