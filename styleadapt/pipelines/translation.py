"""The translation pipeline: turns images of one domain into images of another, and maps where the network looked."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.utils import BaseOutput
from PIL import Image

from ..images.images import image_to_tensor, load_image, split_alpha, tensor_to_image
from ..images.resizing import working_size
from ..models.ugatit import UGATITDiscriminator, UGATITGenerator
from .image_io import ImageLike, OutputType, as_list, as_output, photos_for
from .loading_checks import StrictPipeline

Direction = Literal["a2b", "b2a"]
# with 64 channels a light generator takes a good kilobyte a pixel
MAX_WORKING_PIXELS = 2048 * 2048


@dataclass
class TranslationOutput(BaseOutput):
    """
    Args:
        images (`list[PIL.Image.Image]`): translated images, each of its input's size, with its alpha channel if it has one; an
            array or a tensor if another `output_type` was asked for.
        attentions (`list[PIL.Image.Image]`, *optional*): heat maps of the same sizes, from blue, the least attention in that
            image, to red, the most; None unless asked for. In the same form as `images`.
    """

    images: Any
    attentions: Any = None


class TranslationPipeline(StrictPipeline):
    """Translates images between two domains, a and b, with U-GAT-IT (arXiv 1907.10830).

    A light generator takes images of any size as they are, so their scale should be the one that it was trained at; `max_size`
    helps. A full generator knows one size alone, `image_size` of its config: every image is squeezed to that square, as in its
    training, and the result stretched back, so that detail finer than that is lost.

    Args:
        generator_a2b, generator_b2a: the models, one a direction.
        discriminator_global_a, discriminator_global_b, discriminator_local_a, discriminator_local_b: needed to go on training
            alone; may be left out. `from_pretrained(..., discriminator_global_a=None)` does not load that one.

    Example:
        pipe = TranslationPipeline.from_pretrained("runs/selfie2anime")
        result = pipe("selfie.jpg", direction="a2b", return_attention=True)
        result.images[0].save("anime.png")
        result.attentions[0].save("attention.png")
    """

    generator_a2b: UGATITGenerator
    generator_b2a: UGATITGenerator
    component_classes = {
        "generator_a2b": UGATITGenerator,
        "generator_b2a": UGATITGenerator,
        "discriminator_global_a": UGATITDiscriminator,
        "discriminator_global_b": UGATITDiscriminator,
        "discriminator_local_a": UGATITDiscriminator,
        "discriminator_local_b": UGATITDiscriminator,
    }
    model_cpu_offload_seq = "generator_a2b->generator_b2a"  # type: ignore[assignment]  # diffusers types it None
    _optional_components = [
        "discriminator_global_a",
        "discriminator_global_b",
        "discriminator_local_a",
        "discriminator_local_b",
    ]

    def __init__(
        self,
        generator_a2b: UGATITGenerator,
        generator_b2a: UGATITGenerator,
        discriminator_global_a: UGATITDiscriminator | None = None,
        discriminator_global_b: UGATITDiscriminator | None = None,
        discriminator_local_a: UGATITDiscriminator | None = None,
        discriminator_local_b: UGATITDiscriminator | None = None,
    ):
        super().__init__()
        self.register_modules(
            generator_a2b=generator_a2b,
            generator_b2a=generator_b2a,
            discriminator_global_a=discriminator_global_a,
            discriminator_global_b=discriminator_global_b,
            discriminator_local_a=discriminator_local_a,
            discriminator_local_b=discriminator_local_b,
        )
        self.set_progress_bar_config(disable=True)

    @classmethod
    @torch.inference_mode(False)
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike, **kwargs: Any):
        """Loads a folder, such as `styleadapt convert` writes, or a repository of the Hub: see `StrictPipeline`."""
        pipe = super().from_pretrained(pretrained_model_name_or_path, **kwargs)
        for generator in (pipe.generator_a2b, pipe.generator_b2a):
            generator.to(memory_format=torch.channels_last)  # type: ignore[call-arg]  # diffusers wraps it
        return pipe

    @torch.inference_mode()
    def __call__(
        self,
        image: ImageLike | Sequence[ImageLike],
        direction: Direction = "a2b",
        return_attention: bool = False,
        max_size: int | None = None,
        output_type: OutputType = "pil",
    ) -> TranslationOutput:
        """Translates one image or several.

        Args:
            image: PIL images, paths or addresses, of any size and mode; arrays `(H, W, C)` or `(B, H, W, C)`, or tensors
                `(C, H, W)` or `(B, C, H, W)`, of bytes or of floats in [0, 1].
            direction: `"a2b"` takes images of domain a and gives images of domain b; `"b2a"` the other way.
            return_attention: give the heat maps as well.
            max_size: longest side in pixels that a light generator works at; a larger image is translated at that size and scaled
                back. A full generator always works at its own size.
            output_type: "pil" gives lists of images; "np" float32 arrays `(B, H, W, C)` and "pt" float32 tensors `(B, C, H, W)`
                in [0, 1], both for images of one size.

        Returns:
            `TranslationOutput` with `images` and `attentions`, lists even for one image.

        Raises:
            ValueError: another direction, a `max_size` below 1, no image, or one that cannot be read (`ImageError`).
        """
        if direction not in get_args(Direction):
            raise ValueError(f"`direction` is {direction!r}; it must be 'a2b' or 'b2a'")
        if max_size is not None and max_size < 1:
            raise ValueError(f"`max_size` is {max_size}; it must be 1 pixel at least")
        sources = photos_for(as_list(image, "image"), output_type)
        generator = self.generator_a2b if direction == "a2b" else self.generator_b2a
        results = [_translate(generator, source, return_attention, max_size) for source in sources]
        images = as_output([image for image, _ in results], output_type)
        attentions = [attention for _, attention in results if attention is not None]
        return TranslationOutput(images, as_output(attentions, output_type) if return_attention else None)


def _translate(
    generator: UGATITGenerator, source: ImageLike, return_attention: bool, max_size: int | None
) -> tuple[Image.Image, Image.Image | None]:
    photo, alpha = split_alpha(load_image(source))
    if generator.config.light:
        work = working_size(photo, max_size, MAX_WORKING_PIXELS)
    else:
        work = _full_work(photo, generator.config.image_size)
    width, height = work.size
    x = image_to_tensor(work).to(generator.device, generator.dtype)
    # a light generator needs sides that 4 divides, 8 at least, or it gives more pixels back than it gets
    x = F.pad(x, (0, max(8, -(-width // 4) * 4) - width, 0, max(8, -(-height // 4) * 4) - height), mode="replicate")
    out = generator(x)
    result = tensor_to_image(out.sample[..., :height, :width].float())[0]
    if result.size != photo.size:
        result = result.resize(photo.size, Image.Resampling.BICUBIC)
    if alpha is not None:
        result.putalpha(alpha)
    if not return_attention:
        return result, None
    gray = _gray(out.attention[0, 0].float().cpu().numpy())
    gray = gray.resize((x.shape[3], x.shape[2]), Image.Resampling.BILINEAR).crop((0, 0, width, height))
    return result, _heat(gray.resize(photo.size, Image.Resampling.BILINEAR))


def _full_work(photo: Image.Image, size: int) -> Image.Image:
    """The photo squeezed to a full generator's square, by the filter that the authors use before training and testing."""
    return photo if photo.size == (size, size) else photo.resize((size, size), Image.Resampling.BILINEAR)


def _gray(attention: np.ndarray) -> Image.Image:
    low, high = attention.min(), attention.max()
    return Image.fromarray((255 * (attention - low) / max(high - low, 1e-12)).astype(np.uint8))


def _heat(gray: Image.Image) -> Image.Image:
    """Colors of the "jet" map, from blue over green to red, which the authors show attention in."""
    level = np.linspace(0, 1, 256)[:, None]
    palette = np.clip(1.5 - np.abs(4 * level - [3, 2, 1]), 0, 1)
    gray.putpalette((255 * palette).astype(np.uint8).tobytes())
    return gray.convert("RGB")
