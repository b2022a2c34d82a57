"""Generation as a training task: pictures from noise, by a GAN that is taught by images, with labels or without."""

import copy
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch.nn import functional as F

from ..data.sources import ImageTable, open_source
from ..data.square_crops import SquareCrops, middle_square
from ..errors import ConfigError, ModelFileNotFoundError
from ..hub.model_card import RunFacts
from ..images.images import image_to_tensor, tensor_to_image
from ..losses.path_length import path_length_penalty, path_lengths
from ..metrics.distribution import kernel_distance
from ..metrics.embedding import embed, load_embedded_network
from ..models.projected_discriminator import ProjectedDiscriminator
from ..models.stylegan2 import StyleGAN2Discriminator, StyleGAN2Generator
from ..pipelines.generation import GenerationPipeline
from ..training.adversary import AdversarialConfig, Adversary, steady
from ..training.config import require_at_least
from ..training.phases import Phase, adversarial_phases
from ..training.processes import process_state
from ..training.sheets import contact_sheet

GENERATORS: dict[str, type] = {"stylegan2": StyleGAN2Generator}
DISCRIMINATORS: dict[str, type] = {"stylegan2": StyleGAN2Discriminator, "projected": ProjectedDiscriminator}
SHOWN, SCORED = 96, 512


@dataclass
class GenerationConfig(AdversarialConfig):
    """Configuration of `scripts/train.py --task generation`.

    Args:
        train_data_dir: a folder of images, of one subfolder a class, of parquet files or shards, see `data.sources.open_source`.
        dataset_name, dataset_config_name, split, image_column, label_column, cache_dir: a data set of the Hub instead.
        labels: teach the generator the classes of the images.
        resolution: side of the pictures in pixels.
        short_side: limits of what the shorter side of an image is brought to before it is cropped; `resolution` if left out.
        flip: mirror half of the images.
        wrap: crops go over the images' edges and on at the opposite ones, for textures that repeat.
        tileable: the generator's pictures repeat without a seam.
        generator_type, generator: a name of `GENERATORS`, and constructor arguments of a new one.
        discriminator_type, discriminator: a name of `DISCRIMINATORS`, and constructor arguments of a new one.
        pretrained_model_name_or_path: repo to start from; from nothing if left out.
        style_mixing: share of the pictures that have the code of another latent from a random layer on.
        path_length_weight: of the path-length penalty; 0 for none.
        path_length_every: it is computed in every so many steps, with so many times the weight.
        path_length_batch: of so many pictures.
        feature_matching_weight: of the distance between mean features of real and generated images (Salimans et al., arXiv
            1606.03498, section 3.1).
        freeze_layers: blocks of the discriminator that stay as they are (FreezeD), from the finest detail on.
    """

    fixed_settings: ClassVar[tuple[str, ...]] = ("resolution", "short_side", "flip", "wrap", "labels")
    private_settings: ClassVar[tuple[str, ...]] = ("train_data_dir", "dataset_name", "cache_dir", "pretrained_model_name_or_path")

    output_dir: str = "runs/generation"
    train_data_dir: str | None = None
    dataset_name: str | None = None
    dataset_config_name: str | None = None
    split: str = "train"
    image_column: str | None = None
    label_column: str | None = None
    cache_dir: str | None = None
    labels: bool = False
    resolution: int = 64
    short_side: list[int] = field(default_factory=list)
    flip: bool = True
    wrap: bool = False
    tileable: bool = False
    generator_type: str = "stylegan2"
    generator: dict[str, Any] = field(default_factory=dict)
    discriminator_type: str = "stylegan2"
    discriminator: dict[str, Any] = field(default_factory=dict)
    pretrained_model_name_or_path: str | None = None
    style_mixing: float = 0.5
    path_length_weight: float = 0.0
    path_length_every: int = 4
    path_length_batch: int = 8
    feature_matching_weight: float = 0.0
    freeze_layers: int = 0
    adv_loss: str = "non-saturating"
    train_batch_size: int = 16
    learning_rate: float = 2e-3
    lr_d: float = 2e-3
    lr_scheduler: str = "constant"
    adam_beta1: float = 0.0
    max_train_steps: int = 100_000

    def validate(self) -> None:
        super().validate()
        for key, known in (("generator_type", GENERATORS), ("discriminator_type", DISCRIMINATORS)):
            if getattr(self, key) not in known:
                raise ConfigError(f"`{key}` is {getattr(self, key)!r}; allowed: {', '.join(known)}")
        require_at_least("resolution", self.resolution, 8)
        sides = self.short_side
        if sides and (len(sides) != 2 or not self.resolution <= sides[0] <= sides[1]):
            raise ConfigError(
                f"`short_side` is {sides}; it must be two numbers in order, `resolution` ({self.resolution}) at least"
            )
        for key in ("path_length_weight", "feature_matching_weight", "freeze_layers"):
            require_at_least(key, getattr(self, key), 0)
        require_at_least("path_length_every", self.path_length_every, 1)
        require_at_least("path_length_batch", self.path_length_batch, 1)
        if not 0 <= self.style_mixing <= 1:
            raise ConfigError(f"`style_mixing` is {self.style_mixing}; it must lie in [0, 1]")


