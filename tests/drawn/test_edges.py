import numpy as np
import pytest
import torch

from styleadapt.drawn.edges import drawn_edge


@pytest.mark.parametrize("seed", range(24))
def test_both_sides_are_plain_and_the_ground_is_large(seed):
    picture, distance = drawn_edge(192, np.random.default_rng(seed))
    assert picture.shape == (3, 192, 192) and picture.min() >= -1 and picture.max() <= 1
    means = []
    for side, least in ((distance > 6, 0.2), (distance < -6, 0.005)):
        assert side.float().mean() > least
        means.append(picture[:, side].mean(1))
        assert picture[:, side].std(1).max() < 0.05
    assert (means[0] - means[1]).abs().max() > 0.05


def test_what_stands_before_the_ground_is_small_at_times():
    shares = [float((drawn_edge(96, np.random.default_rng(seed))[1] < 0).float().mean()) for seed in range(40)]
    assert 0.02 < min(shares) < 0.1 and max(shares) > 0.4


def test_with_a_photo_one_side_is_plain():
    photo = torch.rand(3, 128, 128) * 2 - 1
    picture, distance = drawn_edge(128, np.random.default_rng(2), photo)
    assert distance.min() == 0
    assert picture[:, distance > 5].std(1).max() < 0.05 < picture[:, distance == 0].std(1).max()


def test_the_same_random_numbers_draw_the_same():
    one, other = (drawn_edge(96, np.random.default_rng(5)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, other))


def test_distances_are_in_pixels():
    """A half plane's distances grow by one a pixel away from the edge."""
    for seed in range(40):
        _, distance = drawn_edge(96, np.random.default_rng(seed))
        rows = distance[:, 48]
        if torch.equal(distance, rows[:, None].expand(96, 96)):  # the edge is level
            steps = rows.diff().abs()
            assert ((steps - 1).abs() < 0.02).sum() >= 94
            return
    raise AssertionError("no level edge among forty drawings")
