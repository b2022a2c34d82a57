"""The discriminator of a GAN as a classifier of images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers.utils import BaseOutput

from ..data.square_crops import middle_square
from ..images.images import image_to_tensor, open_image
from ..models.gan import GANDiscriminator
from ..models.stylegan2 import StyleGAN2Discriminator
from .image_io import ImageLike, as_list
from .latents import check_class_names
from .loading_checks import StrictPipeline


@dataclass
class ClassificationOutput(BaseOutput):
    """
    Args:
        labels (`list[str]`): names of the likeliest classes, the likeliest first.
        scores (`list[float]`): their probabilities.
    """

    labels: list[str]
    scores: list[float]


class DiscriminatorClassifier(StrictPipeline):
    """Says which class an image is of. A run of `scripts/train.py --task generation` whose discriminator classifies writes one to
    the folder `classifier` beside the generator.

    Args:
        discriminator: one with the head "k+1" or "auxiliary".
        classes: names of its classes, in the order of their numbers; the numbers themselves if left out.

    Raises:
        ValueError: a discriminator that does not classify, or names that do not fit.

    Example:
        classifier = DiscriminatorClassifier.from_pretrained("runs/semi-supervised/final/classifier")
        classifier("digit.png")[0].labels[0]
    """

    discriminator: StyleGAN2Discriminator | GANDiscriminator
    component_classes = {"discriminator": (StyleGAN2Discriminator, GANDiscriminator)}
    model_cpu_offload_seq = "discriminator"  # type: ignore[assignment]  # diffusers types it None

    def __init__(self, discriminator: StyleGAN2Discriminator | GANDiscriminator, classes: list[str] | None = None):
        super().__init__()
        if not discriminator.verdict.classifies:
            raise ValueError("this discriminator does not classify: train one with `head` 'k+1' or 'auxiliary'")
        self.register_modules(discriminator=discriminator)
        count = discriminator.config.num_classes
        self.register_to_config(classes=check_class_names(list(map(str, range(count))) if classes is None else classes, count))
        discriminator.eval().requires_grad_(False)
        self.set_progress_bar_config(disable=True)

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return self.config["classes"]

    @torch.inference_mode()
    def __call__(self, images: ImageLike | Sequence[ImageLike], top_k: int = 5) -> list[ClassificationOutput]:
        """Classifies images, each by the middle square of it, at the discriminator's resolution.

        Args:
            images: one image (PIL, array, tensor or path) or several.
            top_k: how many classes to name of each, at most.

        Raises:
            ImageError: an image cannot be read.
            ValueError: no image, or `top_k` is below 1.
        """
        if isinstance(top_k, bool) or not isinstance(top_k, (int, np.integer)) or top_k < 1:
            raise ValueError(f"`top_k` is {top_k!r}; it must be a whole number from 1")
        size, device = self.discriminator.config.resolution, self.discriminator.device
        results = []
        for source in as_list(images, "images"):
            batch = image_to_tensor(middle_square(open_image(source), size)).to(device, self.discriminator.dtype)
            best = self.discriminator.class_probabilities(batch)[0].topk(min(int(top_k), len(self.classes)))
            names = [self.classes[n] for n in best.indices.tolist()]
            results.append(ClassificationOutput(labels=names, scores=best.values.tolist()))
        return results
