"""The generation pipeline: pictures from noise, and ways through the space of pictures."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import torch
from diffusers.utils import BaseOutput
from PIL import Image

from ..adapters.adapter import PACKAGED
from ..errors import ModelLoadError
from ..images.images import tensor_to_image
from ..models.stylegan2 import StyleGAN2Generator, mix_styles
from .image_io import OutputType, as_output, check_output_type
from .latents import (
    Labels,
    check_num_images,
    check_seed,
    check_truncation,
    drawn_latents,
    read_labels,
    read_tensor,
    spherical,
)
from .loading_checks import StrictPipeline

LatentLike = int | torch.Tensor | np.ndarray
BATCH_PIXELS = 1 << 19  # of the pictures that are calculated together; each takes a few kilobytes a pixel
MOST_STEPS = 1000


@dataclass
class GenerationOutput(BaseOutput):
    """
    Args:
        images (`list[PIL.Image.Image]`): generated pictures; an array or a tensor if another `output_type` was asked for.
        latents (`torch.Tensor`, *optional*): `(B, latent_dim)`, what they were made from; None where codes were given or mixed.
        w (`torch.Tensor`, *optional*): `(B, num_layers, code_dim)`, their codes, truncated; None for a generator without.
        labels (`list[int]`, *optional*): the number of each one's class; None for a generator without classes, or where codes
            were given or mixed.
    """

    images: Any
    latents: torch.Tensor | None = None
    w: torch.Tensor | None = None
    labels: list[int] | None = None


class GenerationPipeline(StrictPipeline):
    """Makes pictures from noise, mixes them and goes from one to another.

    Where `latents` or pictures `a` and `b` are asked for, a seed stands for its first latent.

    Args:
        generator: the model.
        classes: names of the classes that it was trained with, in the order of their numbers.

    Example:
        pipe = GenerationPipeline.from_pretrained()
        out = pipe(num_images=4, seed=0, truncation=0.7)
        out.images[0].save("picture.png")
        pipe.mix(out.w[0], out.w[1]).images[0].save("mixed.png")
        frames = pipe.interpolate(3, 14, steps=30).images
    """

    generator: StyleGAN2Generator
    component_classes = {"generator": StyleGAN2Generator}
    model_cpu_offload_seq = "generator"  # type: ignore[assignment]  # diffusers types it None

    def __init__(self, generator: StyleGAN2Generator, classes: list[str] | None = None):
        super().__init__()
        num_classes = getattr(generator.config, "num_classes", 0)
        if classes is not None:
            named = isinstance(classes, (list, tuple)) and all(isinstance(name, str) and name for name in classes)
            if not named or len(set(classes)) != len(classes) or len(classes) != num_classes:
                raise ValueError(
                    f"`classes` must be {num_classes} different names, as many as the generator has classes, got {classes!r:.200}"
                )
            classes = list(classes)
        self.register_modules(generator=generator)
        self.register_to_config(classes=classes)
        generator.eval().requires_grad_(False)
        self.set_progress_bar_config(disable=True)

    @classmethod
    @torch.inference_mode(False)
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike | None = None, **kwargs: Any):
        """Loads the packaged weights, a folder, or a repository of the Hub: see `StrictPipeline`, and what it raises."""
        if pretrained_model_name_or_path is not None:
            return super().from_pretrained(pretrained_model_name_or_path, **kwargs)
        path = resources.files("styleadapt") / "assets" / "generation"
        if not (path / "model_index.json").is_file():
            raise ModelLoadError(
                "the weights of generation are not installed here; name a folder of trained ones (see scripts/train.py --task "
                "generation)"
            )
        pipe = super().from_pretrained(str(path), **kwargs)
        pipe.register_to_config(_name_or_path=PACKAGED)
        return pipe

    @property
    def classes(self) -> list[str] | None:
        """Names of the classes, or None for a generator without, or whose classes have numbers alone."""
        return self.config.get("classes")

    @property
    def num_classes(self) -> int:
        """Of the generator, 0 for none."""
        return getattr(self.generator.config, "num_classes", 0)

    @property
    def has_codes(self) -> bool:
        """Does a mapping network make codes of the latents, which can be truncated and mixed?"""
        return hasattr(self.generator, "mapping")

    @torch.inference_mode()
    def __call__(
        self,
        num_images: int = 4,
        seed: int = 0,
        truncation: float = 0.7,
        label: Labels | None = None,
        latents: LatentLike | None = None,
        w: torch.Tensor | np.ndarray | None = None,
        tileable: bool = False,
        output_type: OutputType = "pil",
    ) -> GenerationOutput:
        """Generates pictures. The noise within the layers is the same for all, so that latents alone make the difference.

        Args:
            num_images: how many, 1 to 1000; without effect if `latents` or `w` are given.
            seed: of the latents, and of the classes if `label` leaves them open.
            truncation: 1 for codes as they are drawn, less for ones nearer to their mean: better pictures of less variety (the
                truncation trick of StyleGAN, arXiv 1812.04948, appendix B); 0 for the mean picture, 1.5 at most. Without effect
                on `w`, and on a generator without codes.
            label: class of all pictures, by number or by name, or several that the pictures take in turn. If left out, a
                generator with classes makes as many of each, in random order.
            latents: `(B, latent_dim)` or `(latent_dim,)`, instead of drawn ones.
            w: codes `(B, num_layers, code_dim)` or `(num_layers, code_dim)`, such as `GenerationOutput.w`, instead of latents.
            tileable: the pictures repeat without a seam: every convolution goes on at the opposite edge.
            output_type: "pil" gives a list of images; "np" a float32 array `(B, H, W, 3)` and "pt" a float32 tensor
                `(B, 3, H, W)` in [0, 1].

        Raises:
            ValueError: an argument out of range, an unknown class, latents or codes that do not fit, latents and codes together.
        """
        check_output_type(output_type)
        truncation, seed = check_truncation(truncation), check_seed(seed)
        if w is not None:
            if latents is not None or label is not None:
                raise ValueError("`w` holds all that makes a picture; leave `latents` and `label` out")
            return self._pictures(None, self._read_codes(w, "w"), None, tileable, output_type)
        z = self.latents(check_num_images(num_images), seed) if latents is None else self._read_latents(latents, "latents")
        labels = read_labels(label, len(z), self.num_classes, self.classes, seed)
        return self._pictures(z, self._codes(z, labels, truncation), labels, tileable, output_type)

    def latents(self, num_images: int = 4, seed: int = 0) -> torch.Tensor:
        """`(num_images, latent_dim)`, float32 on the CPU: what a call with this seed makes pictures of. The first latents are the
        same however many are drawn.

        Raises:
            ValueError: a number of images or a seed out of range.
        """
        return drawn_latents(check_num_images(num_images), self.generator.config.latent_dim, check_seed(seed))

    @torch.inference_mode()
    def mix(
        self,
        a: LatentLike,
        b: LatentLike,
        crossover: int | None = None,
        truncation: float = 0.7,
        label: Labels | None = None,
        tileable: bool = False,
        output_type: OutputType = "pil",
    ) -> GenerationOutput:
        """Mixes pictures: the coarse layers, with pose and shape, follow `a` and the fine ones, with colors and detail, `b`
        (style mixing, StyleGAN, arXiv 1812.04948, section 3.1).

        Args:
            a, b: seeds, latents `(latent_dim,)` or `(B, latent_dim)`, or codes `(B, num_layers, code_dim)`; a single one goes
                with all of the other.
            crossover: the first layer that follows `b`, 0 to `num_layers`; the middle one if left out.
            truncation, tileable, output_type: as in a call.
            label: class of both, or a list with that of `a` and that of `b`; drawn as in a call with seed 0, or with the seed
                that stands for the latent, if left out.

        Raises:
            ValueError: arguments that do not fit or go together, or a generator without codes.
        """
        check_output_type(output_type)
        if not self.has_codes:
            raise ValueError("this generator has no codes that could be mixed; `interpolate` goes from one latent to another")
        ours, theirs = self._both(a, b, truncation, label)
        if len(ours) != len(theirs) and 1 not in (len(ours), len(theirs)):
            raise ValueError(f"`a` is of {len(ours)} pictures and `b` of {len(theirs)}; pass as many, or one")
        layers = ours.shape[1]
        crossover = layers // 2 if crossover is None else crossover
        if isinstance(crossover, bool) or not isinstance(crossover, (int, np.integer)) or not 0 <= crossover <= layers:
            raise ValueError(f"`crossover` is {crossover!r}; it must be a layer from 0 to {layers}")
        return self._pictures(None, mix_styles(ours, theirs, int(crossover)), None, tileable, output_type)

    @torch.inference_mode()
    def interpolate(
        self,
        a: LatentLike,
        b: LatentLike,
        steps: int = 30,
        truncation: float = 0.7,
        label: Labels | None = None,
        tileable: bool = False,
        output_type: OutputType = "pil",
    ) -> GenerationOutput:
        """Goes from one picture to another in equal steps, both ends included: on a straight line between their codes, where a
        way changes the picture most evenly (StyleGAN, arXiv 1812.04948, section 4.1), or, with a generator without codes, on a
        great circle between their latents.

        Args:
            a, b: of one picture each, see `mix`.
            steps: number of pictures, 2 to 1000.
            truncation, label, tileable, output_type: see `mix`.

        Raises:
            ValueError: arguments that do not fit or go together.
        """
        check_output_type(output_type)
        if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or not 2 <= steps <= MOST_STEPS:
            raise ValueError(f"`steps` is {steps!r}; it must be a whole number from 2, the two ends, to {MOST_STEPS}")
        ours, theirs = self._both(a, b, truncation, label)
        if len(ours) != 1 or len(theirs) != 1:
            raise ValueError(f"`a` is of {len(ours)} pictures and `b` of {len(theirs)}; pass one each")
        share = torch.linspace(0, 1, int(steps))
        if self.has_codes:
            way = torch.lerp(ours, theirs, share[:, None, None].to(ours.device))
            return self._pictures(None, way, None, tileable, output_type)
        labels = self._labels_of_ends(a, b, label)
        if labels[0] != labels[1]:
            raise ValueError("a generator without codes cannot go from one class to another; pass one `label`")
        classes = None if labels[0] is None else labels[0].expand(int(steps))
        return self._pictures(spherical(ours[0], theirs[0], share), None, classes, tileable, output_type)

    def _labels_of_ends(self, a: Any, b: Any, label: Labels | None) -> list[torch.Tensor | None]:
        pair = list(label) if isinstance(label, (list, tuple)) else [label, label]
        if len(pair) != 2:
            raise ValueError(f"`label` has {len(pair)} entries; pass one class, or that of `a` and that of `b`")
        seeds = (check_seed(end) if _is_seed(end) else 0 for end in (a, b))
        return [read_labels(one, 1, self.num_classes, self.classes, seed) for one, seed in zip(pair, seeds)]

    def _both(self, a: LatentLike, b: LatentLike, truncation: float, label: Labels | None) -> list[torch.Tensor]:
        """The codes of both, or their latents for a generator without."""
        truncation = check_truncation(truncation)
        labels = self._labels_of_ends(a, b, label)
        ends = []
        for end, name, one in zip((a, b), "ab", labels):
            if getattr(end, "ndim", 0) == 3:
                ends.append(self._read_codes(end, name))
                continue
            z = self._read_latents(end, name)
            codes = self._codes(z, None if one is None else one.expand(len(z)), truncation) if self.has_codes else z
            assert codes is not None
            ends.append(codes)
        return ends

    def _read_latents(self, value: LatentLike, name: str) -> torch.Tensor:
        if _is_seed(value):
            return self.latents(1, value)  # type: ignore[arg-type]
        return read_tensor(value, name, (self.generator.config.latent_dim,))

    def _read_codes(self, value: Any, name: str) -> torch.Tensor:
        if not self.has_codes:
            raise ValueError(f"`{name}` holds codes, but this generator has none; pass latents")
        codes = read_tensor(value, name, (self.generator.num_layers, self.generator.config.code_dim))
        return codes.to(self.generator.device)

    def _codes(self, z: torch.Tensor, labels: torch.Tensor | None, truncation: float) -> torch.Tensor | None:
        """`(B, latent_dim)` -> `(B, num_layers, code_dim)`, or None for a generator without codes."""
        if not self.has_codes:
            return None
        device = self.generator.device
        return self.generator.mapping(z.to(device), None if labels is None else labels.to(device), truncation).float()

    def _pictures(
        self,
        z: torch.Tensor | None,
        w: torch.Tensor | None,
        labels: torch.Tensor | None,
        tileable: bool,
        output_type: str,
    ) -> GenerationOutput:
        device, dtype = self.generator.device, self.generator.dtype
        at_once = max(1, BATCH_PIXELS // self.generator.config.resolution**2)
        images: list[Image.Image] = []
        with tiling(self.generator, tileable):
            if w is not None:
                for codes in w.split(at_once):
                    images += tensor_to_image(self.generator.synthesis(codes.to(device, dtype), noise="constant").float())
            else:
                assert z is not None
                for start in range(0, len(z), at_once):
                    part = slice(start, start + at_once)
                    own = None if labels is None else labels[part].to(device)
                    images += tensor_to_image(self.generator(z[part].to(device, dtype), own).sample.float())
        return GenerationOutput(
            images=as_output(images, output_type),
            latents=z,
            w=None if w is None else w.cpu(),
            labels=None if labels is None else labels.tolist(),
        )


@contextmanager
def tiling(generator: Any, on: bool) -> Iterator[None]:
    """Within the block the generator's pictures repeat without a seam, if asked for.

    Raises:
        ValueError: the generator cannot do that.

    >>> generator = StyleGAN2Generator(8, latent_dim=4, code_dim=4, mapping_layers=1, channel_base=16)
    >>> with tiling(generator, True):
    ...     generator.tileable
    True
    >>> generator.tileable
    False
    """
    if not on:
        yield
        return
    if not hasattr(generator, "tileable"):
        raise ValueError(f"a {type(generator).__name__} makes no tileable pictures; leave `tileable` out")
    before = generator.tileable
    generator.tileable = True
    try:
        yield
    finally:
        generator.tileable = before


def _is_seed(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
