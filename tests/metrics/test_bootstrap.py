import numpy as np
import pytest
import torch

from styleadapt.metrics.bootstrap import Interval, _within, frechet_interval, mean_interval, mmd_interval
from styleadapt.metrics.distribution import frechet_distance, mmd


def test_an_interval_of_a_mean_has_the_width_of_the_normal_one():
    values = torch.randn(400, generator=torch.Generator().manual_seed(0)).tolist()
    interval = mean_interval(values, resamples=2000)
    deviation = float(torch.tensor(values).std()) / 20
    assert interval.value == pytest.approx(sum(values) / 400, abs=1e-6)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * deviation, rel=0.1)


def test_seed_and_level():
    values = [0.1, 0.5, 0.9, 0.3]
    assert mean_interval(values, seed=3) == mean_interval(values, seed=3) != mean_interval(values, seed=4)
    wide, narrow = mean_interval(values, level=0.99), mean_interval(values, level=0.5)
    assert wide.low < narrow.low < narrow.high < wide.high
    with pytest.raises(ValueError, match="got none"):
        mean_interval([])


@pytest.mark.parametrize(("interval_of", "distance"), [(frechet_interval, frechet_distance), (mmd_interval, mmd)])
def test_intervals_of_distances_hold_what_other_sets_of_the_same_kind_give(interval_of, distance):
    """Forty independent pairs of sets: their distances spread about as widely as one pair's bootstrap says."""
    torch.manual_seed(0)
    draws = [(torch.randn(60, 3) + 0.5, torch.randn(60, 3)) for _ in range(40)]
    distances = torch.tensor([distance(x, y) for x, y in draws])
    intervals = [interval_of(x, y, resamples=100) for x, y in draws[:10]]
    assert intervals[0].value == distance(*draws[0])
    widths = torch.tensor([i.high - i.low for i in intervals])
    spread = 2 * 1.96 * float(distances.std())
    assert 0.6 * spread < float(widths.mean()) < 1.6 * spread
    covered = [i.low < float(distances.mean()) < i.high for i in intervals]
    assert sum(covered) >= 8


def test_a_kernel_distance_of_drawn_images_leaves_out_their_copies():
    """Against the definition: in every drawn set, pairs of one and the same image do not count."""
    torch.manual_seed(0)
    x = torch.randn(4, 2, dtype=torch.float64)
    drawn = [0, 0, 1, 3]
    pairs = [(i, j) for a, i in enumerate(drawn) for b, j in enumerate(drawn) if a != b and i != j]
    expected = sum((float(x[i] @ x[j]) / 2 + 1) ** 3 for i, j in pairs) / len(pairs)
    assert _within(((x @ x.T) / 2 + 1).pow(3).numpy(), np.array(drawn)) == pytest.approx(expected)


def test_one_image_that_is_drawn_throughout_counts_as_the_set():
    kernel = np.array([[9.0, 2.0], [4.0, 9.0]])
    assert _within(kernel, np.array([1, 1])) == 3


def test_one_value_is_sure_of_itself():
    assert mean_interval([0.25]) == Interval(0.25, 0.25, 0.25)


def test_two_images_are_enough():
    interval = mmd_interval(torch.randn(2, 3), torch.randn(2, 3), resamples=50)
    assert interval.low <= interval.value <= interval.high
