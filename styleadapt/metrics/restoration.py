"""The evaluation protocol of restoration: damages photos with a fixed seed, and compares what methods restore with the originals.

Noise is Gaussian and unclipped, as denoisers are compared by (Zhang et al., DnCNN, arXiv 1608.03981, section IV), JPEG artifacts
are measured on luminance as there, and what is filled into a hole is measured inside it.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from ..data.damaged import luminance
from ..data.degradations import free_form_mask, gaussian_noise, jpeg_artifacts
from .backbones import Backbone
from .bootstrap import mean_interval
from .perceptual import perceptual_distance
from .pixels import psnr, ssim
from .report import Figure


@dataclass(frozen=True)
class Trial:
    """One kind of damage of one strength.

    Args:
        task: "denoise", "jpeg" or "inpaint", as of `RestorationPipeline`.
        level: standard deviation of the noise on the scale 0..255, or JPEG quality; None for holes.
    """

    task: str
    level: int | None = None

    @property
    def name(self) -> str:
        """
        >>> Trial("denoise", 25).name, Trial("inpaint").name
        ('denoise_25', 'inpaint')
        """
        return self.task if self.level is None else f"{self.task}_{self.level}"


TRIALS = (
    *(Trial("denoise", sigma) for sigma in (15, 25, 50)),
    *(Trial("jpeg", quality) for quality in (10, 20, 30)),
    Trial("inpaint"),
)


@dataclass(frozen=True)
class Case:
    """A damaged photo, which is all that a method sees.

    Args:
        trial: what was done to it.
        damaged: float32 `(H, W, 3)` on the scale 0..255, and beyond it for noise; black inside a hole.
        hole: bool `(H, W)`, true inside the hole; None where there is none.
    """

    trial: Trial
    damaged: np.ndarray
    hole: np.ndarray | None = None


Method = Callable[[Case], np.ndarray]
"""What restores a case: gives `(H, W, 3)` on the scale 0..255; values beyond it are clipped."""


@dataclass(frozen=True)
class Score:
    """Figures of how near a restored photo is to the undamaged one.

    Args:
        psnr: in decibels, over all pixels and colors; of "jpeg" on luminance, of "inpaint" inside the hole.
        ssim: over the whole photo; of "jpeg" on luminance.
        perceptual: distance to a network, over the whole photo, see `metrics.perceptual`.
        seconds: that it took.
    """

    psnr: float
    ssim: float
    perceptual: float
    seconds: float


def damage(trial: Trial, clean: np.ndarray, rng: np.random.Generator) -> Case:
    """A photo, damaged.

    Args:
        clean: float32 `(H, W, 3)` on the scale 0..255.

    >>> case = damage(Trial("inpaint"), np.full((64, 64, 3), 100, np.float32), np.random.default_rng(0))
    >>> bool(0.1 <= case.hole.mean() <= 0.4), float(case.damaged[case.hole].max())
    (True, 0.0)
    """
    if trial.task == "inpaint":
        hole = free_form_mask(clean.shape[0], clean.shape[1], rng)
        return Case(trial, np.where(hole[..., None], np.float32(0), clean), hole)
    assert trial.level is not None
    if trial.task == "jpeg":
        return Case(trial, jpeg_artifacts(clean, trial.level))
    return Case(trial, gaussian_noise(clean, trial.level, rng))


def measure_case(backbone: Backbone, case: Case, clean: np.ndarray, method: Method) -> tuple[Score, np.ndarray]:
    """The score of a method on a case, and what it made: uint8 `(H, W, 3)` for people to see.

    Args:
        clean: the undamaged photo, as of `damage`; 11 x 11 pixels or more.
    """
    started = time.perf_counter()
    restored = np.clip(np.asarray(method(case), np.float32), 0, 255)
    seconds = time.perf_counter() - started
    if case.trial.task == "jpeg":
        compared = [np.repeat(luminance(image), 3, -1) for image in (restored, clean)]
    else:
        compared = [restored, clean]
    x, y = (_as_tensor(image) for image in compared)
    whole_x, whole_y = (_as_tensor(image) for image in (restored, clean))
    if case.hole is None:
        ratio = psnr(x, y)
    else:
        inside = torch.from_numpy(case.hole)
        ratio = psnr(x[:, :, inside][..., None], y[:, :, inside][..., None])
    device = next(backbone.parameters()).device
    with torch.no_grad():
        distance = perceptual_distance(backbone(whole_x.to(device)), backbone(whole_y.to(device)))
    score = Score(float(ratio), float(ssim(x, y)), float(distance), seconds)
    return score, np.rint(restored).astype(np.uint8)


def measure_restoration(
    backbone: Backbone,
    photos: Mapping[str, Image.Image],
    methods: Callable[[str], Mapping[str, Method]],
    seed: int = 0,
    trials: tuple[Trial, ...] = TRIALS,
    made: Callable[[str, Trial, str, np.ndarray], object] = lambda *_: None,
) -> Iterator[tuple[Trial, str, str, Score]]:
    """Scores of all methods on all photos, damaged in the same way for each, as trial, method, photo and score.

    Args:
        backbone: that perceptual distances are measured with.
        photos: "RGB" images by name.
        methods: gives the methods by name that a task has.
        seed: of the damage, which depends on nothing but it, the photo's place and the trial's.
        made: called with the method, the trial, the photo's name and what was made of it.
    """
    for place, trial in enumerate(trials):
        for number, (photo, image) in enumerate(photos.items()):
            clean = np.asarray(image, np.float32)
            case = damage(trial, clean, np.random.default_rng([seed, place, number]))
            for name, method in methods(trial.task).items():
                score, restored = measure_case(backbone, case, clean, method)
                made(name, trial, photo, restored)
                yield trial, name, photo, score


def restoration_figures(
    scores: Mapping[tuple[str, str], list[Score]], backbone_name: str, seed: int = 0
) -> dict[str, list[Figure]]:
    """Means over photos with intervals, and median seconds, by method.

    Args:
        scores: by trial's name and method.

    >>> figures = restoration_figures({("jpeg_10", "damaged"): [Score(30.0, 0.9, 0.1, 0.0)] * 2}, "embedded")
    >>> [(figure.name, figure.value) for figure in figures["damaged"]][:2]
    [('jpeg_10 psnr', 30.0), ('jpeg_10 ssim', 0.9)]
    """
    figures: dict[str, list[Figure]] = {}
    for (trial, method), found in scores.items():
        column = figures.setdefault(method, [])
        for name, backbone, higher in (("psnr", None, True), ("ssim", None, True), ("perceptual", backbone_name, False)):
            values = [getattr(score, name) for score in found]
            column.append(Figure.of(f"{trial} {name}", mean_interval(values, seed=seed), backbone, higher))
        column.append(Figure(f"{trial} seconds", statistics.median(score.seconds for score in found)))
    return figures


def _as_tensor(image: np.ndarray) -> torch.Tensor:
    """`(H, W, 3)` on the scale 0..255 as `(1, 3, H, W)` in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None] / 127.5 - 1
