import numpy as np
import pytest

from styleadapt.metrics.significance import holm, mean_accuracy, paired_difference

RANDOM = np.random.default_rng(0)


def test_the_mean_gives_every_domain_the_same_weight():
    interval = mean_accuracy([np.ones(10), np.zeros(1000)])
    assert interval.value == 0.5


def test_intervals_hold_what_they_say():
    """Of sets of 100 images with 7 of 10 correct, about 95 of 100 intervals hold 0.7."""
    held = 0
    for n in range(100):
        interval = mean_accuracy([(RANDOM.random(100) < 0.7).astype(float)], 400, seed=n)
        held += interval.low <= 0.7 <= interval.high
    assert 88 <= held <= 100


def test_pairs_tell_what_single_intervals_do_not():
    hard = RANDOM.random(200)
    theirs = (hard < 0.5).astype(float)
    ours = (hard < 0.55).astype(float)
    found = paired_difference([ours], [theirs])
    assert found.interval.low > 0 and found.p < 0.02
    assert mean_accuracy([ours]).low < mean_accuracy([theirs]).high
    shuffled = paired_difference([ours], [RANDOM.permutation(theirs)])
    assert shuffled.interval.low < found.interval.low
    back = paired_difference([theirs], [ours])
    assert back.interval.value == -found.interval.value and back.p == pytest.approx(found.p, abs=0.01)


def test_no_difference_has_no_small_p():
    same = [np.array([0.0, 1.0, 1.0]), np.array([1.0, 0.0])]
    assert paired_difference(same, same).p == 1
    with pytest.raises(ValueError, match="same images"):
        paired_difference(same, [np.ones(3), np.ones(3)])


def test_a_seed_gives_the_same():
    values = [RANDOM.random(30)]
    assert mean_accuracy(values, seed=1) == mean_accuracy(values, seed=1) != mean_accuracy(values, seed=2)


def test_holm_is_as_in_the_paper():
    assert holm({"a": 0.04, "b": 0.01, "c": 0.03, "d": 0.9}) == {"a": 0.09, "b": 0.04, "c": 0.09, "d": 0.9}
    assert holm({"a": 0.8, "b": 0.7}) == {"a": 1.0, "b": 1.0}
