import math

import pytest
import torch

from styleadapt.augment.ada import AdaptiveProbability, ada_augment, transform


def test_p_rises_while_r_is_above_the_target_and_falls_below():
    """9 of 10 real logits positive: r = 0.8 > 0.6; half: r = 0. Each batch of 10 moves p by 10 / 100."""
    ada = AdaptiveProbability("hinge", interval=1, images=100)
    for expected in (0.1, 0.2, 0.3):
        ada.observe(torch.tensor([1.0] * 9 + [-1.0]))
        assert ada.update() == pytest.approx(expected) and ada.overfitting == pytest.approx(0.8)
    for expected in (0.2, 0.1, 0.0, 0.0):
        ada.observe(torch.tensor([2.0, -2.0] * 5))
        assert ada.update() == pytest.approx(expected) and ada.overfitting == 0.0


def test_p_stays_a_probability():
    ada = AdaptiveProbability("hinge", interval=1, images=4)
    for expected in (0.75, 1.0, 1.0):
        ada.observe(torch.ones(3))
        assert ada.update() == pytest.approx(expected)


def test_p_moves_once_an_interval_by_all_its_images():
    """Two batches of 5 in each of 4 steps (accumulation): 40 images of 400."""
    ada = AdaptiveProbability("non-saturating", interval=4, images=400)
    seen = []
    for _ in range(4):
        for _ in range(2):
            ada.observe(torch.ones(5))
        seen.append(ada.update())
    assert seen == pytest.approx([0, 0, 0, 0.1])


def test_several_outputs_are_read_logit_by_logit():
    """12 positive and 4 negative logits: r = 0.5; the batch is of 2 images."""
    ada = AdaptiveProbability("hinge", target=0.4, interval=1, images=20)
    ada.observe((torch.ones(2, 1, 2, 3), -torch.ones(2, 2)))
    assert ada.update() == pytest.approx(0.1) and ada.overfitting == pytest.approx(0.5)


def test_least_squares_is_undecided_at_one_half():
    ada = AdaptiveProbability("lsgan", interval=1)
    ada.observe(torch.tensor([0.6, 0.4, 0.1, 0.3]))
    ada.update()
    assert ada.overfitting == -0.5


def test_processes_are_added_up():
    """Ours saw 10 of r = 1; with another that saw 10 of r = 0 it is r = 0.5 of 20 images."""
    ada = AdaptiveProbability("hinge", target=0.4, interval=1, images=100)
    ada.observe(torch.ones(10))
    assert ada.update(reduce=lambda sums: sums + torch.tensor([0.0, 10.0, 10.0])) == pytest.approx(0.2)
    assert ada.overfitting == 0.5


