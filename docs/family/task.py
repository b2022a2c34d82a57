"""The task: how the model is trained. It goes to `styleadapt/tasks/uncasting.py`, and into `TASKS` of `tasks/registry.py`."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from styleadapt.data.sources import ImageTable, open_folder
from styleadapt.data.square_crops import SquareCrops
from styleadapt.errors import ConfigError
from styleadapt.hub.model_card import RunFacts
from styleadapt.tasks.registry import TaskBuilder
from styleadapt.training.config import RunConfig
from styleadapt.training.phases import Phase
from styleadapt.training.processes import process_state
from styleadapt.training.sheets import contact_sheet

from .model import Uncast
from .pipeline import UncastingPipeline


@dataclass
class UncastingConfig(RunConfig):
    """Configuration of `scripts/train.py --task uncasting`: what every run has, and what this one has beside it.

    Args:
        photos: folder of neutral photos.
        resolution: side of the square crops in pixels.
        cast: a channel is multiplied by up to so much more or less.
        width: see `Uncast`.
    """

    # a resumed run must have these as before, and a model card must not tell those
    fixed_settings: ClassVar[tuple[str, ...]] = ("resolution",)
    private_settings: ClassVar[tuple[str, ...]] = ("photos", "pretrained_model_name_or_path")

    photos: str = ""
    resolution: int = 64
    cast: float = 0.3
    width: int = 16
    pretrained_model_name_or_path: str | None = None

    def validate(self) -> None:
        super().validate()
        if not self.photos:
            raise ConfigError("`photos` needs a folder of neutral photos: --photos DIR")
        if not 0 < self.cast < 1:
            raise ConfigError(f"`cast` is {self.cast}; it must lie between 0 and 1")


def build_dataset(config: UncastingConfig) -> SquareCrops:
    """As many samples as the run takes; sample n depends on the seed and n alone, or a resumed run would see others."""
    per_step = config.train_batch_size * config.gradient_accumulation_steps * process_state().num_processes
    sides = (config.resolution, 2 * config.resolution)
    return SquareCrops(
        open_folder(config.photos), config.resolution, sides, seed=config.seed, length=config.max_train_steps * per_step
    )


def build_models(config: UncastingConfig) -> dict[str, Any]:
    """The models by their names in the pipeline, ready for training."""
    place = config.pretrained_model_name_or_path
    model = Uncast.from_pretrained(place, subfolder="model") if place else Uncast(config.width)
    return {"model": model.train()}


class UncastingTask:
    """Gives neutral photos a cast and trains the model to take it off. Phases, losses and validation are the task's; everything
    else is the engine's: optimizers, schedules, precision, averages, checkpoints, several processes."""

    def __init__(self, config: UncastingConfig, models: dict[str, Any]):
        self.config = config
        for model in models.values():
            model.to(process_state().device)
        self.modules = models
        self.models = dict(models)  # as built; `modules` may become wrapped for several processes

    def phases(self) -> list[Phase]:
        """A regression has one phase. `training.phases.adversarial_phases` has the two of a GAN."""
        return [Phase("uncast", ("model",), self.distance, averaged=True)]

    def rate_factor(self, parameter: str) -> float:
        return 1.0

    def forward(self, batch: dict[str, torch.Tensor], step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """What the losses of all phases share. The engine has seeded torch's random numbers."""
        neutral = batch["image"]
        factors = 1 + self.config.cast * (2 * torch.rand(len(neutral), 3, 1, 1) - 1).to(neutral.device)
        return neutral, self.modules["model"]((neutral + 1) * factors - 1).sample

    def distance(self, state: tuple[torch.Tensor, torch.Tensor], step: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The loss, and figures to log."""
        neutral, result = state
        return (result.float() - neutral).abs().mean(), {}

    @torch.no_grad()
    def validate(self, step: int, folder: Path) -> dict[str, float]:
        """A sheet of pictures, and scores, of which `metric_for_best_model` may name one."""
        photos = torch.stack([build_dataset(self.config)[n]["image"] for n in range(8)]).to(self.models["model"].device)
        warm = (photos + 1) * torch.tensor([1.2, 1.0, 0.8], device=photos.device)[:, None, None] - 1
        result = self.models["model"](warm).sample
        folder.mkdir(parents=True, exist_ok=True)
        sheet = contact_sheet([[t[None].clamp(-1, 1).cpu() for t in row] for row in zip(warm, result, photos)], columns=2)
        sheet.save(folder / f"step-{step}.jpg", quality=92)
        return {"l1": float((result - photos).abs().mean())}

    def save_pretrained(self, folder: Path) -> None:
        """A repo for the pipeline; of copies, for a pipeline freezes the models that it is given."""
        UncastingPipeline(**copy.deepcopy(self.models)).save_pretrained(folder)


def card_facts(config: UncastingConfig, dataset: SquareCrops) -> RunFacts:
    """What the model card of a finished run says beside settings and scores."""
    table = dataset.images
    assert isinstance(table, ImageTable)
    return RunFacts(
        base_model=config.pretrained_model_name_or_path,
        purpose="It takes color casts off photos.",
        data=f"{len(table)} photos of the trainer, which were given casts.",
        images=len(table),
        unreadable=len(table.unreadable),
        scored_on="training photos with a warm cast",
        call='pipe(photo).images[0].save("neutral.png")',
        tags=["image-to-image"],
        limitations=("A sunset loses its red.",),
    )


# what stands in `TASKS` under the task's name
BUILDER = TaskBuilder(UncastingConfig, build_dataset, build_models, UncastingTask, card_facts)
