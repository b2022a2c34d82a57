"""Colors a gray photo of any size: the network works at its own size, and its colors are laid on the photo's lightness."""

import numpy as np
import torch
import torch.nn.functional as F

from ..models.colorizer import Colorizer, fitted_lines, painted
from ..models.efficientnet import EfficientNetLite0
from ..models.lab import lab_to_rgb, rgb_to_lab

SHORT_SIDE = 256  # what is in a photo is recognized best at the size at which the network learned it
_LEAST, _MOST = 64, 1024
_BAND = 512  # rows of the photo that are colored at a time


@torch.inference_mode()
def color_photo(
    colorizer: Colorizer, trunk: EfficientNetLite0, pixels: np.ndarray, code: torch.Tensor | None = None
) -> np.ndarray:
    """A photo in color; its lightness stays.

    Args:
        colorizer, trunk: in evaluation mode.
        pixels: float32 `(H, W, 3)` in [-1, 1]; colors that it has are not looked at.
        code: palette, `(1, code_dim)`.

    Returns:
        float32 `(H, W, 3)` in [-1, 1].
    """
    height, width = pixels.shape[:2]
    scale = SHORT_SIDE / min(height, width)
    size = [min(max(round(side * scale), _LEAST), _MOST) for side in (height, width)]
    x = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].to(colorizer.device)
    small = F.interpolate(x, size, mode="area" if scale < 1 else "bilinear")
    lab = rgb_to_lab(small)
    gray = lab_to_rgb(lab * lab.new_tensor([1.0, 0.0, 0.0])[:, None, None])
    ab = colorizer(trunk(gray.to(colorizer.dtype)), code).ab
    lines = fitted_lines(F.interpolate(lab[:, :1], ab.shape[-2:], mode="area"), ab)
    colored = np.empty(pixels.shape, np.float32)
    for top in range(0, height, _BAND):
        band = x[:, :, top : top + _BAND]
        # the band's part of the small map, bilinear between its rows
        rows = (torch.arange(top, top + band.shape[2], device=x.device) + 0.5) * lines.shape[2] / height - 0.5
        low = rows.floor().clamp(0, lines.shape[2] - 1).long()
        high = (low + 1).clamp(max=lines.shape[2] - 1)
        share = (rows - low).clamp(0, 1)[:, None]
        part = torch.lerp(lines[:, :, low], lines[:, :, high], share)
        part = F.interpolate(part, (band.shape[2], width), mode="bilinear", align_corners=False)
        colored[top : top + _BAND] = painted(rgb_to_lab(band)[:, :1], part)[0].permute(1, 2, 0).cpu().numpy()
    return colored
