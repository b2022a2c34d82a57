import pytest
import torch

from styleadapt.losses.content import content_loss, identity_loss, instance_normalize, self_similarity_loss, tone_loss


def test_instance_normalize_gives_mean_0_variance_1():
    y = instance_normalize(torch.randn(2, 3, 9, 9) * 5 + 3)
    torch.testing.assert_close(y.mean((2, 3)), torch.zeros(2, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var((2, 3), correction=0), torch.ones(2, 3), atol=1e-3, rtol=0)


def test_content_ignores_color_and_contrast_but_not_structure():
    f = torch.randn(1, 3, 12, 12)
    assert float(content_loss({"a": 2 * f + 1}, {"a": f}, ("a",))) < 1e-3
    torch.testing.assert_close(content_loss({"a": -f}, {"a": f}, ("a",)), torch.tensor([4.0]), atol=1e-2, rtol=0)


def test_unrelated_features_are_about_2_apart():
    torch.manual_seed(0)
    value = content_loss({"a": torch.randn(1, 8, 64, 64)}, {"a": torch.randn(1, 8, 64, 64)}, ("a",))
    assert abs(float(value) - 2) < 0.05


def test_layers_are_averaged():
    f, g = torch.randn(1, 3, 8, 8), torch.randn(1, 3, 8, 8)
    alone = content_loss({"a": f}, {"a": g}, ("a",))
    torch.testing.assert_close(content_loss({"a": f, "b": f}, {"a": g, "b": f}, ("a", "b")), alone / 2)


def test_self_similarity_keeps_structure_under_new_features():
    """A rotation of feature space leaves all cosines as they were; moving the patches does not."""
    torch.manual_seed(0)
    f = torch.randn(1, 6, 16, 16)
    rotation = torch.linalg.qr(torch.randn(6, 6))[0]
    turned = torch.einsum("ij,bjhw->bihw", rotation, f)
    assert float(self_similarity_loss(turned, f)) < 1e-4
    assert float(self_similarity_loss(f.roll(5, 3), f)) > 0.1


def test_self_similarity_of_maps_smaller_than_its_grid():
    assert self_similarity_loss(torch.randn(2, 4, 5, 3), torch.randn(2, 4, 5, 3)).shape == (2,)


def test_tone_ignores_fine_texture_and_contrast_but_not_inversion():
    torch.manual_seed(0)
    photo = torch.nn.functional.interpolate(torch.rand(1, 3, 8, 8), scale_factor=8) * 2 - 1
    texture = torch.tensor([[0.4, -0.4], [-0.4, 0.4]]).repeat(32, 32)
    assert float(tone_loss(0.5 * photo + texture, photo)) < 1e-3
    assert abs(float(tone_loss(-photo, photo)) - 4) < 1e-2
    assert tone_loss(torch.rand(2, 3, 3, 5), torch.rand(2, 3, 3, 5)).shape == (2,)


def test_identity_is_the_mean_absolute_distance_of_each_image():
    image = torch.tensor([[[[0.0, 1.0]]], [[[-1.0, 0.5]]]])
    generated = torch.tensor([[[[0.5, 0.0]]], [[[-1.0, 0.5]]]])
    torch.testing.assert_close(identity_loss(generated, image), torch.tensor([0.75, 0.0]))


@pytest.mark.parametrize("side, size", [(32, 16), (40, 16)])
def test_self_similarity_has_the_same_cells_however_they_are_pooled(side, size):
    import torch.nn.functional as F

    torch.manual_seed(0)
    ours, theirs = torch.rand(2, 1, 8, side, side)
    cells = [F.adaptive_avg_pool2d(f, size) for f in (ours, theirs)]
    torch.testing.assert_close(self_similarity_loss(ours, theirs, size), self_similarity_loss(*cells, size), rtol=1e-4, atol=1e-5)