def build_dataset(config: GenerationConfig) -> SquareCrops:
    """The run's crops.

    Raises:
        SourceError: the images are not there, fewer than two can be read, or `labels` are asked for and some have none.
    """
    c = config
    with process_state().main_process_first():
        table = open_source(
            c.train_data_dir,
            c.dataset_name,
            c.dataset_config_name,
            c.image_column,
            c.label_column or ("label" if c.labels else None),
            split=c.split,
            cache_dir=c.cache_dir,
            minimum=2,
        )
    assert isinstance(table, ImageTable)
    per_step = c.train_batch_size * c.gradient_accumulation_steps * process_state().num_processes
    low, high = c.short_side or (c.resolution, c.resolution)
    return SquareCrops(table, c.resolution, (low, high), c.flip, c.wrap, c.seed, length=c.max_train_steps * per_step)


def build_models(config: GenerationConfig) -> dict[str, Any]:
    """Generator and discriminator, loaded or new, ready for training.

    Raises:
        ModelLoadError: the repo to start from cannot be loaded.
        ConfigError: arguments that no model can be built with, or a repo for pictures of another size.
    """
    c = config
    classes = len(_classes(c))
    generator = _started(c, "generator", GENERATORS[c.generator_type], {"resolution": c.resolution, **c.generator}, classes)
    sized = {} if c.discriminator_type == "projected" else {"resolution": c.resolution}
    discriminator = _started(
        c, "discriminator", DISCRIMINATORS[c.discriminator_type], {**sized, **c.discriminator}, classes, optional=True
    )
    if generator.config.resolution != c.resolution:
        raise ConfigError(
            f"`resolution` is {c.resolution}, but {c.pretrained_model_name_or_path} generates pictures of "
            f"{generator.config.resolution} px"
        )
    if c.freeze_layers:
        discriminator.freeze_lower(c.freeze_layers)
    return {"generator": generator, "discriminator": discriminator}


def _classes(config: GenerationConfig) -> list[str]:
    """Names of the classes that the generator is taught; none without `labels`."""
    if not config.labels:
        return []
    table = build_dataset(config).images
    names = getattr(table, "label_names", None)
    if not names:
        raise ConfigError(
            "`labels` is true, but the images have no classes: put them in one subfolder a class, or name `label_column`"
        )
    return list(names)


def _started(
    config: GenerationConfig, name: str, cls: Any, arguments: dict[str, Any], classes: int, optional: bool = False
) -> Any:
    place = config.pretrained_model_name_or_path
    if place:
        try:
            return cls.from_pretrained(place, subfolder=name).train()
        except ModelFileNotFoundError:
            if not optional:
                raise
    try:
        model = cls(**({"num_classes": classes} if classes else {}), **arguments).train()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"`{name}` is {arguments}, with which no model can be built: {error}") from error
    if isinstance(model, ProjectedDiscriminator):
        model.load_trunk(load_embedded_network())
    return model


