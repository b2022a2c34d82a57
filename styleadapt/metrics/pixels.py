"""Measures that compare two pictures pixel by pixel or patch by patch, without a network."""

import torch

_WINDOW = 11


def ssim(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Structural similarity (Wang et al., "Image quality assessment", IEEE TIP 2004, eq. 13) with the authors' Gaussian window of
    11 pixels and deviation 1.5, by scikit-image; mean over positions and colors.

    Args:
        x, y: `(B, 3, H, W)` in [-1, 1], H and W 11 or more.

    Returns:
        `(B,)`: 1 for equal pictures, about 0 for unrelated ones.

    Raises:
        ValueError: different shapes, or smaller pictures.
        ImportError: scikit-image is not installed.

    >>> x = torch.zeros(1, 3, 16, 16)
    >>> float(ssim(x, x))
    1.0
    """
    _require_pair(x, y)
    if min(x.shape[2:]) < _WINDOW:
        raise ValueError(f"SSIM needs pictures of {_WINDOW} x {_WINDOW} pixels or more, got {x.shape[3]} x {x.shape[2]}")
    metrics = _scikit_image_metrics()
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 2.0, "channel_axis": 0}
    pairs = zip(x.float().cpu().numpy(), y.float().cpu().numpy())
    return torch.tensor([metrics.structural_similarity(a, b, **options) for a, b in pairs])


def psnr(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio 10 log10(peak^2 / mean squared error) in decibels.

    Args:
        x, y: `(B, 3, H, W)` in [-1, 1].

    Returns:
        `(B,)`, infinite for equal pictures.

    Raises:
        ValueError: different shapes.

    >>> psnr(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.2))
    tensor([20.])
    """
    _require_pair(x, y)
    return 10 * torch.log10(4 / (x.float() - y.float()).square().mean((1, 2, 3)))


def _require_pair(x: torch.Tensor, y: torch.Tensor) -> None:
    if x.shape != y.shape or x.ndim != 4:
        raise ValueError(f"two batches (B, 3, H, W) of one shape are needed, got {tuple(x.shape)} and {tuple(y.shape)}")


def _scikit_image_metrics():
    try:
        from skimage import metrics
    except ImportError as error:
        raise ImportError('SSIM needs the package scikit-image: pip install "styleadapt[metrics]"') from error
    return metrics
