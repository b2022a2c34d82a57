"""Finds a family's training task by its name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from accelerate.utils import set_seed

from ..devices.cpu import configure_cpu
from ..hub.publishing import publish_run
from ..training.config import RunConfig
from ..training.engine import Trainer
from ..training.task import Task
from . import colorization, generation, generation_finetuning, inpainting, restoration, stylization, translation
from .restoration_config import ColorizationConfig, InpaintingConfig, RestorationConfig


@dataclass(frozen=True)
class TaskBuilder:
    """How a run of a task is built.

    Args:
        config: class of its settings.
        dataset: makes the data set from the settings.
        models: makes the models by their names from the settings.
        task: makes the task from the settings and the models. A task with a method `calibrate(dataset)` is calibrated before a
            run that starts from new models.
        card_facts: what the model card of a finished run says, from the settings and the data set.
    """

    config: type[RunConfig]
    dataset: Callable[[Any], Any]
    models: Callable[[Any], dict[str, Any]]
    task: Callable[[Any, dict[str, Any]], Task]
    card_facts: Callable[[Any, Any], Any]

    @classmethod
    def of_module(cls, module: Any, config: type[RunConfig], task: Callable[[Any, dict[str, Any]], Task]) -> "TaskBuilder":
        """Of a module that has `build_dataset`, `build_models` and `card_facts`."""
        return cls(config, module.build_dataset, module.build_models, task, module.card_facts)


# for scripts/finetune.py, beside the fine-tuning of stylization, which has a function of its own
FINETUNING: dict[str, TaskBuilder] = {
    "generation": TaskBuilder(
        generation_finetuning.GenerationFinetuneConfig,
        generation.build_dataset,
        generation_finetuning.build_models,
        generation_finetuning.GenerationFinetuningTask,
        generation_finetuning.finetuning_facts,
    ),
}
TASKS: dict[str, TaskBuilder] = {
    "stylization": TaskBuilder.of_module(stylization, stylization.StylizationConfig, stylization.StylizationTask),
    "translation": TaskBuilder.of_module(translation, translation.UnpairedConfig, translation.UnpairedTask),
    "restoration": TaskBuilder.of_module(restoration, RestorationConfig, restoration.RestorationTask),
    "generation": TaskBuilder.of_module(generation, generation.GenerationConfig, generation.GenerationTask),
    "inpainting": TaskBuilder.of_module(inpainting, InpaintingConfig, inpainting.InpaintingTask),
    "colorization": TaskBuilder.of_module(colorization, ColorizationConfig, colorization.ColorizationTask),
}


def run(builder: TaskBuilder, config: Any) -> None:
    """Trains a task with a configuration of its class, and publishes the result where that is asked for."""
    dataset = builder.dataset(config)
    configure_cpu()
    set_seed(config.seed)
    task: Any = builder.task(config, builder.models(config))
    if hasattr(task, "calibrate") and not config.pretrained_model_name_or_path:
        task.calibrate(dataset)
    trainer = Trainer(config, task, dataset)
    scores = trainer.train()
    publish_run(trainer, scores, builder.card_facts(config, dataset))
