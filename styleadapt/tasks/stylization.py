"""Reference-guided stylization as a training task: generator, mapping network and discriminator, on photos and paintings."""

import copy
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from ..data.datasets import PhotoPaintingDataset
from ..data.sources import ImageTable, open_folder
from ..drawn.edges import drawn_edge
from ..errors import ConfigError
from ..hub.model_card import STYLIZATION_LIMITS, RunFacts
from ..images.images import image_to_tensor
from ..losses.adversarial import cam_loss, nonsaturating_generator_loss
from ..losses.consistency import correspondence_loss, elastic_penalty, fisher_diagonal
from ..losses.content import identity_loss
from ..losses.features import build_feature_network
from ..losses.objective import ContentTarget, StyleAwareObjective, StyleTarget
from ..losses.regularization import rim_loss
from ..metrics.embedding import load_embedded_network
from ..models.generator import StyleGenerator
from ..models.style_encoder import StyleEncoder
from ..pipelines.style_transfer import StyleTransferPipeline
from ..training.adversary import Adversary, adversarial_weight, first_adversarial_step, steady
from ..training.parameters import freeze_discriminator, merged, select_parameters
from ..training.phases import Phase, adversarial_phases
from ..training.processes import process_state
from ..training.sheets import contact_sheet
from .style_config import MODEL_CLASSES, StyleConfig, StylizationConfig

T = TypeVar("T")
# of the validation photos and styles, so many are shown
SHOWN = 12


def build_dataset(config: StylizationConfig) -> PhotoPaintingDataset:
    """The run's photo and painting pairs.

    Raises:
        FileNotFoundError: a folder is not there or holds no image file.
        SourceError: none of a folder's images can be read.
    """
    sides = config.painting_short_side
    low, high = config.photo_short_side
    groups = [open_folder(folder) for folder in config.paintings]
    per_step = config.train_batch_size * config.gradient_accumulation_steps * process_state().num_processes
    pairs = [(sides[i], sides[i + 1]) for i in range(0, len(sides), 2)]
    return PhotoPaintingDataset(
        open_folder(config.photos),
        groups,
        config.painting_weights or [1.0] * len(groups),
        config.resolution,
        (low, high),
        pairs * len(groups) if len(pairs) == 1 else pairs,
        jitter=config.painting_jitter,
        seed=config.seed,
        length=config.max_train_steps * per_step,
    )


def build_models(config: StylizationConfig) -> dict[str, Any]:
    """Generator, style encoder and discriminator: loaded where a start is named, else new on the packaged ImageNet trunk.

    Raises:
        ModelLoadError: the start cannot be loaded.
        ConfigError: values that a model cannot be built with.
    """
    models: dict[str, Any] = {}
    for name, cls in MODEL_CLASSES.items():
        if config.pretrained_model_name_or_path:
            # loaded models are in evaluation: the noise would stand still and be learned by heart
            models[name] = cls.from_pretrained(config.pretrained_model_name_or_path, subfolder=name).train()
        else:
            try:
                models[name] = cls(**getattr(config, name))
            except (TypeError, ValueError, RuntimeError) as error:
                raise ConfigError(f"`{name}` is {getattr(config, name)}, with which no model can be built: {error}") from error
    rank = config.generator.get("kernel_rank", 0)
    if config.pretrained_model_name_or_path and rank > models["generator"].config.kernel_rank:
        models["generator"] = models["generator"].with_kernels(rank)
    if not config.pretrained_model_name_or_path:
        models["style_encoder"].trunk.load_state_dict(load_embedded_network().state_dict())
    return models


def _lesson(step: int, rim_every: int) -> str:
    """What the first sample of this step is: a photo or a painting styled by itself, a photo styled by another one, a drawn edge
    in place of the photo, or a pair like the rest."""
    if step % rim_every == 1 % rim_every:
        return "edge"
    return ("photo", "pair", "painting", "pair", "photos", "pair", "painting", "pair")[step % 8]


@dataclass
class _State:
    generated: torch.Tensor
    features: dict[str, torch.Tensor]
    photo: torch.Tensor
    content_target: ContentTarget
    style: torch.Tensor
    style_target: StyleTarget
    code: torch.Tensor
    cam_logits: torch.Tensor
    distance: torch.Tensor | None


