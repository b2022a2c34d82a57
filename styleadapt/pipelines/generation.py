"""The generation pipeline: makes pictures from noise, mixes them, and interpolates between them."""

import copy
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
import torch

from ..adaptation.generator_adaptation import GeneratorAdaptationConfig, GeneratorAdaptationProgress, adapt_generator
from ..adaptation.projection import ProjectionProgress, project
from ..adaptation.refinement_budget import RefinementBudget
from ..adapters.adapter import PACKAGED, GeneratorAdapter
from ..data.square_crops import middle_square
from ..errors import ModelLoadError
from ..images.images import image_to_tensor, open_image
from ..models.gan import GANGenerator
from ..models.pggan import PGGANGenerator
from ..models.stylegan2 import StyleGAN2Generator
from .adapters import AdapterMixin
from .image_io import ImageLike, OutputType, as_list, check_output_type
from .latent_space import GenerationOutput, LatentLike, LatentSpaceMixin
from .latents import Label, Labels, are_several, check_class_names, check_num_images, check_seed, check_truncation, read_labels
from .loading_checks import StrictPipeline

_STARTS = 32  # drawn pictures, of which a search begins with the nearest


@dataclass
class ProjectionOutput(GenerationOutput):
    """
    Args:
        images, latents, w, labels: see `GenerationOutput`; one picture.
        distance: of it to the one that was looked for: perceptual plus mean squared distance, 0 for equal ones.
        start_distance: that of the nearest of a few drawn pictures, with which the search began.
    """

    distance: float = 0.0
    start_distance: float = 0.0


