"""Fine-tuning as a training task: a pretrained generator and discriminator learn a set of style images."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image

from ..adapters.adapter import PACKAGED, StyleAdapter
from ..data.pairs import PairDataset, PairMaker
from ..data.sources import ImageTable, open_source
from ..data.streams import ImageStream, StreamedDataset
from ..errors import ConfigError, SourceError
from ..hub.model_card import ADAPTER_FILE, RunFacts
from ..hub.publishing import public_settings, publish_run, result_folder
from ..images.images import image_to_tensor
from ..models.discriminator import StyleDiscriminator
from ..pipelines.style_codes import encoding_size
from ..pipelines.style_transfer import StyleTransferPipeline
from ..training.config import require_at_least
from ..training.engine import Trainer
from ..training.parameters import adapter_deltas, check_output
from ..training.processes import process_state
from .style_config import StyleConfig
from .stylization import SHOWN, StylizationTask, packaged

logger = logging.getLogger(__name__)


@dataclass
class FinetuneConfig(StyleConfig):
    """Configuration of `scripts/finetune.py`, beside what `StyleConfig` has. It starts from the packaged weights if
    `pretrained_model_name_or_path` is left out. See `data.sources.open_source` for the sources of style images.

    Args:
        train_data_dir: folder, parquet files or WebDataset shards of style images.
        dataset_name, dataset_config_name, split: a data set of the Hub instead.
        image_column: column of images.
        max_train_samples: so many style images, drawn by `seed`, and no more; all if left out.
        streaming: read while training instead of downloading first.
        shuffle_buffer: images of a stream that are held and shuffled at a time.
        cache_dir: where data sets are kept.
        photos: folder of content photos, or files as for `train_data_dir`; the packaged ones if left out.
        revision, variant: of the pretrained repo.
        discriminator_name_or_path: repo or folder whose `discriminator/` training starts from; that of the pretrained repo, or a
            new one, if left out.
        output: `model`, a whole repo, or `adapter`, a file of changes for the pretrained model.
    """

    fixed_settings: ClassVar[tuple[str, ...]] = ("max_train_samples",)
    private_settings: ClassVar[tuple[str, ...]] = (
        "train_data_dir",
        "dataset_name",
        "cache_dir",
        "photos",
        "discriminator_name_or_path",
    )

    output_dir: str = "runs/finetune"
    photo_short_side: list[int] = field(default_factory=lambda: [200, 440])
    painting_short_side: list[int] = field(default_factory=lambda: [200, 560])
    train_data_dir: str | None = None
    dataset_name: str | None = None
    dataset_config_name: str | None = None
    split: str = "train"
    image_column: str | None = None
    max_train_samples: int | None = None
    streaming: bool = False
    shuffle_buffer: int = 1000
    cache_dir: str | None = None
    photos: str | None = None
    revision: str | None = None
    variant: str | None = None
    discriminator_name_or_path: str | None = None
    output: str = "model"

    def validate(self) -> None:
        super().validate()
        if (self.train_data_dir is None) == (self.dataset_name is None):
            raise ConfigError("name the style images by `train_data_dir` (a folder or files) or by `dataset_name` (of the Hub)")
        if len(self.painting_short_side) != 2:
            raise ConfigError("`painting_short_side` needs two numbers")
        if self.max_train_samples is not None:
            require_at_least("max_train_samples", self.max_train_samples, 1)
            if self.streaming:
                raise ConfigError("`max_train_samples` cannot be drawn from a stream; set `streaming: false`, or leave it out")
        check_output(self.output, self.train_parameters, "adalin, lora, loha or adalin+lora")


@dataclass
class _Base:
    """What training starts from, and what an adapter must know of it."""

    models: dict[str, Any]
    name: str
    fingerprint: str
    parameters: dict[str, torch.Tensor]


class FinetuningTask(StylizationTask):
    """Stylization that shows images of its own style set, remembers its scores, and may end in an adapter.

    Args:
        config: of the run.
        base: what training starts from.
        photos, styles: images of the validation sheets, unless the config names folders; the styles make an adapter's style code.
        style_set: all style images.

    Attributes:
        history: scores by step, of the base by 0.
    """

    def __init__(
        self,
        config: FinetuneConfig,
        base: _Base,
        photos: list[Image.Image],
        styles: list[Image.Image],
        style_set: ImageTable | ImageStream,
    ):
        self.base, self.shown_photos, self.shown_styles, self.style_set = base, photos, styles, style_set
        self.output = config.output
        self.history: dict[int, dict[str, float]] = {}
        # a run that is resumed at its end trains no further
        self.trained_steps = config.max_train_steps
        super().__init__(config, base.models)
        self.code = self._mean_code()

    def forward(self, batch: dict[str, torch.Tensor], step: int) -> Any:
        self.trained_steps = step + 1
        return super().forward(batch, step)

    def validation_images(self) -> tuple[Iterable[Image.Image], Iterable[Image.Image]]:
        photos, styles = super().validation_images()
        return (
            photos if self.config.validation_photos else self.shown_photos,
            styles if self.config.validation_styles else self.shown_styles,
        )

    def validate(self, step: int, folder: Path) -> dict[str, float]:
        self.history[step] = super().validate(step, folder)
        return self.history[step]

    def save_pretrained(self, folder: Path) -> None:
        if self.output == "model":
            super().save_pretrained(folder)
            return
        StyleAdapter(
            deltas=adapter_deltas(self.models["generator"], self.base.parameters),
            code=self.code,
            start_code=self.code,
            base=self.base.fingerprint,
            base_name=self.base.name,
            config=public_settings(self.config),
            scores=self._adapter_scores(),
            images=self.images,
            steps=self.trained_steps,
        ).save(folder / ADAPTER_FILE)

    @property
    def images(self) -> int:
        """How many style images there are; of a stream, how many were read."""
        return len(self.style_set) if isinstance(self.style_set, ImageTable) else self.style_set.images_read

    def _adapter_scores(self) -> dict[str, float]:
        """Gram and content figures of the base and of the models as they are, if both are known."""
        scores: dict[str, float] = {}
        for when, step in (("before", 0), ("after", self.trained_steps)):
            figures = self.history.get(step, {})
            scores |= {f"{name}_{when}": figures[key] for name, key in (("style", "gram"), ("content", "content")) if figures}
        return scores if len(scores) == 4 else {}

    @torch.no_grad()
    def _mean_code(self) -> torch.Tensor:
        encoder = self.models["style_encoder"]
        device = next(encoder.parameters()).device
        codes = [encoder(image_to_tensor(image).to(device)) for image in self.shown_styles]
        return encoder.mix(torch.cat(codes)).float()


def finetune(config: FinetuneConfig) -> Path:
    """Runs a fine-tuning from its configuration and returns the folder of the result; seed torch before.

    Raises:
        ConfigError, SourceError, ModelLoadError, ImportError: what the configuration names cannot be used.
        DivergenceError: training was stopped.
        HubError: the result could not be published; it is safe on disk.
    """
    styles, photos = _open_sources(config)
    base = load_base(config)
    task = FinetuningTask(config, base, _first_images(photos), _first_images(styles), styles)
    dataset = build_pairs(config, styles, photos)
    trainer = Trainer(config, task, dataset)
    if config.ewc_weight:
        task.measure_fisher(_first_pairs(dataset, config.ewc_samples))
    main = process_state().is_main_process
    if main and config.validation_steps and not config.dry_run:
        task.validate(0, Path(config.output_dir) / "validation")
    scores = trainer.train()
    unreadable = len(styles.unreadable) + len(photos.unreadable)
    if unreadable and main:
        logger.warning("%d images could not be read and were left out; their names are above", unreadable)
    publish_run(trainer, scores, _facts(config, task, len(styles.unreadable)))
    return result_folder(trainer)


def load_base(config: FinetuneConfig) -> _Base:
    """The pretrained models, ready for training on this process's device; a discriminator is made where the repo has none.

    Raises:
        ModelLoadError: nothing there, or not whole.
        ConfigError: the discriminator is for style codes of another length.
    """
    pipe = StyleTransferPipeline.from_pretrained(
        config.pretrained_model_name_or_path, revision=config.revision, variant=config.variant
    )
    code_dim, place = pipe.generator.config.code_dim, config.discriminator_name_or_path
    if place:
        discriminator = StyleDiscriminator.from_pretrained(place, subfolder="discriminator")
    else:
        discriminator = pipe.discriminator or StyleDiscriminator(code_dim=code_dim)
    if discriminator.config.code_dim != code_dim:
        raise ConfigError(
            f"`discriminator_name_or_path` is {place!r}, a discriminator for style codes of {discriminator.config.code_dim} "
            f"numbers; those of the generator have {code_dim}"
        )
    models = {"generator": pipe.generator, "style_encoder": pipe.style_encoder, "discriminator": discriminator}
    for model in models.values():
        model.requires_grad_(True).train().to(process_state().device)
    pipe.style_encoder.trunk.requires_grad_(False)
    parameters = {name: p.detach().clone() for name, p in pipe.generator.named_parameters()}
    return _Base(models, pipe.config.get("_name_or_path") or PACKAGED, pipe.fingerprint, parameters)


def build_pairs(config: FinetuneConfig, styles: ImageTable | ImageStream, photos: ImageTable) -> PairDataset | StreamedDataset:
    """The run's pairs of photo and style."""
    (photo_low, photo_high), (low, high) = config.photo_short_side, config.painting_short_side
    make = PairMaker(photos, config.resolution, (photo_low, photo_high), (low, high), config.painting_jitter)
    if isinstance(styles, ImageStream):
        return StreamedDataset(styles, make)
    per_step = config.train_batch_size * config.gradient_accumulation_steps * process_state().num_processes
    return PairDataset(styles, make, config.seed, config.max_train_steps * per_step)


