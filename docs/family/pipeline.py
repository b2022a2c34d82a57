"""The pipeline: what users call. It goes to `styleadapt/pipelines/uncasting.py`."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers.utils import BaseOutput
from PIL import Image

from styleadapt.images.images import image_to_tensor, load_image, split_alpha, tensor_to_image
from styleadapt.pipelines.image_io import ImageLike, as_list
from styleadapt.pipelines.loading_checks import StrictPipeline

from .model import Uncast


@dataclass
class UncastingOutput(BaseOutput):
    """
    Args:
        images (`list[PIL.Image.Image]`): the photos without their casts.
    """

    images: list[Image.Image]


class UncastingPipeline(StrictPipeline):
    """Takes color casts off photos.

    Example:
        pipe = UncastingPipeline.from_pretrained("user/repo")
        pipe("photo.jpg").images[0].save("neutral.png")
    """

    # loading refuses a repo of anything else
    component_classes = {"model": Uncast}

    def __init__(self, model: Uncast):
        super().__init__()
        self.register_modules(model=model)
        self.set_progress_bar_config(disable=True)

    @torch.inference_mode()
    def __call__(self, image: ImageLike | Sequence[ImageLike]) -> UncastingOutput:
        """
        Args:
            image: photos of any size and mode, or paths to them, one or several.

        Raises:
            ImageError: one that cannot be read.
        """
        results = []
        for source in as_list(image, "image"):
            photo, alpha = split_alpha(load_image(source))
            sample = self.model(image_to_tensor(photo).to(self.device, self.dtype)).sample
            result = tensor_to_image(sample.float())[0]
            if alpha is not None:
                result.putalpha(alpha)
            results.append(result)
        return UncastingOutput(images=results)
