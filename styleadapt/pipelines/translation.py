"""The translation pipeline: images of one domain in, images of another out, with a map of where the network looked."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.utils import BaseOutput, logging
from PIL import Image

from ..data.images import ImageError, image_to_tensor, load_image, split_alpha, tensor_to_image
from ..models.cpu import configure_cpu
from ..models.modeling import ModelLoadError
from ..models.ugatit import UGATITDiscriminator, UGATITGenerator

ImageLike = Image.Image | str | os.PathLike
Direction = Literal["a2b", "b2a"]
# with 64 channels a light generator takes a good kilobyte a pixel
MAX_WORKING_PIXELS = 2048 * 2048


@dataclass
class TranslationOutput(BaseOutput):
    """
    Args:
        images (`list[PIL.Image.Image]`): translated images, each of its input's size, with its alpha channel if it has one.
        attentions (`list[PIL.Image.Image]`, *optional*): heat maps of the same sizes, from blue, the least attention in that
            image, to red, the most; None unless asked for.
    """

    images: list[Image.Image]
    attentions: list[Image.Image] | None = None


class TranslationPipeline(DiffusionPipeline):
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
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike, **kwargs: Any):
        """Loads a folder, such as `scripts/convert_ugatit.py` writes, or a repository of the Hub.

        Args:
            pretrained_model_name_or_path: folder or `user/repo`.
            kwargs: as in diffusers: `revision`, `variant`, `dtype` (or `torch_dtype`), `token`, `cache_dir`,
                `local_files_only`; and components to put in the place of the saved ones.

        Raises:
            ModelLoadError: nothing there, no network, a repo of another pipeline, another class, missing or misshapen keys,
                values that are not finite.
        """
        configure_cpu()
        if "torch_dtype" in kwargs:
            kwargs["dtype"] = kwargs.pop("torch_dtype")
        path = str(pretrained_model_name_or_path)
        is_local = Path(path).exists()
        if is_local and not (Path(path) / "model_index.json").is_file():
            raise ModelLoadError(f"{path} is no pipeline folder: it has no model_index.json")
        bar_was_on = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            index: Any = cls.load_config(path, **{key: kwargs[key] for key in _HUB_KEYWORDS & kwargs.keys()})
            cls._check_index(path, {**index, **dict.fromkeys(kwargs)})
            pipe = super().from_pretrained(path, **kwargs)
        except ModelLoadError:
            raise
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            if is_local:
                raise ModelLoadError(f"cannot load {path}: {reason}") from error
            raise ModelLoadError(
                f"cannot load {path!r}: there is no such folder, and the Hub has no such repository or cannot be reached; off "
                f"line, pass a folder ({reason})"
            ) from error
        finally:
            if bar_was_on:
                logging.enable_progress_bar()
        for generator in (pipe.generator_a2b, pipe.generator_b2a):
            generator.to(memory_format=torch.channels_last)  # type: ignore[call-arg]  # diffusers wraps it
        # a local path would leak into what is saved
        pipe.register_to_config(_name_or_path=Path(path).name if is_local else path)
        return pipe

    @classmethod
    def _check_index(cls, path: str, index: dict[str, Any]) -> None:
        """Refuses an index of other components, which diffusers would load; None stands for what is not to be loaded."""
        found = index.get("_class_name")
        if found != cls.__name__:
            raise ModelLoadError(f"{path}: model_index.json is of a {found}, expected a {cls.__name__}")
        for name in ("generator_a2b", "generator_b2a", *cls._optional_components):
            kind = UGATITGenerator if name.startswith("generator") else UGATITDiscriminator
            entry = index.get(name, "nothing")
            absent = entry is None or (entry == [None, None] and name in cls._optional_components)
            if not absent and entry != [kind.__module__, kind.__name__]:
                raise ModelLoadError(f"{path}: model_index.json has {entry} for `{name}`, expected a {kind.__name__}")

    @torch.inference_mode()
    def __call__(
        self,
        image: ImageLike | Sequence[ImageLike],
        direction: Direction = "a2b",
        return_attention: bool = False,
        max_size: int | None = None,
    ) -> TranslationOutput:
        """Translates one image or several.

        Args:
            image: PIL images or paths, of any size and mode.
            direction: `"a2b"` takes images of domain a and gives images of domain b; `"b2a"` the other way.
            return_attention: give the heat maps as well.
            max_size: longest side in pixels that a light generator works at; a larger image is translated at that size and scaled
                back. A full generator always works at its own size.

        Returns:
            `TranslationOutput` with `images` and `attentions`, lists even for one image.

        Raises:
            ValueError: another direction, a `max_size` below 1, no image, or one that cannot be read (`ImageError`).
        """
        if direction not in get_args(Direction):
            raise ValueError(f"`direction` is {direction!r}; it must be 'a2b' or 'b2a'")
        if max_size is not None and max_size < 1:
            raise ValueError(f"`max_size` is {max_size}; it must be 1 pixel at least")
        sources: list[Any] = list(image) if isinstance(image, (list, tuple)) else [image]
        if not sources:
            raise ValueError("`image` is empty; pass one image at least")
        generator = self.generator_a2b if direction == "a2b" else self.generator_b2a
        results = [_translate(generator, source, return_attention, max_size) for source in sources]
        attentions = [attention for _, attention in results if attention is not None]
        return TranslationOutput(images=[image for image, _ in results], attentions=attentions if return_attention else None)


_HUB_KEYWORDS = frozenset(("cache_dir", "force_download", "proxies", "token", "local_files_only", "revision"))


def _translate(
    generator: UGATITGenerator, source: ImageLike, return_attention: bool, max_size: int | None
) -> tuple[Image.Image, Image.Image | None]:
    photo, alpha = split_alpha(load_image(source))
    work = _light_work(photo, max_size) if generator.config.light else _full_work(photo, generator.config.image_size)
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
    grey = _grey(out.attention[0, 0].float().cpu().numpy())
    grey = grey.resize((x.shape[3], x.shape[2]), Image.Resampling.BILINEAR).crop((0, 0, width, height))
    return result, _heat(grey.resize(photo.size, Image.Resampling.BILINEAR))


def _light_work(photo: Image.Image, max_size: int | None) -> Image.Image:
    """The photo at the size that a light generator works at."""
    if max_size is not None and max(photo.size) > max_size:
        scale = max_size / max(photo.size)
        photo = photo.resize([max(1, round(side * scale)) for side in photo.size], Image.Resampling.LANCZOS)
    if photo.width * photo.height > MAX_WORKING_PIXELS:
        raise ImageError(
            f"the image has {photo.width} x {photo.height} pixels, more than the {MAX_WORKING_PIXELS:,} that are translated at "
            "once; pass `max_size=`, for instance 1024, to work at a smaller size and scale back"
        )
    return photo


def _full_work(photo: Image.Image, size: int) -> Image.Image:
    """The photo squeezed to a full generator's square, by the filter that the authors use before training and testing."""
    return photo if photo.size == (size, size) else photo.resize((size, size), Image.Resampling.BILINEAR)


def _grey(attention: np.ndarray) -> Image.Image:
    low, high = attention.min(), attention.max()
    return Image.fromarray((255 * (attention - low) / max(high - low, 1e-12)).astype(np.uint8))


def _heat(grey: Image.Image) -> Image.Image:
    """Colours of the "jet" map, from blue over green to red, which the authors show attention in."""
    level = np.linspace(0, 1, 256)[:, None]
    palette = np.clip(1.5 - np.abs(4 * level - [3, 2, 1]), 0, 1)
    grey.putpalette((255 * palette).astype(np.uint8).tobytes())
    return grey.convert("RGB")