def _open_sources(config: FinetuneConfig) -> tuple[ImageTable | ImageStream, ImageTable]:
    # the main process first: it converts what the others then read from the cache
    with process_state().main_process_first():
        styles = open_source(
            config.train_data_dir,
            config.dataset_name,
            config.dataset_config_name,
            config.image_column,
            split=config.split,
            streaming=config.streaming,
            cache_dir=config.cache_dir,
            seed=config.seed,
            shuffle_buffer=config.shuffle_buffer,
        )
        photos = open_source(config.photos or packaged("photos"), cache_dir=config.cache_dir)
    if isinstance(photos, ImageStream):
        raise SourceError("`photos` must be a folder or files that can be read in any order")
    if config.max_train_samples is not None and isinstance(styles, ImageTable):
        styles = styles.drawn(config.max_train_samples, config.seed)
        styles.require(1)
    return styles, photos


def _first_images(source: ImageTable | ImageStream) -> list[Image.Image]:
    """Up to `SHOWN` images, spread over a table, and the first of a stream; of the sizes that the pipeline reads styles at."""
    if isinstance(source, ImageTable):
        every = max(1, len(source) // SHOWN)
        images: Iterable[Image.Image] = (source[n].image for n in range(0, len(source), every))
    else:
        images = (sample.image for sample in source)
    return [encoding_size(image) for image in islice(images, SHOWN)]


def _first_pairs(dataset: PairDataset | StreamedDataset, count: int) -> Iterable[dict[str, torch.Tensor]]:
    if isinstance(dataset, PairDataset):
        return (dataset[n] for n in range(min(count, len(dataset))))
    rng = np.random.default_rng(dataset.stream.seed)
    return (dataset.transform(sample, rng) for sample in islice(dataset.stream, count))


def _facts(config: FinetuneConfig, task: FinetuningTask, unreadable: int) -> RunFacts:
    on_hub = config.dataset_name is not None and not Path(config.dataset_name).exists()
    where = f"the data set `{config.dataset_name}`" if on_hub else "a folder of images"
    return RunFacts(
        base_model=config.pretrained_model_name_or_path or PACKAGED,
        base_revision=config.revision,
        data=f"Style images: {where}; content: {'photos of the trainer' if config.photos else 'the packaged photos'}.",
        datasets=[config.dataset_name] if config.dataset_name and on_hub else [],
        images=task.images,
        unreadable=unreadable,
        scores_before=task.history.get(0, {}),
        scored_on=_scored_on(config),
    )


def _scored_on(config: FinetuneConfig) -> str:
    if config.validation_photos and config.validation_styles:
        return "pairs of the trainer's validation photos and styles"
    photos = "the trainer's validation photos" if config.validation_photos else "training photos"
    styles = "the trainer's validation styles" if config.validation_styles else "training style images"
    return f"pairs of {photos} and {styles}"