class StylizationTask:
    """Trains a generator that stylizes any photo with any painting.

    In every other step the first sample of the batch is another lesson. In two of eight it is a painting styled by itself, in one
    a photo: these carry the identity loss, and the paintings give the generator's classifier its second domain. In one more it
    is a photo styled by another photo: without these, "styled like a photo" comes to mean "leave it alone", even for paintings
    that are smooth. In two more its photo is a plain ground beside a drawn edge, which carries the rim loss: the style and
    structure losses reward contrast along edges, and without these lessons every skyline gets a bright band.
    """

    generator_names: tuple[str, ...] = ("generator", "style_encoder")
    discriminator_names: tuple[str, ...] = ("discriminator",)

    def __init__(self, config: StyleConfig, models: dict[str, Any]):
        self.config = config
        self.photos = open_folder(config.validation_photos or packaged("photos"))
        self.styles = open_folder(config.validation_styles or packaged("styles"))
        # here, since the copies and the feature network that are made below must be beside them
        for model in models.values():
            model.to(process_state().device)
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
        self.network = build_feature_network(config.feature_network, self.trunk, device)
        self.objective = StyleAwareObjective.for_network(config.losses, self.network)
        self.adversary = Adversary(config)
        self.ada = self.adversary.ada
        self.anchors: dict[str, torch.Tensor] = {}
        self.fisher: dict[str, torch.Tensor] = {}

    def phases(self) -> list[Phase]:
        """The discriminator's, from half of the warm-up before the adversarial loss sets in, and the generator's."""
        phases = adversarial_phases(self, start=first_adversarial_step(self.config))
        return phases if self.config.adv_weight else phases[1:]

    def rate_factor(self, parameter: str) -> float:
        """Returns `style_rate` for the mapping network and the layers that read the style code, else 1."""
        reads_code = parameter.endswith(("affine.weight", "gain.weight"))
        return self.config.style_rate if reads_code or parameter.startswith("style_encoder.") else 1.0

    @torch.no_grad()
    def calibrate(self, dataset: PhotoPaintingDataset, count: int = 200) -> None:
        """Standardizes the style encoder's input on `count` paintings of the data set."""
        encoder = self.models["style_encoder"]
        images = (dataset[n]["style"][None].to(encoder.device) for n in range(count))
        rows = [encoder.channel_statistics(encoder.trunk(image)) for image in images]
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
        lesson = _lesson(step, self.config.rim_every)
        if lesson == "painting":
            photo[0] = style[0]
        elif lesson in ("photo", "photos"):
            style[0] = photo[0 if lesson == "photo" else -1]
        distance = self._draw_edge(photo) if lesson == "edge" and self.config.rim_weight else None
        if self.config.channels_last:
            photo, style = (t.contiguous(memory_format=torch.channels_last) for t in (photo, style))
        with torch.no_grad():
            features = self.network(torch.cat([photo, style]))
            style_features = {name: f[len(photo) :] for name, f in features.items()}
            content = self.objective.content_target(photo, {name: f[: len(photo)] for name, f in features.items()})
            target = self.objective.style_target(style, style_features)
            if self.network is not self.trunk:
                style_features = self.trunk(style)
        code = self.modules["style_encoder"](features=style_features)
        out = self.modules["generator"](photo, code)
        generated = out.sample.float()
        return _State(generated, self.network(generated), photo, content, style, target, code, out.cam_logits, distance)

    @staticmethod
    def _draw_edge(photo: torch.Tensor) -> torch.Tensor:
        """Puts a drawn edge in place of the first photo, half the time with that photo before it; distances `(1, H, W)`."""
        rng = np.random.default_rng(int(torch.randint(2**31, ())))
        before = photo[0].cpu() if rng.random() < 0.5 else None
        picture, distance = drawn_edge(photo.shape[-1], rng, before)
        photo[0] = picture
        return distance[None].to(photo.device)

    def discriminator_loss(self, state: _State, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        c, discriminator = self.config, self.modules["discriminator"]
        code = state.code.detach()
        batch, wrong = len(code), code.roll(1, 0)
        generated = state.generated.detach()
        # the other code of a batch of one would be its own
        mismatched = bool(c.mismatch_weight) and batch > 1
        images = [state.style, generated] + ([state.style] if mismatched else [])
        codes = [code, code] + ([wrong] if mismatched else [])
        out = discriminator(self.adversary.shown(torch.cat(images), step), torch.cat(codes))
        logits = (*out.logits, out.cam_logits)
        real, fake = ([l[i * batch : (i + 1) * batch] for l in logits] for i in (0, 1))
        loss = self.adversary.d_loss(real, fake)
        figures = {"d_adv": loss}
        if self.ada is not None:
            self.ada.observe(real)
        if mismatched:
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
            state.content_target,
            state.style_target,
            directions.to(state.generated.device),
        )
        lesson = _lesson(step, c.rim_every)
        if lesson in ("photo", "painting"):
            figures["identity"] = identity_loss(state.generated[:1], state.photo[:1]).mean()
            loss = loss + c.identity_weight * figures["identity"]
        if lesson == "painting" and len(state.photo) > 1:  # a classifier of one image has nothing to tell apart
            figures["cam"] = cam_loss(state.cam_logits[1:], state.cam_logits[:1])
            loss = loss + c.cam_weight * figures["cam"]
        if state.distance is not None:
            figures["rim"] = rim_loss(state.generated[:1], state.distance).mean()
            loss = loss + c.rim_weight * figures["rim"]
        weight = adversarial_weight(c, step)
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

    def validation_images(self) -> tuple[Iterable[Image.Image], Iterable[Image.Image]]:
        """Photos and styles of the validation sheets, up to `SHOWN` each, without those that cannot be read."""
        photos, styles = (table.first(SHOWN) for table in (self.photos, self.styles))
        return (sample.image for sample in photos), (sample.image for sample in styles)

    @cached_property
    def _pairs(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Those images, cut to squares and paired: decoded once, and as tensors a tenth of the memory of large photos."""
        photos, styles = ([_square(image, 256) for image in images] for images in self.validation_images())
        return paired(photos, styles, SHOWN)

    @torch.no_grad()
    def validate(self, step: int, folder: Path) -> dict[str, float]:
        generator, encoder = self.models["generator"], self.models["style_encoder"]
        device = next(generator.parameters()).device
        rows, scores = [], {"objective": 0.0, "gram": 0.0, "content": 0.0, "structure": 0.0}
        for pair in self._pairs:
            photo, style = (image.to(device) for image in pair)
            with steady(generator):
                # by `forward`, which is not compiled: another size and mode would be compiled anew
                out = generator.forward(photo, encoder.forward(style)).sample.float()
            content = self.objective.content_target(photo, self.network(photo))
            target = self.objective.style_target(style, self.network(style))
            axes = torch.eye(3, device=device)
            objective, figures = self.objective(out, self.network(out), content, target, axes)
            for name, value in {"objective": objective, **figures}.items():
                if name in scores:
                    scores[name] += float(value)
            rows.append([photo, style, out])
        folder.mkdir(parents=True, exist_ok=True)
        contact_sheet(rows, columns=2).save(folder / f"step-{step}.jpg", quality=92)
        return {name: total / len(rows) for name, total in scores.items()}

    def save_pretrained(self, folder: Path) -> None:
        # copies, for a pipeline freezes the models that it is given
        StyleTransferPipeline(**{name: copy.deepcopy(merged(m)) for name, m in self.models.items()}).save_pretrained(folder)


def card_facts(config: StylizationConfig, dataset: PhotoPaintingDataset) -> RunFacts:
    """Returns the facts of a finished base training for its model card, beside settings and scores."""
    tables = [table for table in (dataset.photos, *dataset.paintings) if isinstance(table, ImageTable)]
    photos, styles = ("the trainer's" if own else "packaged" for own in (config.validation_photos, config.validation_styles))
    return RunFacts(
        base_model=config.pretrained_model_name_or_path,
        purpose="It gives any photo the style of any image at once, and can be fine-tuned to a style: a generator, a style "
        "encoder on EfficientNet-Lite0, which was trained on ImageNet, and a discriminator.",
        data=f"{len(tables[0])} photos and {sum(map(len, tables[1:]))} paintings of the trainer.",
        images=sum(map(len, tables)),
        unreadable=sum(len(table.unreadable) for table in tables),
        scored_on=f"pairs of {photos} photos and {styles} styles",
        limitations=STYLIZATION_LIMITS,
    )


def packaged(kind: str) -> str:
    """Folder of the packaged `photos` or `styles`."""
    return str(resources.files("styleadapt") / "assets" / kind)


def paired(photos: Sequence[T], styles: Sequence[T], count: int) -> list[tuple[T, T]]:
    """Up to `count` pairs, the shorter of the two repeated.

    >>> paired(["a", "b"], ["c"], 12)
    [('a', 'c'), ('b', 'c')]
    """
    return [(photos[i % len(photos)], styles[i % len(styles)]) for i in range(min(count, max(len(photos), len(styles))))]


def _square(image: Image.Image, size: int) -> torch.Tensor:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image_to_tensor(image.resize((size, size), box=(left, top, left + side, top + side), reducing_gap=2.0))
