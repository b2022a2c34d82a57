"""Runs the protocol of restoration with our pipeline and the installed methods, and saves all pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from ..images.images import save_image
from .backbones import Backbone
from .report import Figure
from .restoration import TRIALS, Method, Score, Trial, measure_restoration, restoration_figures
from .restoration_peers import methods_of, pipeline_method


@dataclass(frozen=True)
class Comparison:
    """
    Args:
        figures: means over photos, by method.
        scores: of each photo, by trial and method and then by photo.
        left_out: why methods that are not installed are missing, by method.
    """

    figures: dict[str, list[Figure]]
    scores: dict[str, dict[str, Score]]
    left_out: dict[str, str]


def compare_restoration(
    pipe: Any,
    backbone: Backbone,
    photos: Mapping[str, Image.Image],
    folder: Path,
    fidelity: float = 1.0,
    seed: int = 0,
    trials: tuple[Trial, ...] = TRIALS,
) -> Comparison:
    """Damages photos, and restores them with `pipe` and its peers, while a line on stderr says how far it is.

    The peers are told how strong the damage is, as far as that helps them. So is the pipeline as "styleadapt"; as
    "styleadapt-blind" it estimates that.

    Args:
        pipe: a `RestorationPipeline`.
        backbone: that perceptual distances are measured with.
        photos: undamaged "RGB" images by name, which the pipeline was not trained on.
        folder: for the pictures, `TRIAL/PHOTO-METHOD.png`.
        fidelity: as of the pipeline's call.
        seed: of the damage and of the intervals.

    Raises:
        ValueError: the pipeline lacks a network, or a photo is smaller than 11 x 11 pixels.
        ImportError: scikit-image is not installed, which SSIM needs.
        OSError: a picture cannot be written.
    """
    told, blind = pipeline_method(pipe, fidelity), pipeline_method(pipe, fidelity, blind=True)
    left_out: dict[str, str] = {}

    def methods(task: str) -> dict[str, Method]:
        own = {"styleadapt": told} if task == "inpaint" else {"styleadapt": told, "styleadapt-blind": blind}
        available, missing = methods_of(task, own)
        left_out.update(missing)
        return available

    def keep(method: str, trial: Trial, photo: str, picture: np.ndarray) -> None:
        save_image(Image.fromarray(picture), folder / trial.name / f"{photo}-{method}.png")

    found: dict[tuple[str, str], dict[str, Score]] = {}
    with tqdm(measure_restoration(backbone, photos, methods, seed, trials, keep), "measuring", unit="picture") as bar:
        for trial, method, photo, score in bar:
            bar.set_postfix_str(f"{trial.name}: {photo}, {method}")
            found.setdefault((trial.name, method), {})[photo] = score
    figures = restoration_figures({key: list(scores.values()) for key, scores in found.items()}, backbone.name, seed)
    return Comparison(figures, {" ".join(key): scores for key, scores in found.items()}, left_out)


def middle(image: Image.Image, size: int | None) -> Image.Image:
    """The middle of an image, `size` pixels wide and high at most, without resizing, which would take its noise away.

    >>> middle(Image.new("RGB", (100, 40)), 64).size
    (64, 40)
    """
    if size is None:
        return image
    width, height = min(size, image.width), min(size, image.height)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