class GenerationPipeline(LatentSpaceMixin, AdapterMixin, StrictPipeline):
    """Makes pictures from noise, mixes them and goes from one to another.

    Where `latents` or pictures `a` and `b` are asked for, a seed stands for its first latent.

    Args:
        generator: the model.
        classes: names of the classes that it was trained with, in the order of their numbers.
        tileable: it was trained to make pictures that repeat without a seam, and makes such ones unless told otherwise. If left
            out, as the generator is set.

    Example:
        pipe = GenerationPipeline.from_pretrained()
        out = pipe(num_images=4, seed=0, truncation=0.7)
        out.images[0].save("picture.png")
        pipe.mix(out.w[:1], out.w[1:2]).images[0].save("mixed.png")
        frames = pipe.interpolate(3, 14, steps=30).images
    """

    adapter_class = GeneratorAdapter
    component_classes = {"generator": (StyleGAN2Generator, PGGANGenerator, GANGenerator)}
    model_cpu_offload_seq = "generator"  # type: ignore[assignment]  # diffusers types it None

    def __init__(
        self,
        generator: StyleGAN2Generator | PGGANGenerator | GANGenerator,
        classes: list[str] | None = None,
        tileable: bool | None = None,
    ):
        super().__init__()
        if classes is not None:
            classes = check_class_names(classes, getattr(generator.config, "num_classes", 0))
        self.register_modules(generator=generator)
        tileable = getattr(generator, "tileable", False) if tileable is None else tileable
        self.register_to_config(classes=classes, tileable=bool(tileable))
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

    @torch.inference_mode()
    def __call__(
        self,
        num_images: int = 4,
        seed: int = 0,
        truncation: float = 0.7,
        label: Labels | None = None,
        latents: LatentLike | None = None,
        w: torch.Tensor | np.ndarray | None = None,
        tileable: bool | None = None,
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
            tileable: the pictures repeat without a seam: every convolution goes on at the opposite edge. If left out, as the
                generator was trained.
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

    @torch.inference_mode(False)
    def project(
        self,
        image: ImageLike,
        max_seconds: float | None = None,
        steps: int = 200,
        seed: int = 0,
        label: Label | None = None,
        tileable: bool | None = None,
        callback: Callable[[ProjectionProgress], object] | None = None,
    ) -> ProjectionOutput:
        """Finds the codes of a picture, see `adaptation.projection`; its middle square is looked for.

        Args:
            image: as in other pipelines, of any size.
            max_seconds: time limit; with None, `steps` count.
            steps: how many, unless there is a time limit; then the same seed gives the same codes.
            seed: of the pictures that the search begins with.
            label: class to look in; if left out, the search begins in all classes.
            tileable: as in a call.
            callback: called with a `ProjectionProgress` after every step; its `stop()` ends the search.

        Raises:
            ValueError: an image that cannot be read (`ImageError`), a budget that is not positive, an unknown class.
        """
        budget = _budget(max_seconds, steps)
        # a PGGAN that is still growing makes smaller pictures than it will
        resolution = getattr(self.generator, "current_resolution", self.generator.config.resolution)
        target = image_to_tensor(middle_square(open_image(image), resolution)).to(self.generator.device)
        z, labels = self.latents(_STARTS, seed), None
        if self.num_classes and label is None and not self.has_codes:
            raise ValueError("this generator needs `label`, the class to look in")
        if self.has_codes:
            # nearer to the mean, since what a search begins with should be plausible
            with torch.no_grad():
                starts = self._codes(z, read_labels(label, _STARTS, self.num_classes, self.classes, seed), 0.7)
        else:
            starts, labels = z.to(self.generator.device), read_labels(label, 1, self.num_classes, self.classes, seed)

        assert starts is not None

        def picture(points: torch.Tensor) -> torch.Tensor:
            return self._draw(points, None if labels is None else labels.expand(len(points)))

        with self._tiling(tileable), torch.enable_grad():
            found = project(picture, starts, target, budget, callback)
        point = found.point
        out = self(w=point, tileable=tileable) if self.has_codes else self(latents=point, label=label, tileable=tileable)
        return ProjectionOutput(
            images=out.images,
            latents=out.latents,
            w=out.w,
            labels=out.labels,
            distance=found.distance,
            start_distance=found.start_distance,
        )

    @torch.inference_mode(False)
    def adapt(
        self,
        images: ImageLike | Sequence[ImageLike],
        max_seconds: float = 120.0,
        steps: int | None = None,
        seed: int = 0,
        label: Labels | None = None,
        tileable: bool | None = None,
        callback: Callable[[GeneratorAdaptationProgress], object] | None = None,
        config: GeneratorAdaptationConfig | None = None,
        name: str = "adapted",
    ) -> GeneratorAdapter:
        """Adapts the base generator to the domain of a few images, see `adaptation.generator_adaptation`; the adapter is active
        afterwards, alone. If it fails, or is interrupted, the adapters that were active before are so again.

        With several adapters loaded, `set_adapters(["one", "other"], [0.5, 0.5])` makes pictures between two domains.

        Args:
            images: 1 to 100 of the domain; the middle square of each counts.
            max_seconds: time limit.
            steps: exactly so many steps instead, whatever the time; then the same seed gives the same adapter.
            seed: of latents and initialization.
            label: classes that the pictures in training are of; all if left out.
            tileable: as in a call.
            callback: called with a `GeneratorAdaptationProgress` after every step; its `stop()` ends the adaptation, and what has
                been learned is kept.
            config: settings other than the defaults.
            name: what the adapter is called in `set_adapters`.

        Raises:
            ValueError: another number of images, a budget that is not positive, an unknown class, or an image that cannot be read
                (`ImageError`).
        """
        opened = [open_image(image) for image in as_list(images, "images")]
        budget = _budget(max_seconds if steps is None else None, steps)
        several = len(label) if are_several(label) else 1  # type: ignore[arg-type]
        labels = None if label is None else read_labels(label, several, self.num_classes, self.classes, check_seed(seed))
        with self._adapting(), self._tiling(tileable):
            adapter = adapt_generator(
                self.generator,
                opened,
                base=self.fingerprint,
                budget=budget,
                seed=check_seed(seed),
                label=labels,
                config=config,
                callback=callback,
            )
        self._wear(adapter, name)
        return adapter

    @torch.inference_mode(False)
    def clone(self) -> "GenerationPipeline":
        """An independent pipeline with a generator of its own and no adapters."""
        generator = copy.deepcopy(self.generator)
        pipe = type(self)(generator, self.classes, self.config.tileable)
        generator.load_state_dict({**generator.state_dict(), **self._base_weights})
        pipe._fingerprint = self.fingerprint
        pipe.register_to_config(_name_or_path=self.config.get("_name_or_path"))
        return pipe


def _budget(max_seconds: float | None, steps: int | None) -> RefinementBudget:
    if max_seconds is None:
        if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
            raise ValueError(f"`steps` is {steps!r}; it must be a whole number, 1 at least")
        return RefinementBudget(steps=int(steps))
    if not 0 < max_seconds < float("inf"):
        raise ValueError(f"`max_seconds` is {max_seconds!r}; it must be greater than 0, and finite")
    return RefinementBudget(seconds=float(max_seconds))