def test_without_observations_nothing_moves():
    ada = AdaptiveProbability("hinge", interval=1)
    assert ada.update(reduce=None) == 0.0


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_saved_state_goes_on_exactly(at):
    torch.manual_seed(0)
    batches = [torch.randn(8) + 0.9 for _ in range(12)]

    def run(ada, part):
        seen = []
        for batch in part:
            ada.observe(batch)
            seen.append(ada.update())
        return seen

    whole = run(AdaptiveProbability("hinge", interval=3, images=200), batches)
    first = AdaptiveProbability("hinge", interval=3, images=200)
    seen = run(first, batches[:at])
    second = AdaptiveProbability("hinge", interval=3, images=200)
    second.load_state_dict(first.state_dict())
    assert seen + run(second, batches[at:]) == whole and len(set(whole)) > 1


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"adv_loss": "wgan"}, "'wgan'.*no undecided point; allowed: bce"),
        ({"adv_loss": "relativistic"}, "no undecided point"),
        ({"adv_loss": "hinge", "target": 1.0}, "target"),
        ({"adv_loss": "hinge", "interval": 0}, "interval"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        AdaptiveProbability(**settings)


def moved(images, flip=False, turn=0, shift=(0, 0), scale=1.0):
    count = len(images)
    settings = torch.full((count,), turn), torch.tensor([shift] * count).float(), torch.full((count,), scale)
    return transform(images, torch.full((count,), flip), *settings)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_flips_and_quarter_turns_are_exact(flip, turn):
    images = torch.rand(2, 3, 6, 6)
    expected = (images.flip(3) if flip else images).rot90(turn, (2, 3))
    assert torch.equal(moved(images, flip, turn), expected)


@pytest.mark.parametrize("flip", [False, True])
def test_images_that_are_not_square_turn_half_way(flip):
    images = torch.rand(2, 3, 4, 7)
    assert torch.equal(moved(images, flip, 2), (images.flip(3) if flip else images).flip(2, 3))


def test_translation_is_exact_and_reflects_the_border():
    """Down by 2, right by 1: rows 1 0 | 0 1 2 ..., columns 0 | 0 1 2 ..."""
    images = torch.rand(1, 1, 5, 5)
    expected = images[:, :, [1, 0, 0, 1, 2]][..., [0, 0, 1, 2, 3]]
    assert torch.equal(moved(images, shift=(2, 1)), expected)
    far = moved(images, shift=(7, 0))  # 7 = 5 + 2: row n shows row n - 7, reflected twice
    assert torch.equal(far, images[:, :, [3, 4, 4, 3, 2]])


def test_enlarging_by_two_by_hand():
    """Of 0 1 2 3 the middle (1.5) stays; pixels at 1.5 +- 0.25 and +- 0.75 are seen: 0.75, 1.25, 1.75, 2.25."""
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    torch.testing.assert_close(moved(ramp, scale=2.0)[0, 0, 0], torch.tensor([0.75, 1.25, 1.75, 2.25]))


def test_reducing_averages_and_reflects():
    """Stripes 0 1 0 1 ... at half the size are gray (but where the border is doubled); a constant stays constant."""
    stripes = (torch.arange(16) % 2).float().expand(1, 1, 16, 16)
    half = moved(stripes, scale=0.5)[..., 5:11]
    torch.testing.assert_close(half, torch.full_like(half, 0.5))
    torch.testing.assert_close(moved(torch.ones(1, 1, 16, 16), scale=0.4, shift=(3, 5)), torch.ones(1, 1, 16, 16))


def test_each_image_has_its_own_transformation():
    images = torch.rand(3, 1, 4, 4)
    out = transform(
        images, torch.tensor([True, False, False]), torch.tensor([0, 1, 0]), torch.zeros(3, 2), torch.tensor([1.0, 1.0, 2.0])
    )
    assert torch.equal(out[0], images[0].flip(2)) and torch.equal(out[1], images[1].rot90(1, (1, 2)))
    torch.testing.assert_close(out[2:], moved(images[2:], scale=2.0))


def test_p_of_zero_is_no_augmentation():
    images = torch.rand(2, 3, 8, 8)
    assert ada_augment(images, 0.0) is images


@pytest.mark.parametrize("p", [0.1, 0.4])
def test_images_stay_as_they_are_as_often_as_p_says(p):
    """Unchanged is who is spared by all seven; flips spare by half, quarter turns by a quarter when chosen."""
    torch.manual_seed(0)
    image = torch.rand(1, 3, 16, 16)
    out = ada_augment(image.expand(3000, -1, -1, -1), p)
    same = (out - image).abs().amax((1, 2, 3)) < 1e-5
    expected = (1 - p / 2) * (1 - 3 * p / 4) * (1 - p) ** 5
    assert float(same.float().mean()) == pytest.approx(expected, abs=0.03)


def test_color_at_p_one_by_hand():
    """A gray image keeps one value, (0 + b) c with b of deviation 0.2 and E[c^2] = exp(2 (0.5 ln 2)^2)."""
    torch.manual_seed(0)
    values = ada_augment(torch.zeros(4000, 3, 2, 2), 1.0)
    torch.testing.assert_close(values, values[:, :1, :1, :1].expand_as(values))
    expected = 0.2 * math.exp((0.5 * math.log(2)) ** 2)
    assert float(values[:, 0, 0, 0].std()) == pytest.approx(expected, rel=0.05)


def test_gradients_of_both_orders_pass():
    torch.manual_seed(0)
    images = torch.rand(4, 3, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(ada_augment(images, 0.8).pow(3).sum(), images, create_graph=True)
    gradient.square().sum().backward()
    assert gradient.any() and torch.isfinite(images.grad).all() and images.grad.any()


def test_autocast_does_not_blur_the_pixels():
    torch.manual_seed(0)
    images = torch.rand(4, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        first = ada_augment(images, 0.5)
    torch.manual_seed(0)
    torch.rand(4, 3, 8, 8)
    assert torch.equal(first, ada_augment(images, 0.5)) and first.dtype == torch.float32


def test_any_size_comes_back_as_it_was():
    torch.manual_seed(0)
    for shape in ((2, 3, 9, 14), (1, 3, 1, 1), (3, 3, 33, 33)):
        out = ada_augment(torch.rand(shape), 1.0)
        assert out.shape == shape and torch.isfinite(out).all()
