"""Ways through the space of pictures that a generator makes: what generation pipelines calculate with latents and codes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers.utils import BaseOutput
from PIL import Image

from ..images.images import tensor_to_image
from ..models.stylegan2 import mix_styles
from .image_io import OutputType, as_output, check_output_type
from .latents import (
    Labels,
    are_several,
    check_num_images,
    check_seed,
    check_truncation,
    drawn_latents,
    read_labels,
    read_tensor,
    spherical,
)

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


class LatentSpaceMixin:
    """For a pipeline with a `generator` from noise: a model whose call takes latents `(B, latent_dim)` and labels and gives an
    output with `sample`, and that may have codes, as `StyleGAN2Generator` has."""

    generator: Any
    config: Any

    @property
    def classes(self) -> list[str] | None:
        """Names of the classes, or None for a generator without, or whose classes have numbers alone."""
        return self.config.get("classes")

    @property
    def num_classes(self) -> int:
        """Of the generator, 0 for none."""
        return getattr(self.generator.config, "num_classes", 0)

    @property
    def class_names(self) -> list[str]:
        """Of every class the name, or the number where they have none; empty for a generator without classes."""
        return self.classes or [str(n) for n in range(self.num_classes)]

    @property
    def has_codes(self) -> bool:
        """Does a mapping network make codes of the latents, which can be truncated and mixed?"""
        return hasattr(self.generator, "mapping")

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
        tileable: bool | None = None,
        output_type: OutputType = "pil",
    ) -> GenerationOutput:
        """Mixes pictures: the coarse layers, with pose and shape, follow `a` and the fine ones, with colors and detail, `b`
        (style mixing, StyleGAN, arXiv 1812.04948, section 3.1).

        Args:
            a, b: seeds, latents `(latent_dim,)` or `(B, latent_dim)`, or codes `(B, num_layers, code_dim)` or `(num_layers,
                code_dim)`; a single one goes with all of the other.
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
        tileable: bool | None = None,
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

    def _draw(self, points: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        """Codes, or latents and labels for a generator without codes, -> `(B, 3, R, R)`, about in [-1, 1]."""
        device, dtype = self.generator.device, self.generator.dtype
        points = points.to(device, dtype)
        if self.has_codes:
            return self.generator.synthesis(points, noise="constant").float()
        return self.generator(points, None if labels is None else labels.to(device)).sample.float()

    @contextmanager
    def _tiling(self, tileable: bool | None) -> Iterator[None]:
        """Within the block pictures repeat without a seam or do not, as asked for, or as the generator was trained."""
        on = self.config.tileable if tileable is None else bool(tileable)
        if not hasattr(self.generator, "tileable"):
            if on:
                raise ValueError(f"a {type(self.generator).__name__} makes no tileable pictures; leave `tileable` out")
            yield
            return
        before = self.generator.tileable
        self.generator.tileable = on
        try:
            yield
        finally:
            self.generator.tileable = before

    def _labels_of_ends(self, a: Any, b: Any, label: Labels | None) -> list[torch.Tensor | None]:
        pair = list(label) if are_several(label) else [label, label]  # type: ignore[arg-type]
        if len(pair) != 2:
            raise ValueError(f"`label` has {len(pair)} entries; pass one class, or that of `a` and that of `b`")
        seeds = (check_seed(end) if _is_seed(end) else 0 for end in (a, b))
        return [read_labels(one, 1, self.num_classes, self.classes, seed) for one, seed in zip(pair, seeds)]

    def _both(self, a: LatentLike, b: LatentLike, truncation: float, label: Labels | None) -> list[torch.Tensor]:
        """The codes of both, or their latents for a generator without."""
        truncation = check_truncation(truncation)
        labels = self._labels_of_ends(a, b, label)
        are_codes = [self._are_codes(end, name) for end, name in ((a, "a"), (b, "b"))]
        if label is not None and all(are_codes):
            raise ValueError("`a` and `b` are codes, which hold all that makes a picture; leave `label` out")
        ends = []
        for end, name, one, is_code in zip((a, b), "ab", labels, are_codes):
            if is_code:
                ends.append(self._read_codes(end, name))
                continue
            z = self._read_latents(end, name)
            codes = self._codes(z, None if one is None else one.expand(len(z)), truncation) if self.has_codes else z
            assert codes is not None
            ends.append(codes)
        return ends

    def _are_codes(self, value: Any, name: str) -> bool:
        """Codes rather than latents or a seed?"""
        shape = tuple(getattr(value, "shape", ()))
        if len(shape) != 2 or not self.has_codes:
            return len(shape) == 3
        config = self.generator.config
        if shape == (self.generator.num_layers, config.code_dim) and config.code_dim == config.latent_dim:
            raise ValueError(
                f"`{name}` has the shape {shape}, of one picture's codes and of {shape[0]} latents alike: pass codes with a "
                "batch axis, `w[None]`, and other numbers of latents"
            )
        return shape == (self.generator.num_layers, config.code_dim)

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
        tileable: bool | None,
        output_type: str,
    ) -> GenerationOutput:
        at_once = max(1, BATCH_PIXELS // self.generator.config.resolution**2)
        points = z if w is None else w
        assert points is not None
        images: list[Image.Image] = []
        with self._tiling(tileable):
            for start in range(0, len(points), at_once):
                part = slice(start, start + at_once)
                images += tensor_to_image(self._draw(points[part], None if labels is None else labels[part]))
        return GenerationOutput(
            images=as_output(images, output_type),
            latents=z,
            w=None if w is None else w.cpu(),
            labels=None if labels is None else labels.tolist(),
        )


def _is_seed(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
