"""Generation as a training task: a GAN learns to make pictures from noise, with labels for all, some or none of its images."""

import contextlib
import copy
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import reduce
from PIL import Image

from ..data.sources import ImageTable, open_source
from ..data.square_crops import SquareCrops, middle_square
from ..errors import ConfigError
from ..hub.model_card import RunFacts
from ..images.images import image_to_tensor, tensor_to_image
from ..losses.path_length import path_length_penalty, path_lengths
from ..losses.semi_supervised import UNLABELED, classification_loss, feature_matching_loss
from ..metrics.distribution import kernel_distance
from ..metrics.embedding import embed, load_embedded_network
from ..models.pggan import GrowingModel
from ..pipelines.classification import DiscriminatorClassifier
from ..pipelines.generation import GenerationPipeline
from ..training.adversary import Adversary, own_forward, steady
from ..training.parameters import merged
from ..training.phases import Phase, adversarial_phases
from ..training.processes import process_state
from ..training.sheets import contact_sheet
from .generation_config import GENERATORS, GenerationConfig
from .generation_models import build_discriminator, require_classes, start_model
from .growing import growth, shrunk

SHOWN, SCORED = 96, 512


def build_dataset(config: GenerationConfig) -> SquareCrops:
    """The run's crops. All processes take part: the main one converts what the others then read from the cache.

    Raises:
        SourceError: the images are not there, fewer than two can be read, or `labels` are asked for and there are none.
    """
    with process_state().main_process_first():
        return _opened(config)


def _opened(config: GenerationConfig) -> SquareCrops:
    """The run's crops, for which no process waits: validation and saving are the main one's alone."""
    c = config
    table = open_source(
        c.train_data_dir,
        c.dataset_name,
        c.dataset_config_name,
        c.image_column,
        c.label_column,
        split=c.split,
        cache_dir=c.cache_dir,
        minimum=2,
        labeled=c.labels,
    )
    assert isinstance(table, ImageTable)
    per_step = c.train_batch_size * c.gradient_accumulation_steps * process_state().num_processes
    low, high = c.short_side or (c.resolution, c.resolution)
    length = c.max_train_steps * per_step
    return SquareCrops(table, c.resolution, (low, high), c.flip, c.wrap, c.seed, length, c.labeled_share)


def build_models(config: GenerationConfig) -> dict[str, Any]:
    """Generator and discriminator, loaded or new, ready for training.

    Raises:
        ModelLoadError: the repo to start from cannot be loaded.
        ConfigError: arguments that no model can be built with, or a repo for pictures of another size or other classes.
    """
    c = config
    classes = len(_classes(c))
    taught = classes if c.generator_labels else 0
    arguments = {"resolution": c.resolution, **c.generator}
    generator = start_model(c.pretrained_model_name_or_path, "generator", GENERATORS[c.generator_type], arguments, taught)
    if generator.config.resolution != c.resolution:
        raise ConfigError(
            f"`resolution` is {c.resolution}, but {c.pretrained_model_name_or_path} generates pictures of "
            f"{generator.config.resolution} px"
        )
    discriminator = build_discriminator(c, c.pretrained_model_name_or_path, classes)
    for name, model, wanted in (("generator", generator, taught), ("discriminator", discriminator, classes)):
        require_classes(c, name, model, wanted)
    return {"generator": generator, "discriminator": discriminator}


def _classes(config: GenerationConfig) -> list[str]:
    """Names of the classes; none without `labels`."""
    if not config.labels:
        return []
    table = build_dataset(config).images
    assert isinstance(table, ImageTable)
    names = list(table.label_names or map(str, range(max(table.labels()) + 1)))
    if not names:
        raise ConfigError(
            "`labels` is true, but the images have no classes: put them in one subfolder a class, or name `label_column`"
        )
    return names


@dataclass
class State:
    """Of a batch: real images and generated ones, with the classes of both, -1 for unknown; None if there are no classes."""

    real: torch.Tensor
    generated: torch.Tensor
    label: torch.Tensor | None
    drawn_label: torch.Tensor | None
    inputs: dict[str, Any] = field(default_factory=dict)
    """What the generator was called with."""


