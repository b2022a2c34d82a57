"""Measures how much a stylized video flickers: what changes in it that does not move in its source video."""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Flicker:
    """Mean absolute change between a frame and the previous one warped onto it, in [0, 1].

    Args:
        output: of the stylized frames.
        input: of the frames they were made from: what flow and warping leave over.
        covered: share of the pixels whose motion was found, on which both were measured.
    """

    output: float
    input: float
    covered: float


def flicker(outputs: torch.Tensor, inputs: torch.Tensor, tolerance: float = 0.05) -> Flicker:
    """Warping error (Lai et al., arXiv 1808.00449) between successive frames.

    Motion is estimated on the inputs' gray levels by the iterative Lucas-Kanade solver of scikit-image, `optical_flow_ilk`, which
    is cheap and finds moderate motion. Pixels where the warped input misses the next frame by more than `tolerance` are left out:
    they were hidden, or their motion was not found. The paper's flow network and occlusion test cost far more.

    Args:
        outputs, inputs: `(T, 3, H, W)` in [-1, 1], frame by frame, T 2 or more.
        tolerance: of the input's warping, in [0, 1].

    Returns:
        `Flicker`; NaN where no pixel's motion was found.

    Raises:
        ValueError: different shapes, or fewer than 2 frames.
        ImportError: scikit-image is not installed.

    >>> still = torch.zeros(2, 3, 16, 16)
    >>> flicker(torch.stack([still[0], still[1] + 0.5]), still)
    Flicker(output=0.25, input=0.0, covered=1.0)
    """
    if outputs.shape != inputs.shape or outputs.ndim != 4:
        raise ValueError(f"frames (T, 3, H, W) of one shape are needed, got {tuple(outputs.shape)} and {tuple(inputs.shape)}")
    if len(outputs) < 2:
        raise ValueError(f"flicker needs 2 frames or more, got {len(outputs)}")
    registration = _scikit_image_registration()
    weights = np.array([0.299, 0.587, 0.114], np.float32)[:, None, None]
    painted, filmed = ((frames.float().cpu().numpy() + 1) / 2 for frames in (outputs, inputs))
    gray = (filmed * weights).sum(1)
    changes: list[np.ndarray] = []
    for t in range(1, len(gray)):
        flow = registration.optical_flow_ilk(gray[t], gray[t - 1], dtype=np.float32)
        of_output, of_input = (np.abs(_warp(x[t - 1], flow) - x[t]).mean(0) for x in (painted, filmed))
        changes.append(np.stack([of_output, of_input]))
    both = np.stack(changes, 1)
    trusted = both[1] <= tolerance
    if not trusted.any():
        return Flicker(float("nan"), float("nan"), 0.0)
    output, input = (float(change[trusted].mean(dtype=np.float64)) for change in both)
    return Flicker(output, input, float(trusted.mean()))


def _warp(frame: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """`frame` `(3, H, W)` read at every position moved by `flow` `(2, H, W)` in pixels, rows first."""
    from scipy.ndimage import map_coordinates

    places = np.indices(flow.shape[1:], np.float32) + flow
    return np.stack([map_coordinates(channel, places, order=1, mode="nearest") for channel in frame])


def _scikit_image_registration():
    try:
        from skimage import registration
    except ImportError as error:
        raise ImportError('flicker needs the package scikit-image: pip install "styleadapt[metrics]"') from error
    return registration
