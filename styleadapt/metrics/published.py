"""LPIPS and FID as they were published, by torchmetrics and the weights of their authors, which the user fetches.

`metrics.perceptual` and `metrics.distribution` have the same formulas on any network; what they give is another scale. Here the
network and its weights are the published ones, so that figures compare with those of papers, as far as images are of the same
sizes and as many. The libraries fetch the weights on first use.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..errors import BackboneError
from ..images.images import image_to_tensor
from .bootstrap import mean_interval
from .report import Figure

LPIPS_BACKBONE, FID_BACKBONE = "torchmetrics:lpips-alex", "torchmetrics:inception-v3-compat"


def require_published(sets: bool) -> None:
    """Makes sure that `lpips_figure` can measure, before pictures are made for it.

    Args:
        sets: `fid_figure` has to as well.

    Raises:
        BackboneError: as theirs.
    """
    _load_lpips()
    if sets:
        _load_fid()


def lpips_figure(outputs: Sequence[Image.Image], photos: Sequence[Image.Image], seed: int = 0) -> Figure:
    """LPIPS with AlexNet (Zhang et al., arXiv 1801.03924): the mean of outputs' distances to their photos, with its interval.

    Args:
        outputs, photos: "RGB", pair by pair of one size.
        seed: of the interval.

    Raises:
        BackboneError: torchmetrics, torchvision or the weights are not here.
    """
    metric = _load_lpips()
    with torch.no_grad():
        pairs = zip(outputs, photos, strict=True)
        distances = [float(metric(image_to_tensor(x), image_to_tensor(y))) for x, y in pairs]
    return Figure.of("lpips", mean_interval(distances, seed=seed), LPIPS_BACKBONE)


def fid_figure(outputs: Sequence[Image.Image], reference: Sequence[Image.Image]) -> Figure:
    """FID with the Inception of its paper (Heusel et al., arXiv 1706.08500), of the outputs to a set of images of the style.

    It is mostly bias for fewer than some thousand images, and compares with figures of as many images alone.

    Raises:
        BackboneError: torchmetrics, torch-fidelity or the weights are not here.
        ValueError: a set of fewer than 2 images.
    """
    if min(len(outputs), len(reference)) < 2:
        raise ValueError(f"a distribution needs 2 images or more, got {len(outputs)} and {len(reference)}")
    metric = _load_fid()
    for images, real in ((outputs, False), (reference, True)):
        for image in images:
            metric.update(torch.tensor(np.asarray(image)).permute(2, 0, 1)[None], real=real)
    return Figure("fid", float(metric.compute()), FID_BACKBONE)


def _load_lpips() -> Any:
    return _load("torchmetrics.image.lpip", "LearnedPerceptualImagePatchSimilarity", "lpips", net_type="alex")


def _load_fid() -> Any:
    return _load("torchmetrics.image.fid", "FrechetInceptionDistance", "fid")


def _load(module: str, name: str, figure: str, **options: Any) -> Any:
    try:
        return getattr(__import__(module, fromlist=[name]), name)(**options).eval()
    except ImportError as error:
        message = f'`{figure}` needs packages that are not here: pip install "torchmetrics[image]"'
        raise BackboneError(message) from error
    # The libraries raise nearly every type of exception: no network, damaged file, extension that does not load.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BackboneError(f"the weights of `{figure}` cannot be loaded: {reason}; fetch them once while on line") from error