@dataclass
class _State:
    """Of a batch: real images, generated ones with their codes, and the labels of both."""

    real: torch.Tensor
    generated: torch.Tensor
    label: torch.Tensor | None
    drawn_label: torch.Tensor | None


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
        self.modules = models
        self.models = dict(models)  # as built; `modules` may become wrapped for several processes
        self.adversary = Adversary(config)
        self.ada = self.adversary.ada
        self.classes = _classes(config)
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

    def forward(self, batch: dict[str, torch.Tensor], step: int) -> _State:
        real, label = batch["image"], batch["label"] if self.classes else None
        if self.config.channels_last:
            real = real.contiguous(memory_format=torch.channels_last)
        drawn = None
        if label is not None:
            # a class for what has none
            drawn = torch.where(label >= 0, label, torch.randint_like(label, len(self.classes)))
        generated = self.modules["generator"](
            self._latents(len(real), real.device), drawn, mix=self._mixing(len(real), real.device)
        )
        return _State(real, generated.sample.float(), label, drawn)

    def discriminator_loss(self, state: _State, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
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
        return loss + penalty, {"d_adv": loss, **figures}

    def generator_loss(self, state: _State, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        discriminator, weight = self.modules["discriminator"], self.config.feature_matching_weight
        fake = discriminator(self.adversary.shown(state.generated, step), state.drawn_label)
        real = None
        if self.adversary.needs_real or weight:
            with torch.no_grad(), steady(discriminator):
                real = discriminator(self.adversary.shown(state.real, step), state.label)
        figures = {"g_adv": self.adversary.g_loss([fake.logits], [real.logits] if real is not None else None)}
        loss = figures["g_adv"]
        if weight and real is not None:
            pairs = zip(fake.features, real.features)
            figures["feature_matching"] = torch.stack([F.mse_loss(f.float().mean(0), r.float().mean(0)) for f, r in pairs]).mean()
            loss = loss + weight * figures["feature_matching"]
        return loss, figures

    def path_length_loss(self, state: _State, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The path-length penalty of new pictures (StyleGAN2, arXiv 1912.04958, section 3.2)."""
        c, generator = self.config, self.models["generator"]
        count = min(c.path_length_batch, len(state.real))
        label = None if state.drawn_label is None else state.drawn_label[:count]
        device = state.real.device
        with torch.autocast(device.type, enabled=False):
            # by the wrapped module, so that gradients are shared by all processes
            out = self.modules["generator"](self._latents(count, device), label)
            sample = out.sample.float()
            penalty, mean = path_length_penalty(path_lengths(sample, out.w), generator.path_length_mean)
        generator.path_length_mean.copy_(mean)
        figures = {"path_length": generator.path_length_mean.clone()}
        # layers that the lengths do not depend on get a gradient of 0, which several processes wait for
        return c.path_length_weight * c.path_length_every * penalty.mean() + 0.0 * sample.sum(), figures

    def _latents(self, count: int, device: torch.device) -> torch.Tensor:
        return torch.randn(count, self.models["generator"].config.latent_dim).to(device)

    def _mixing(self, count: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Other latents, and the layers from which on they hold; for most pictures a layer that there is none of."""
        share, layers = self.config.style_mixing, getattr(self.models["generator"], "num_layers", 0)
        if not share or layers < 2:
            return None
        crossover = torch.where(torch.rand(count) < share, torch.randint(1, layers, (count,)), layers)
        return self._latents(count, device), crossover.to(device)

    @cached_property
    def _real_images(self) -> list[Any]:
        """Training images as the generator should make them, up to `SCORED`."""
        crops = build_dataset(self.config)
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
        """Writes `step-N.jpg`, generated pictures and in its last rows real ones, and returns `kid`, the kernel distance of
        generated to real images on EfficientNet-Lite0, and `kid_real`, that of two halves of the real ones, its floor."""
        generator = self.models["generator"]
        real = self._real_embeddings
        count, batch = min(SCORED, max(len(real), 64)), 32
        drawn = torch.Generator().manual_seed(0)
        z = torch.randn(count, generator.config.latent_dim, generator=drawn)
        label = torch.arange(count) % len(self.classes) if self.classes else None
        pictures: list[Any] = []
        with steady(generator):
            for n in range(0, count, batch):
                part = None if label is None else label[n : n + batch].to(generator.device)
                sample = generator(z[n : n + batch].to(generator.device), part, noise="constant").sample
                pictures += tensor_to_image(sample.float().cpu().clamp(-1, 1))
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
        return scores

    def save_pretrained(self, folder: Path) -> None:
        # a copy, for a pipeline freezes the models that it is given
        generator = copy.deepcopy(self.models["generator"])
        del generator.path_length_mean
        GenerationPipeline(generator, classes=self.classes or None).save_pretrained(folder)
        self.models["discriminator"].save_pretrained(folder / "discriminator")


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
