"""Keeps the models with the best score of a run in a folder of their own."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accelerate.logging import get_logger

from ..errors import ConfigError
from .checkpoints import replace_folder

logger = get_logger(__name__)
_SCORES = "score.json"


class BestModels:
    """The models of the validation with the best score so far.

    Args:
        folder: where they are kept.
        metric: name of the score; None keeps nothing.
        greater_is_better: whether the best score is the greatest, not the least.
    """

    def __init__(self, folder: Path, metric: str | None, greater_is_better: bool):
        self.folder, self.metric, self.greater_is_better = folder, metric, greater_is_better
        self.score: float | None = None

    def resume(self) -> None:
        """Takes up the score of the models that an earlier part of the run has kept."""
        if self.metric is not None and (self.folder / _SCORES).is_file():
            self.score = read_scores(self.folder)[1].get(self.metric)

    def renew(self, step: int, scores: dict[str, float], save: Callable[[Path], Any]) -> None:
        """Has `save(folder)` write the models, if their score is the best so far.

        Raises:
            ConfigError: there is no score of the metric's name among `scores`.
        """
        if self.metric is None or not scores:
            return
        if self.metric not in scores:
            raise ConfigError(f"`metric_for_best_model` is {self.metric!r}; validation gives {', '.join(scores)}")
        score, sign = scores[self.metric], -1 if self.greater_is_better else 1
        # an earlier version kept NaN, which nothing is better than
        better = self.score is None or math.isnan(self.score) or sign * score < sign * self.score
        if math.isnan(score) or not better:
            return

        def write(folder: Path) -> None:
            save(folder)
            (folder / _SCORES).write_text(json.dumps({"step": step, **scores}), encoding="utf-8")

        self.score = score
        replace_folder(self.folder, write)
        logger.info("step %d has the best %s so far, %.4f: kept in %s", step, self.metric, score, self.folder)


def read_scores(folder: Path) -> tuple[int, dict[str, float]]:
    """The step and the scores of the models in a folder that `BestModels` wrote."""
    scores = json.loads((folder / _SCORES).read_text(encoding="utf-8"))
    return scores.pop("step"), scores
