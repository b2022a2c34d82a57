"""Unpaired translation as a training task: U-GAT-IT (arXiv 1907.10830) between two folders of images.

The objective is the authors' (section 2.2). What they compute twice or for nothing is left out, with the same result: both
players share one forward pass of the generators, an image and the identity input go through a generator together, real and
generated images through a discriminator together, and the generators' step makes no gradients for the discriminators, nor
theirs for the generators. Normalization is per image throughout, so that a batch of two equals two batches of one. One thing
differs: a discriminator that sees real and generated images together takes one power iteration of spectral normalization for
both. Beside the authors' LSGAN there are the other adversarial forms, penalties and augmentations of `training.adversary`.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from PIL import Image

from ..data.sources import ImageTable, open_folder, open_source
from ..data.unpaired import CROP_SCALE, UnpairedDataset
from ..errors import ConfigError, SourceError
from ..hub.model_card import RunFacts
from ..images.images import image_to_tensor
from ..losses.adversarial import cam_loss
from ..metrics.distribution import kernel_distance
from ..metrics.embedding import embed, load_embedded_network
from ..models.ugatit import UGATITDiscriminator, UGATITGenerator
from ..pipelines.translation import Direction, TranslationPipeline
from ..training.adversary import AdversarialConfig, Adversary, steady
from ..training.config import require_at_least
from ..training.phases import Phase, adversarial_phases
from ..training.processes import process_state
from ..training.sheets import contact_sheet

SHEET_IMAGES, SCORED_IMAGES = 8, 64


@dataclass
class UnpairedConfig(AdversarialConfig):
    """Configuration of `scripts/train.py` for unpaired translation; the defaults are those of U-GAT-IT.

    Args:
        domain_a, domain_b: folders of images (or parquet files, shards: see `data.sources.open_source`).
        resolution: side of the square images in pixels, a multiple of 4.
        crop_scale: how much larger an image is made before it is cropped.
        pretrained_model_name_or_path: repo or folder to start from, such as `styleadapt convert` writes; from nothing if
            left out. Discriminators that it lacks are new.
        light: the light generator, see `models.ugatit.UGATITGenerator`.
        channels: of the first convolution of every model.
        blocks: residual blocks of a generator's encoder and of its decoder.
        n_layers_global, n_layers_local: convolutions of the two discriminators of a domain. A discriminator of n needs images of
            3 * 2^(n - 2) px: 96 for 7, 48 for 6.
        adv_weight, cycle_weight, identity_weight, cam_weight: of the adversarial, cycle, identity and CAM losses; `adv_weight` in
            both players' losses, but not of the gradient penalties.
        validation_a, validation_b: folders of images for the validation sheets and scores.
    """

    fixed_settings: ClassVar[tuple[str, ...]] = ("resolution",)
    private_settings: ClassVar[tuple[str, ...]] = (
        "domain_a",
        "domain_b",
        "pretrained_model_name_or_path",
        "validation_a",
        "validation_b",
    )

    output_dir: str = "runs/ugatit"
    adv_loss: str = "lsgan"
    domain_a: str = ""
    domain_b: str = ""
    resolution: int = 256
    crop_scale: float = CROP_SCALE
    pretrained_model_name_or_path: str | None = None
    light: bool = False
    channels: int = 64
    blocks: int = 4
    n_layers_global: int = 7
    n_layers_local: int = 5
    adv_weight: float = 1.0
    cycle_weight: float = 10.0
    identity_weight: float = 10.0
    cam_weight: float = 1000.0
    validation_a: str | None = None
    validation_b: str | None = None
    train_batch_size: int = 1
    max_train_steps: int = 1_000_000
    learning_rate: float = 1e-4
    lr_d: float = 1e-4
    optimizer: str = "adam"
    lr_scheduler: str = "linear_second_half"
    lr_warmup_steps: int = 0
    adam_beta2: float = 0.999
    adam_weight_decay: float = 1e-4
    max_grad_norm: float = math.inf

    def validate(self) -> None:
        super().validate()
        if not self.domain_a or not self.domain_b:
            raise ConfigError("`domain_a` and `domain_b` need a folder of images each: --domain_a DIR --domain_b DIR")
        for key, least in {"channels": 1, "blocks": 1, "n_layers_global": 3, "n_layers_local": 3, "crop_scale": 1}.items():
            require_at_least(key, getattr(self, key), least)
        for key in ("adv_weight", "cycle_weight", "identity_weight", "cam_weight"):
            require_at_least(key, getattr(self, key), 0)
        if self.resolution < 8 or self.resolution % 4:
            raise ConfigError(f"`resolution` is {self.resolution}; it must be a multiple of 4, 8 at least")
        for key in ("n_layers_global", "n_layers_local"):
            layers = getattr(self, key)
            if self.resolution < 3 * 2 ** (layers - 2):
                most = int(math.log2(self.resolution / 3)) + 2
                raise ConfigError(f"`{key}` is {layers}; images of {self.resolution} px allow {most} at most")


def build_dataset(config: UnpairedConfig) -> UnpairedDataset:
    """The run's unpaired crops.

    Raises:
        SourceError: a domain is not there or holds no image that can be read.
    """
    per_step = config.train_batch_size * config.gradient_accumulation_steps * process_state().num_processes
    return UnpairedDataset(
        _open_domain("domain_a", config.domain_a),
        _open_domain("domain_b", config.domain_b),
        config.resolution,
        config.crop_scale,
        config.seed,
        length=config.max_train_steps * per_step,
    )


def _open_domain(key: str, place: str) -> Any:
    try:
        return open_source(place)
    except SourceError as error:
        raise SourceError(str(error).replace("train_data_dir", key)) from None


def build_models(config: UnpairedConfig) -> dict[str, Any]:
    """Two generators and four discriminators by their names in `TranslationPipeline`, ready for training.

    Raises:
        ModelLoadError: the pretrained repo cannot be loaded.
        ConfigError: its full generators are for images of another size.
    """
    c = config
    models: dict[str, Any]
    if c.pretrained_model_name_or_path:
        models = TranslationPipeline.from_pretrained(c.pretrained_model_name_or_path).components
    else:
        models = {name: UGATITGenerator(c.channels, c.blocks, c.resolution, c.light) for name in UnpairedTask.generator_names}
    for name in UnpairedTask.discriminator_names:
        if models.get(name) is None:
            models[name] = UGATITDiscriminator(c.channels, c.n_layers_global if "global" in name else c.n_layers_local)
    for name in UnpairedTask.generator_names:
        size = models[name].config.image_size
        if not models[name].config.light and size != c.resolution:
            raise ConfigError(f"`resolution` is {c.resolution}, but {c.pretrained_model_name_or_path} is for {size} px")
    return {name: models[name].train() for name in (*UnpairedTask.generator_names, *UnpairedTask.discriminator_names)}


@dataclass
class _State:
    """Images `(B, 3, H, W)`; `identity_a` is a after the generator that leads to a. CAM logits: source's, then target's."""

    a: torch.Tensor
    b: torch.Tensor
    fake_a: torch.Tensor
    fake_b: torch.Tensor
    identity_a: torch.Tensor
    identity_b: torch.Tensor
    cam_logits: tuple[torch.Tensor, torch.Tensor]


class UnpairedTask:
    """Trains two generators, a to b and b to a, against a global and a local discriminator for each domain."""

    generator_names: tuple[str, ...] = ("generator_a2b", "generator_b2a")
    discriminator_names: tuple[str, ...] = (
        "discriminator_global_a",
        "discriminator_local_a",
        "discriminator_global_b",
        "discriminator_local_b",
    )

    def __init__(self, config: UnpairedConfig, models: dict[str, Any]):
        self.config = config
        self.adversary = Adversary(config)
        self.ada = self.adversary.ada
        self.validation = {side: open_folder(place) for side, place in _validation_folders(config).items()}
        self.modules = models
        self.models = dict(models)  # as built; `modules` may become wrapped for several processes

    def phases(self) -> list[Phase]:
        """The four discriminators', then both generators'."""
        return adversarial_phases(self)

    def rate_factor(self, parameter: str) -> float:
        """Returns 1: all parameters learn at the same rate."""
        return 1.0

    def forward(self, batch: dict[str, torch.Tensor], step: int) -> _State:
        self._clip_rho()
        a, b = batch["a"], batch["b"]
        if self.config.channels_last:
            a, b = (t.contiguous(memory_format=torch.channels_last) for t in (a, b))
        to_b = self.modules["generator_a2b"](torch.cat([a, b]))
        to_a = self.modules["generator_b2a"](torch.cat([b, a]))
        fake_b, identity_b = to_b.sample.chunk(2)
        fake_a, identity_a = to_a.sample.chunk(2)
        return _State(a, b, fake_a, fake_b, identity_a, identity_b, (to_b.cam_logits, to_a.cam_logits))

    def discriminator_loss(self, state: _State, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        losses: dict[str, torch.Tensor] = {}
        penalties: list[tuple[torch.Tensor, dict[str, torch.Tensor]]] = []
        real_logits: list[torch.Tensor] = []
        for name, real, fake in self._judged(state):
            logits = self._opinion(name, torch.cat([real, fake.detach()]), step)
            pairs = [l.chunk(2) for l in logits]
            losses[name.replace("discriminator", "d")] = torch.stack([self.adversary.d_loss(*pair) for pair in pairs]).sum()
            real_logits += [pair[0] for pair in pairs]
            penalties.append(self._penalty(name, real, fake.detach(), step))
        if self.ada is not None:
            self.ada.observe(real_logits)
        total = torch.stack(list(losses.values())).sum()
        figures = {"d_adv": total / len(real_logits), **losses}
        for kind in penalties[0][1]:
            figures[kind] = torch.stack([measured[kind] for _, measured in penalties]).mean()
        return self.config.adv_weight * total + torch.stack([penalty for penalty, _ in penalties]).sum(), figures

    def generator_loss(self, state: _State, step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        c = self.config
        adversarial: list[torch.Tensor] = []
        for name, real, fake in self._judged(state):
            logits = self._opinion(name, fake, step)
            real_logits: list[torch.Tensor | None] = [None] * len(logits)
            if self.adversary.needs_real:
                with torch.no_grad(), steady(self.modules[name]):
                    real_logits = [*self._opinion(name, real, step)]
            adversarial += [self.adversary.g_loss(*pair) for pair in zip(logits, real_logits)]
        cycle_a = self.modules["generator_b2a"](state.fake_b).sample
        cycle_b = self.modules["generator_a2b"](state.fake_a).sample
        figures = {
            "g_adv": torch.stack(adversarial).sum(),
            "cycle": F.l1_loss(cycle_a, state.a) + F.l1_loss(cycle_b, state.b),
            "identity": F.l1_loss(state.identity_a, state.a) + F.l1_loss(state.identity_b, state.b),
            "cam": torch.stack([cam_loss(*logits.chunk(2)) for logits in state.cam_logits]).sum(),
        }
        loss = c.adv_weight * figures["g_adv"] + c.cycle_weight * figures["cycle"]
        return loss + c.identity_weight * figures["identity"] + c.cam_weight * figures["cam"], figures

    def validate(self, step: int, folder: Path) -> dict[str, float]:
        """Writes `step-N.jpg`, in rows of an image, its translation, the way back, and where the generator looked, and scores
        images of the validation folders: L1 distance of the way back in [0, 1], and `metrics.distribution.kernel_distance`
        of the translations to the target domain."""
        if not self.validation:
            return {}
        self._clip_rho()
        pipe = TranslationPipeline(*(self.models[name] for name in self.generator_names))
        images = {side: self._validation_images(table) for side, table in self.validation.items()}
        network = load_embedded_network()
        sheets: list[list[tuple[torch.Tensor, ...]]] = []
        scores: dict[str, float] = {}
        ways: tuple[tuple[str, str, Direction, Direction], ...] = (("a", "b", "a2b", "b2a"), ("b", "a", "b2a", "a2b"))
        for source, target, there, back in ways:
            out = pipe(images[source], direction=there, return_attention=True)
            cycled = pipe(out.images, direction=back).images
            columns = (images[source], out.images, cycled, out.attentions or [])
            rows = [tuple(image_to_tensor(image) for image in row) for row in zip(*columns)]
            scores[f"cycle_{source}"] = sum(float((row[0] - row[2]).abs().mean()) / 2 for row in rows) / len(rows)
            if min(len(out.images), len(images[target])) > 1:
                scores[f"kid_{there}"] = kernel_distance(embed(network, out.images), embed(network, images[target]))
            sheets.append(_spread(rows, SHEET_IMAGES))
        folder.mkdir(parents=True, exist_ok=True)
        sheet = contact_sheet([list(row) for pair in zip(*sheets) for row in pair], columns=2)
        sheet.save(folder / f"step-{step}.jpg", quality=92)
        return scores

    def save_pretrained(self, folder: Path) -> None:
        self._clip_rho()
        TranslationPipeline(**self.models).save_pretrained(folder)

    def _clip_rho(self) -> None:
        """Before the generators are used, which is after each of their steps."""
        for name in self.generator_names:
            self.models[name].clip_rho()

    def _judged(self, state: _State) -> Iterator[tuple[str, torch.Tensor, torch.Tensor]]:
        """Every discriminator with the real and the generated images of its domain."""
        for name in self.discriminator_names:
            yield name, *((state.a, state.fake_a) if name.endswith("_a") else (state.b, state.fake_b))

    def _opinion(self, name: str, images: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        out = self.modules[name](self.adversary.shown(images, step))
        return out.logits, out.cam_logits

    def _penalty(
        self, name: str, real: torch.Tensor, fake: torch.Tensor, step: int
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        plain = self.models[name]

        def judge(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            with steady(plain):
                out = type(plain).forward(plain, self.adversary.shown(images, step))
            return out.logits, out.cam_logits

        return self.adversary.penalty(judge, real, fake, step)

    def _validation_images(self, table: ImageTable) -> list[Image.Image]:
        """By name, since the next image stands in for one that cannot be read, and none shall count twice."""
        size = (self.config.resolution, self.config.resolution)
        samples = {sample.name: sample.image for sample in (table[n] for n in _spread(range(len(table)), SCORED_IMAGES))}
        return [image.resize(size, Image.Resampling.BILINEAR) for image in samples.values()]


def card_facts(config: UnpairedConfig, dataset: UnpairedDataset) -> RunFacts:
    """Returns the facts of a finished run for its model card, beside settings and scores."""
    tables = [table for table in (dataset.images_a, dataset.images_b) if isinstance(table, ImageTable)]
    return RunFacts(
        base_model=config.pretrained_model_name_or_path,
        purpose="It translates images between two domains, a and b, that it was shown without pairs: U-GAT-IT (arXiv "
        "1907.10830), a generator for each direction and the discriminators to go on training with.",
        data="Images of the trainer: " + ", ".join(f"{len(t)} of domain {name}" for t, name in zip(tables, "ab")) + ".",
        images=sum(map(len, tables)),
        unreadable=sum(len(table.unreadable) for table in tables),
        scored_on="images of the trainer's validation folders",
        tags=["image-translation", "u-gat-it"],
        limitations=(
            "It knows its domains as far as the training images show them, and makes any other image into something like them.",
            "Details that it draws are invented: they say nothing of what the image shows.",
            f"It was trained on squares of {config.resolution} px; images of another scale come out worse.",
            "Frames of a video are translated each for itself, which flickers.",
        ),
    )


def _validation_folders(config: UnpairedConfig) -> dict[str, str]:
    """Folder of each side, or none unless both are named."""
    folders = {"a": config.validation_a, "b": config.validation_b}
    return {side: place for side, place in folders.items() if place} if all(folders.values()) else {}


def _spread(items: Sequence[Any], count: int) -> list[Any]:
    """At most `count` of the items, evenly spaced.

    >>> _spread([0, 1, 2, 3, 4, 5, 6], 3)
    [0, 2, 4]
    """
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]
