import sys

import pytest
import torch

from styleadapt.images.images import image_to_tensor
from styleadapt.metrics.pixels import psnr, ssim

from ..conftest import smooth_noise


@pytest.fixture
def pictures():
    x = torch.cat([image_to_tensor(smooth_noise((40, 32), seed)) for seed in (1, 2)])
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    return x, (x + 0.2 * noise).clamp(-1, 1)


def test_ssim_and_psnr_agree_with_torchmetrics(pictures):
    functional = pytest.importorskip("torchmetrics.functional.image")
    x, y = pictures
    options = {"data_range": 2.0, "reduction": "none"}
    _, everywhere = functional.structural_similarity_index_measure(x, y, sigma=1.5, return_full_image=True, **options)
    # it pads the border that the window does not fill, which the authors and we leave out
    torch.testing.assert_close(ssim(x, y).float(), everywhere[..., 5:-5, 5:-5].mean((1, 2, 3)), rtol=0, atol=1e-4)
    torch.testing.assert_close(psnr(x, y), functional.peak_signal_noise_ratio(x, y, dim=(1, 2, 3), **options))


def test_ssim_by_hand():
    """Flat pictures have no variance: the luminance term alone, (2 a b + c) / (a^2 + b^2 + c) with c = (0.01 * 2)^2."""
    a, b = 0.5, 0.25
    flat = [torch.full((1, 3, 16, 16), v) for v in (a, b)]
    expected = (2 * a * b + 4e-4) / (a * a + b * b + 4e-4)
    assert float(ssim(*flat)) == pytest.approx(expected, rel=1e-4)


def test_both_are_symmetric_and_best_for_equal_pictures(pictures):
    x, y = pictures
    torch.testing.assert_close(ssim(x, y), ssim(y, x))
    assert ssim(x, x).tolist() == pytest.approx([1, 1]) and psnr(x, x).isinf().all()
    assert (ssim(x, y) < 0.95).all() and (ssim(x, y) > ssim(x, y.flip(3))).all()


def test_what_cannot_be_compared_is_refused(monkeypatch, pictures):
    x, _ = pictures
    with pytest.raises(ValueError, match="of one shape"):
        psnr(x, x[:1])
    with pytest.raises(ValueError, match="11 x 11 pixels or more, got 40 x 8"):
        ssim(x[:, :, :8], x[:, :, :8])
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(ImportError, match=r"styleadapt\[metrics\]"):
        ssim(x, x)
