import pytest
import torch
import torch.nn.functional as F

from styleadapt.augment import RandConv


def test_without_mixing_it_is_a_convolution():
    """A convolution is linear: of a sum it gives the sum."""
    one, other = torch.rand(2, 1, 3, 12, 12) * 2 - 1
    conv = RandConv(kernels=(3,), mixed=False)
    done = [conv.augment(x, torch.Generator().manual_seed(5)) for x in (one, other, one + other)]
    assert torch.allclose(done[0] + done[1], done[2], atol=1e-5)
    point = torch.zeros(1, 3, 9, 9)
    point[0, 0, 4, 4] = 1
    touched = conv.augment(point, torch.Generator().manual_seed(5)).abs().sum(1)[0] > 0
    assert touched.nonzero().tolist() == [[y, x] for y in (3, 4, 5) for x in (3, 4, 5)]


@pytest.mark.parametrize("side", [1, 3, 7])
def test_weights_keep_the_variance_of_noise(side):
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(400, 3, 16, 16, generator=random)
    inner = RandConv(kernels=(side,), mixed=False).augment(noise, random)[..., 4:12, 4:12]
    assert float(inner.var()) == pytest.approx(1, abs=0.15)


def test_mixing_gives_a_share_of_the_image_itself():
    images = torch.rand(300, 3, 8, 8) * 2 - 1
    done = RandConv(kernels=(3,)).augment(images, torch.Generator().manual_seed(0))
    shares = F.cosine_similarity(done.flatten(1), images.flatten(1))
    assert shares.max() > 0.98 and shares.mean() > 0.3


def test_every_image_has_a_kernel_of_its_own_and_a_seed_gives_the_same():
    batch = torch.rand(1, 3, 8, 8).expand(3, -1, -1, -1)
    one, again = RandConv(p=1.0, seed=2)(batch), RandConv(p=1.0, seed=2)(batch)
    assert torch.equal(one, again) and not torch.allclose(one[0], one[1])


def test_even_kernels_are_refused():
    with pytest.raises(ValueError, match="odd"):
        RandConv(kernels=(2,))
    with pytest.raises(ValueError, match="odd"):
        RandConv(kernels=())
