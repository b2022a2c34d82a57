"""The methods that restoration is compared with: our pipeline, those of other packages, and the damaged photo itself.

A package that is not installed is no error: its methods are left out, by name.
"""

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np

from .restoration import Case, Method

# strengths as shares of the noise's deviation: of five each, the best on six packaged photos over deviations of 15, 25 and 50
_NLM_STRENGTH = 0.7
_TV_WEIGHT = 0.8


def pipeline_method(pipe: Any, fidelity: float = 1.0, blind: bool = False) -> Method:
    """A `RestorationPipeline` as a method.

    Args:
        pipe: the pipeline.
        fidelity: as of its call.
        blind: it has to estimate the level, where the others are told it.
    """

    def restore(case: Case) -> np.ndarray:
        options: dict[str, Any] = {"task": case.trial.task, "fidelity": fidelity}
        if case.hole is not None:
            options["mask"] = case.hole
        elif not blind:
            options["level"] = case.trial.level
        return np.asarray(pipe(case.damaged / np.float32(255), **options).images[0])

    return restore


def methods_of(task: str, own: Mapping[str, Method]) -> tuple[dict[str, Method], dict[str, str]]:
    """The methods of a task by name, and why those that are missing are left out.

    Args:
        task: "denoise", "jpeg" or "inpaint".
        own: methods that every task has.

    >>> sorted(methods_of("inpaint", {})[0])
    ['damaged', 'opencv-navier-stokes', 'opencv-telea']
    """
    found: dict[str, Method] = {"damaged": lambda case: case.damaged, **own}
    left_out: dict[str, str] = {}
    for name, (packages, method) in _PEERS.get(task, {}).items():
        try:
            for package in packages:
                importlib.import_module(package)
        except ImportError as error:
            left_out[name] = f"{name} is left out: {error}"
        else:
            found[name] = method
    return found, left_out


def _bm3d(case: Case) -> np.ndarray:
    """CBM3D (Dabov et al., ICIP 2007) of the package bm3d, whose license allows no commercial use: here it is measured alone."""
    from bm3d import bm3d_rgb

    return bm3d_rgb(case.damaged / 255.0, _sigma(case) / 255) * 255


def _opencv_nlm(case: Case) -> np.ndarray:
    """Non-local means (Buades et al., CVPR 2005) for colors, which takes 8 bits."""
    strength = _NLM_STRENGTH * _sigma(case)
    return cv2.fastNlMeansDenoisingColored(_as_bytes(case.damaged), None, strength, strength, 7, 21).astype(np.float32)


def _wavelet(case: Case) -> np.ndarray:
    """Wavelet shrinkage with BayesShrink's thresholds (Chang et al., IEEE TIP 2000).

    In luminance and color differences, whose noise it estimates by itself, it is 1.3 dB better than in red, green and blue.
    """
    from skimage.restoration import denoise_wavelet

    options: dict[str, Any] = {"method": "BayesShrink", "mode": "soft", "channel_axis": -1, "rescale_sigma": True}
    return denoise_wavelet(case.damaged / 255.0, convert2ycbcr=True, **options) * 255


def _total_variation(case: Case) -> np.ndarray:
    """Total variation (Rudin et al., Physica D 1992) by Chambolle's algorithm."""
    from skimage.restoration import denoise_tv_chambolle

    return denoise_tv_chambolle(case.damaged / 255.0, weight=_TV_WEIGHT * _sigma(case) / 255, channel_axis=-1) * 255


def _opencv_inpaint(case: Case, flags: int) -> np.ndarray:
    """Telea (Journal of Graphics Tools 2004), or Navier-Stokes (Bertalmio et al., CVPR 2001), with OpenCV's example's radius."""
    assert case.hole is not None
    return cv2.inpaint(_as_bytes(case.damaged), case.hole.astype(np.uint8), 3, flags).astype(np.float32)


def _sigma(case: Case) -> float:
    assert case.trial.level is not None
    return float(case.trial.level)


def _as_bytes(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


_Peer = tuple[tuple[str, ...], Callable[[Case], np.ndarray]]
_PEERS: dict[str, dict[str, _Peer]] = {
    "denoise": {
        "bm3d": (("bm3d",), _bm3d),
        "opencv-nlm": ((), _opencv_nlm),
        "skimage-wavelet": (("skimage", "pywt"), _wavelet),
        "skimage-tv": (("skimage",), _total_variation),
    },
    "inpaint": {
        "opencv-telea": ((), functools.partial(_opencv_inpaint, flags=cv2.INPAINT_TELEA)),
        "opencv-navier-stokes": ((), functools.partial(_opencv_inpaint, flags=cv2.INPAINT_NS)),
    },
}
