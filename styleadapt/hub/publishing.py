"""Collects the result of a finished run, and publishes it with the facts for its model card."""

import shutil
from dataclasses import asdict
from pathlib import Path

from ..training.best import read_scores
from ..training.config import RunConfig
from ..training.engine import Trainer
from ..training.processes import process_state
from .hub import push_run_to_hub
from .model_card import RunFacts


def public_settings(config: RunConfig) -> dict[str, object]:
    """The settings of a run that anyone may read.

    >>> config = RunConfig(logging_dir="/home/ann/logs")
    >>> "seed" in public_settings(config), "logging_dir" in public_settings(config)
    (True, False)
    """
    private = config.settings_of("private_settings")
    return {key: value for key, value in asdict(config).items() if key not in private}


def result_folder(trainer: Trainer) -> Path:
    """Folder of the models of a finished run: those with the best score, if the run looked for them, else the last."""
    return Path(trainer.config.output_dir) / ("final" if trainer.best.score is None else "best")


def publish_run(trainer: Trainer, scores: dict[str, float], facts: RunFacts) -> None:
    """Publishes the result of a finished run, if its configuration says so, from the main process alone.

    Args:
        trainer: of the run.
        scores: what its `train` returned.
        facts: what the run started from and was trained on; settings, scores and samples are filled in.

    Raises:
        HubError: the result could not be published; it is safe on disk.
    """
    config, output, folder = trainer.config, Path(trainer.config.output_dir), result_folder(trainer)
    if not config.push_to_hub or config.dry_run or not process_state().is_main_process:
        return
    facts.settings = _changed_settings(config)
    facts.step, facts.scores = trainer.step if scores else None, scores
    if folder.name == "best":
        facts.step, facts.scores = read_scores(folder)
    sheet = output / "validation" / f"step-{facts.step}.jpg"
    if sheet.is_file():
        facts.samples = "samples.jpg"
        shutil.copy(sheet, folder / facts.samples)
    push_run_to_hub(folder, config.hub_model_id or output.resolve().name, facts, private=config.hub_private)


def _changed_settings(config: RunConfig) -> dict[str, object]:
    defaults = public_settings(type(config)())
    return {key: value for key, value in public_settings(config).items() if value != defaults[key]}
