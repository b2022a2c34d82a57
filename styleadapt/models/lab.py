"""Converts between RGB and CIE Lab, where lightness is one channel and distances are about those that the eye sees."""

import torch

# linear sRGB to XYZ under the white point D65, IEC 61966-2-1
_TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
_WHITE = (0.95047, 1.0, 1.08883)
_EDGE = 6 / 29


def rgb_to_lab(x: torch.Tensor) -> torch.Tensor:
    """sRGB to CIE 1976 L*a*b*.

    Args:
        x: `(B, 3, H, W)` in [-1, 1]; what is beyond is clamped.

    Returns:
        `(B, 3, H, W)` in float32: L* in [0, 100], a* and b* about -110 to 110.

    >>> rgb_to_lab(torch.ones(1, 3, 1, 1)).flatten().round().abs().tolist()
    [100.0, 0.0, 0.0]
    """
    s = (x.float().clamp(-1, 1) + 1) / 2
    linear = torch.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055).clamp(min=0) ** 2.4)
    xyz = torch.einsum("kc,bchw->bkhw", linear.new_tensor(_TO_XYZ), linear) / linear.new_tensor(_WHITE)[:, None, None]
    f = torch.where(xyz > _EDGE**3, xyz.clamp(min=1e-9) ** (1 / 3), xyz / (3 * _EDGE**2) + 4 / 29)
    return torch.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


def lab_to_rgb(lab: torch.Tensor) -> torch.Tensor:
    """The inverse of `rgb_to_lab`; colors that no screen has are clamped.

    >>> x = torch.rand(1, 3, 4, 4) * 2 - 1
    >>> bool((lab_to_rgb(rgb_to_lab(x)) - x).abs().max() < 1e-3)
    True
    """
    light, a, b = lab.float().unbind(1)
    y = (light + 16) / 116
    f = torch.stack([y + a / 500, y, y - b / 200], 1)
    xyz = torch.where(f > _EDGE, f**3, 3 * _EDGE**2 * (f - 4 / 29)) * lab.new_tensor(_WHITE).float()[:, None, None]
    linear = torch.einsum("kc,bchw->bkhw", torch.linalg.inv(xyz.new_tensor(_TO_XYZ)), xyz).clamp(0, 1)
    s = torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=1e-9) ** (1 / 2.4) - 0.055)
    return s * 2 - 1