class GenerationTask:
    """Trains a generator of pictures from noise against a discriminator."""

    generator_names: tuple[str, ...] = ("generator",)
    discriminator_names: tuple[str, ...] = ("discriminator",)

    def __init__(self, config: GenerationConfig, models: dict[str, Any]):
        self.config = config
        for model in models.values():
            model.to(process_state().device)
        if config.tileable:
            models["generator"].tileable = True
        self.growing = [model for model in models.values() if isinstance(model, GrowingModel)]
        self.modules = models
        self.models = dict(models)  # as built; `modules` may become wrapped for several processes
        self.adversary = Adversary(config)
        self.ada = self.adversary.ada
        self.classes = _classes(config)
        self.generator_classes = self.classes if config.generator_labels else []
        self._means: list[torch.Tensor] = []  # of the path lengths, after each batch of a step
        # of the path lengths; saved with the generator, so that a resumed run goes on with it
        models["generator"].register_buffer("path_length_mean", torch.zeros((), device=process_state().device), persistent=True)

    def phases(self) -> list[Phase]:
        """The discriminator's, the generator's, and the lazy one of the path lengths, which has the generator's optimizer."""
        phases = adversarial_phases(self)
        if self.config.path_length_weight:
            every = self.config.path_length_every
            lazy = Phase("path_length", ("generator",), self.path_length_loss, every, optimizer="generator", averaged=True)
            phases.append(lazy)
        return phases

    def rate_factor(self, parameter: str) -> float:
        """1: all parameters learn at the same rate; that of the mapping network is lower by its own multiplier."""
        return 1.0

    def forward(self, batch: dict[str, torch.Tensor], step: int) -> State:
        real = batch["image"]
        for model in self.growing:
            model.grow(*growth(step, self.config.grow_steps, self.config.fade_share, model.levels))
        if self.growing:
            real = shrunk(real, self.growing[0])
        if self.config.channels_last:
            real = real.contiguous(memory_format=torch.channels_last)
        label, drawn, told = self._labels(batch["label"])
        inputs: dict[str, Any] = {"z": self.latents(len(real), real.device), "label": told}
        mix = self._mixing(len(real), real.device)
        if mix is not None:
            inputs["mix"] = mix
        generated = self.modules["generator"](**inputs)
        return State(real, generated.sample.float() + self._nothing("generator"), label, drawn, inputs)

    def _labels(self, label: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """Of a batch: the classes of the real images and of the generated ones that the discriminator is told, and those that the
        generator is told; -1 for unknown, None for a network without classes."""
        if not self.classes:
            return None, None, None
        if not self.config.generator_labels:
            return label, torch.full_like(label, UNLABELED), None
        # a class for what has none
        drawn = torch.where(label >= 0, label, torch.randint_like(label, len(self.classes)))
        return label, drawn, drawn

    def _nothing(self, name: str) -> torch.Tensor | float:
        """0; for several processes, which wait for it, with a gradient of 0 for layers that have not grown yet. One process does
        without: an optimizer that has counted steps of no gradient takes its first ones of a new layer many times too large."""
        if not self.growing or process_state().num_processes == 1:
            return 0.0
        return 0.0 * sum(p.sum() for p in self.models[name].parameters())  # type: ignore[return-value]

    def discriminator_loss(self, state: State, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        discriminator, generated = self.modules["discriminator"], state.generated.detach()
        # in two passes, since images of a batch are compared with each other
        real = discriminator(self.adversary.shown(state.real, step), state.label)
        fake = discriminator(self.adversary.shown(generated, step), state.drawn_label)
        loss = self.adversary.d_loss([real.logits], [fake.logits])
        if self.ada is not None:
            self.ada.observe([real.logits])

        def judge(images: torch.Tensor) -> list[torch.Tensor]:
            plain = self.models["discriminator"]
            with steady(plain):
                return [type(plain).forward(plain, self.adversary.shown(images, step), state.label).logits]

        penalty, figures = self.adversary.penalty(judge, state.real, generated, step)
        figures = {"d_adv": loss, **figures}
        if self.classifies:
            assert state.label is not None and state.drawn_label is not None
            classes = classification_loss(real.class_logits, state.label)
            if self.auxiliary:
                classes = classes + classification_loss(fake.class_logits, state.drawn_label)
            figures["d_class"] = classes
            penalty = penalty + self.config.class_weight * classes
        return loss + penalty + self._nothing("discriminator"), figures

    def generator_loss(self, state: State, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        c, discriminator = self.config, self.modules["discriminator"]
        compared, real = self.adversary.needs_real or bool(c.feature_matching_weight), None
        # statistics of each batch alone would remove the very difference of the means that tells generated from real images
        with steady(discriminator) if compared else contextlib.nullcontext():
            fake = discriminator(self.adversary.shown(state.generated, step), state.drawn_label)
            if compared:
                with torch.no_grad():
                    real = discriminator(self.adversary.shown(state.real, step), state.label)
        figures = {"g_adv": self.adversary.g_loss([fake.logits], [real.logits] if real is not None else None)}
        loss = c.adv_weight * figures["g_adv"]
        if c.feature_matching_weight and real is not None:
            figures["feature_matching"] = feature_matching_loss(real.features, fake.features)
            loss = loss + c.feature_matching_weight * figures["feature_matching"]
        if self.classifies and c.generator_labels:
            assert state.drawn_label is not None
            figures["g_class"] = classification_loss(fake.class_logits, state.drawn_label)
            loss = loss + c.class_weight * figures["g_class"]
        return loss, figures

    @property
    def classifies(self) -> bool:
        """Does the discriminator say which class an image is of?"""
        verdict = getattr(self.models["discriminator"], "verdict", None)
        return verdict is not None and verdict.classifies

    @property
    def auxiliary(self) -> bool:
        """Does it do so beside saying real or generated, so that generated pictures have classes, too?"""
        return self.classifies and self.models["discriminator"].verdict.kind == "auxiliary"

    def path_length_loss(self, state: State, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The path-length penalty of new pictures (StyleGAN2, arXiv 1912.04958, section 3.2)."""
        c, generator = self.config, self.models["generator"]
        count = min(c.path_length_batch, len(state.real))
        told = state.inputs["label"]
        label = None if told is None else told[:count]
        device = state.real.device
        with torch.autocast(device.type, enabled=False), own_forward(generator):
            # by the wrapped module, so that gradients are shared by all processes
            # with a gradient by the latents `w` has one, too, where fine-tuning freezes the mapping
            out = self.modules["generator"](self.latents(count, device).requires_grad_(), label)
            sample = out.sample.float()
            penalty, mean = path_length_penalty(path_lengths(sample, out.w), generator.path_length_mean)
        self._means.append(mean)
        if len(self._means) == c.gradient_accumulation_steps:
            # the same, however a step's pictures are divided among batches and processes
            generator.path_length_mean.copy_(reduce(torch.stack(self._means).mean(), "mean"))
            self._means.clear()
        figures = {"path_length": generator.path_length_mean.clone()}
        # layers that the lengths do not depend on get a gradient of 0, which several processes wait for
        return c.path_length_weight * c.path_length_every * penalty.mean() + 0.0 * sample.sum(), figures

    def latents(self, count: int, device: torch.device) -> torch.Tensor:
        return torch.randn(count, self.models["generator"].config.latent_dim).to(device)

    def _mixing(self, count: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Other latents, and the layers from which on they hold; for most pictures a layer that there is none of."""
        share, layers = self.config.style_mixing, getattr(self.models["generator"], "num_layers", 0)
        if not share or layers < 2:
            return None
        crossover = torch.where(torch.rand(count) < share, torch.randint(1, layers, (count,)), layers)
        return self.latents(count, device), crossover.to(device)

    @cached_property
    def crops(self) -> SquareCrops:
        """The run's crops, of which validation and the result read the images."""
        return _opened(self.config)

    @cached_property
    def _real_images(self) -> list[Any]:
        """Training images as the generator should make them, up to `SCORED`."""
        crops = self.crops
        if crops.wrap or crops.short_side[1] > crops.size:
            return [tensor_to_image(crops[n]["image"][None])[0] for n in range(SCORED)]
        table = crops.images
        numbers = range(0, len(table), max(1, len(table) // SCORED))
        return [middle_square(table[n].image, crops.size) for n in numbers][:SCORED]

    @cached_property
    def _real_embeddings(self) -> torch.Tensor:
        return embed(load_embedded_network(), self._real_images)

    @torch.no_grad()
    def validate(self, step: int, folder: Path) -> dict[str, float]:
        """Writes `step-N.jpg`, generated pictures and in its last rows real ones, and returns scores: `kid`, the kernel distance
        of generated to real images on EfficientNet-Lite0; `kid_real`, that of two halves of the real ones, its floor; and, if the
        discriminator classifies, `error`, or `error_train` without validation images, its share of errors."""
        generator = self.models["generator"]
        real = self._real_embeddings
        count, batch = min(SCORED, max(len(real), 64)), 32
        drawn = torch.Generator().manual_seed(0)
        z = torch.randn(count, generator.config.latent_dim, generator=drawn)
        classes = getattr(generator.config, "num_classes", 0)
        label = torch.arange(count) % classes if classes else None
        still = {"noise": "constant"} if hasattr(generator, "mapping") else {}
        pictures: list[Any] = []
        with steady(generator):
            for n in range(0, count, batch):
                part = None if label is None else label[n : n + batch].to(generator.device)
                sample = generator(z[n : n + batch].to(generator.device), part, **still).sample
                pictures += tensor_to_image(sample.float().cpu().clamp(-1, 1))
        size = (self.config.resolution, self.config.resolution)
        pictures = [image.resize(size, Image.Resampling.NEAREST) if image.size != size else image for image in pictures]
        rows = [pictures[n : n + 16] for n in range(0, min(SHOWN, count), 16)] + [
            self._real_images[:16],
            self._real_images[16:32],
        ]
        folder.mkdir(parents=True, exist_ok=True)
        sheet = contact_sheet([[image_to_tensor(image) for image in row] for row in rows if row])
        sheet.save(folder / f"step-{step}.jpg", quality=92)
        found = embed(load_embedded_network(), pictures)
        scores = {"kid": kernel_distance(found, real)}
        if len(real) >= 4:
            scores["kid_real"] = kernel_distance(real[::2], real[1::2])
        if self.classifies and self.classes:
            scores["error" if self.config.validation_data_dir else "error_train"] = self.classification_error()
        return scores

    def classification_error(self) -> float:
        """Share of the labeled validation images, or up to `SCORED` training images, whose class the discriminator gets wrong."""
        c = self.config
        classifier = DiscriminatorClassifier(copy.deepcopy(self.models["discriminator"]), self.classes)
        table: Any = self.crops.images
        if c.validation_data_dir:
            table = open_source(c.validation_data_dir, labeled=True)
        assert isinstance(table, ImageTable)
        labels = table.labels()
        chosen = [n for n, label in enumerate(labels) if label >= 0]
        if c.validation_data_dir:
            unknown = sorted({*(table.label_names or ())} - {*self.classes})
            if unknown:
                raise ConfigError(f"`validation_data_dir` has classes that the training images have not: {', '.join(unknown)}")
        else:
            chosen = chosen[:SCORED]
        own = table.label_names or self.classes
        names = [own[labels[n]] for n in chosen]
        wrong = 0
        for start in range(0, len(chosen), 64):
            part = chosen[start : start + 64]
            images = [middle_square(table[n].image, c.resolution) for n in part]
            found = classifier(images, top_k=1)
            wrong += sum(one.labels[0] != name for one, name in zip(found, names[start : start + 64]))
        return wrong / max(len(chosen), 1)

    def save_pretrained(self, folder: Path) -> None:
        # a copy, for a pipeline freezes the models that it is given
        generator = copy.deepcopy(merged(self.models["generator"]))
        del generator.path_length_mean
        GenerationPipeline(generator, classes=self.generator_classes or None).save_pretrained(folder)
        self.models["discriminator"].save_pretrained(folder / "discriminator")
        if self.classifies and self.classes:
            classifier = DiscriminatorClassifier(copy.deepcopy(self.models["discriminator"]), self.classes)
            classifier.save_pretrained(folder / "classifier")


def card_facts(config: GenerationConfig, dataset: SquareCrops) -> RunFacts:
    """What the model card of a finished run says of it, beside settings and scores."""
    table = dataset.images
    assert isinstance(table, ImageTable)
    classes = f", with {len(table.label_names or ())} classes" if config.labels else ""
    return RunFacts(
        base_model=config.pretrained_model_name_or_path,
        purpose=f"It generates pictures of {config.resolution} px from noise{classes}.",
        data=f"{len(table)} images of the trainer{classes}.",
        images=len(table),
        unreadable=len(table.unreadable),
        scored_on="training images",
        call="pipe(num_images=4, seed=0).images[0].save('generated.png')",
        tags=["unconditional-image-generation", config.generator_type],
        limitations=(
            "It knows no more of the world than the training images show.",
            "Some pictures are flawed; a lower truncation gives fewer of them, and less variety.",
        ),
    )
