import pytest
import torch

from styleadapt.augment.diffaugment import (
    POLICIES,
    adjust_contrast,
    adjust_saturation,
    diff_augment,
    parse_policy,
    random_color,
    random_cutout,
    random_translation,
)


def test_saturation_by_hand():
    """A pixel (0.9, 0.3, 0) has the mean 0.4: factor 2 gives (1.4, 0.2, -0.4), factor 0 gray."""
    pixel = torch.tensor([0.9, 0.3, 0.0]).view(1, 3, 1, 1).expand(2, 3, 1, 1)
    changed = adjust_saturation(pixel, torch.tensor([2.0, 0.0]).view(2, 1, 1, 1)).flatten(1)
    torch.testing.assert_close(changed, torch.tensor([[1.4, 0.2, -0.4], [0.4, 0.4, 0.4]]))


def test_contrast_by_hand():
    """Values 0 and 1 around the mean 0.5: factor 1.5 gives -0.25 and 1.25."""
    image = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    changed = adjust_contrast(image, torch.full((1, 1, 1, 1), 1.5)).flatten()
    torch.testing.assert_close(changed, torch.tensor([-0.25, 1.25]))


def test_color_stays_within_its_ranges():
    """On a gray image saturation and contrast change nothing, which leaves the brightness: uniform in [-0.5, 0.5]."""
    torch.manual_seed(0)
    offsets = random_color(torch.zeros(2000, 3, 2, 2))
    assert torch.equal(offsets, offsets[:, :1, :1, :1].expand_as(offsets))
    values = offsets[:, 0, 0, 0]
    assert values.abs().max() <= 0.5 and abs(values.mean()) < 0.02 and abs(values.std() - 12**-0.5) < 0.02


def test_translation_moves_whole_pixels_and_fills_with_zero():
    """The one lit pixel of a 16 x 24 image lands up to 2 rows and 3 columns (1/8) away, every place as likely."""
    torch.manual_seed(0)
    images = torch.zeros(4000, 1, 16, 24)
    images[:, :, 8, 12] = 1
    moved = random_translation(images)
    assert torch.equal(moved.sum((1, 2, 3)), torch.ones(4000))
    where = moved.sum((0, 1))
    rows, columns = where.sum(1).nonzero().flatten().tolist(), where.sum(0).nonzero().flatten().tolist()
    assert rows == [6, 7, 8, 9, 10] and columns == list(range(9, 16))
    assert where[6:11, 9:16].min() > 4000 / 35 / 2
    full = random_translation(torch.ones(64, 1, 16, 24))
    assert set(full.unique().tolist()) == {0.0, 1.0} and full.mean((1, 2, 3)).min() >= 14 * 21 / (16 * 24) - 1e-6


def test_cutout_removes_a_rectangle_of_half_the_sides_at_most():
    """Centered inside, 4 x 6 of 8 x 12; at a corner a quarter of that at the least."""
    torch.manual_seed(0)
    images = random_cutout(torch.ones(500, 2, 8, 12))
    removed = (images == 0).sum((2, 3))
    assert torch.equal(removed[:, 0], removed[:, 1])
    assert removed.max() == 24 and removed.min() == 6 and set(images.unique().tolist()) == {0.0, 1.0}
    for image in images[:20, 0]:
        hole = image == 0
        assert int(hole.sum()) == int(hole.any(1).sum() * hole.any(0).sum())


@pytest.mark.parametrize("policy", POLICIES)
def test_every_image_draws_its_own_numbers(policy):
    torch.manual_seed(0)
    image = torch.rand(1, 3, 16, 16)
    images = diff_augment(image.expand(8, -1, -1, -1), policy)
    assert len({tuple(i.flatten().tolist()) for i in images}) > 4


@pytest.mark.parametrize("policy", [*POLICIES, "color,translation,cutout"])
def test_gradients_of_both_orders_pass(policy):
    """R1 differentiates the gradient once more."""
    torch.manual_seed(0)
    images = torch.rand(4, 3, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(diff_augment(images, policy).pow(3).sum(), images, create_graph=True)
    gradient.square().sum().backward()
    assert gradient.any() and torch.isfinite(images.grad).all() and images.grad.any()


def test_the_same_seed_is_the_same_augmentation():
    images = torch.rand(4, 3, 8, 8)
    torch.manual_seed(3)
    first = diff_augment(images)
    torch.manual_seed(3)
    assert torch.equal(first, diff_augment(images)) and first.shape == images.shape and not torch.equal(first, images)


def test_half_precision_and_channels_last_are_kept():
    images = torch.rand(2, 3, 8, 8, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last)
    assert diff_augment(images).dtype == torch.bfloat16


def test_an_empty_policy_is_none_and_an_unknown_name_is_refused():
    images = torch.rand(1, 3, 4, 4)
    assert diff_augment(images, "") is images and parse_policy("") == ()
    with pytest.raises(ValueError, match="'blur' in 'blur,cutout' is unknown; allowed: color"):
        diff_augment(images, "blur,cutout")
