import numpy as np
import pytest
import torch

from styleadapt.pipelines.latents import (
    check_num_images,
    check_seed,
    check_truncation,
    drawn_labels,
    drawn_latents,
    read_labels,
    read_tensor,
    spherical,
)


@pytest.mark.parametrize("length", [1, 5, 16, 33])
def test_the_first_latents_of_a_seed_stay_whatever_follows(length):
    many = drawn_latents(20, length, seed=3)
    assert many.shape == (20, length)
    assert torch.equal(many[:7], drawn_latents(7, length, seed=3))
    assert not torch.equal(many, drawn_latents(20, length, seed=4))


def test_latents_do_not_depend_on_the_default_dtype():
    expected = drawn_latents(2, 5, seed=3)
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(drawn_latents(2, 5, seed=3), expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_latents_are_standard_normal():
    z = drawn_latents(400, 64, seed=0)
    assert abs(z.mean()) < 0.02 and abs(z.std() - 1) < 0.02


def test_drawn_labels_are_balanced_and_the_first_ones_stay():
    labels = drawn_labels(31, 10, seed=1)
    assert labels.bincount().max() - labels.bincount().min() == 1
    assert torch.equal(labels[:9], drawn_labels(9, 10, seed=1))
    assert not torch.equal(labels, drawn_labels(31, 10, seed=2))


def test_labels_by_name_and_by_number():
    names = ["oak", "beech", "ash"]
    assert read_labels("ash", 2, 3, names, 0).tolist() == [2, 2]
    assert read_labels(np.int64(1), 2, 3, names, 0).tolist() == [1, 1]
    assert read_labels(["ash", 0], 5, 3, names, 0).tolist() == [2, 0, 2, 0, 2]
    assert read_labels(torch.tensor([1, 2]), 2, 3, None, 0).tolist() == [1, 2]
    assert read_labels(None, 2, 0, None, 0) is None


@pytest.mark.parametrize(
    "label, classes, message",
    [
        ("beach", ["oak", "beech", "ash"], "did you mean 'beech'"),
        ("oak", None, "numbers alone, 0 to 2"),
        (3, None, "numbers 0 to 2"),
        (-1, None, "numbers 0 to 2"),
        (True, None, "numbers 0 to 2"),
        (1.0, None, "numbers 0 to 2"),
        ([], None, "`label` is empty"),
        ([0, 7], None, "`label` is 7"),
    ],
)
def test_unknown_labels_are_refused(label, classes, message):
    with pytest.raises(ValueError, match=message):
        read_labels(label, 4, 3, classes, 0)


def test_labels_without_classes_are_refused():
    with pytest.raises(ValueError, match="knows no classes"):
        read_labels(0, 4, 0, None, 0)


@pytest.mark.parametrize("seed", [-1, 1.5, "0", None, True, 1 << 63])
def test_seeds_that_are_none(seed):
    with pytest.raises(ValueError, match="`seed`"):
        check_seed(seed)


@pytest.mark.parametrize("truncation", [-0.1, 1.6, float("nan"), "1", None, True])
def test_truncation_out_of_range(truncation):
    with pytest.raises(ValueError, match="`truncation`"):
        check_truncation(truncation)


@pytest.mark.parametrize("num_images", [0, -3, 1001, 2.0, True, "4"])
def test_numbers_of_images_out_of_range(num_images):
    with pytest.raises(ValueError, match="`num_images`"):
        check_num_images(num_images)


@pytest.mark.parametrize(
    "value, message",
    [
        (torch.zeros(2, 5), r"shape \(2, 5\); this generator takes \(B, 4\)"),
        (torch.zeros(0, 4), r"shape \(0, 4\)"),
        (torch.zeros(1, 1, 4), r"\(1, 1, 4\)"),
        (np.full(4, np.nan), "not finite"),
        ("a", "must be a tensor or an array"),
        (object(), "must be a tensor or an array"),
        (np.zeros((1001, 4)), "at most 1000"),
    ],
)
def test_tensors_that_do_not_fit(value, message):
    with pytest.raises(ValueError, match=message):
        read_tensor(value, "latents", (4,))


def test_a_great_circle_keeps_the_length_and_the_speed():
    a, b = drawn_latents(2, 8, seed=0)
    b = b * (a.norm() / b.norm())
    way = spherical(a, b, torch.linspace(0, 1, 6))
    assert torch.allclose(way[0], a, atol=1e-5) and torch.allclose(way[-1], b, atol=1e-5)
    assert torch.allclose(way.norm(dim=1), a.norm().expand(6), atol=1e-4)
    steps = way.diff(dim=0).norm(dim=1)
    assert torch.allclose(steps, steps[0].expand(5), rtol=1e-4)


def test_a_way_to_the_same_place_or_the_opposite_one_is_finite():
    a = drawn_latents(1, 8, seed=0)[0]
    for b in (a, -a, torch.zeros(8)):
        assert spherical(a, b, torch.linspace(0, 1, 5)).isfinite().all()
