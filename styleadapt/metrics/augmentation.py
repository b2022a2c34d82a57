"""Which augmentation makes a classifier see things in pictures of kinds that it was never trained on.

Classifiers are trained on class folders of one kind, photos for instance, with every augmentation and several seeds, and are
tested on those of others. Each seed also holds back a fifth of the training images, which tests the loss at home: five seeds test
each once.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..augment.color_jitter import ColorJitter
from ..augment.mixstyle import MixStyle, mixing
from ..augment.randconv import RandConv
from ..augment.style_augment import StyleAugment
from ..errors import SourceError
from .bootstrap import Interval
from .classification import (
    Recipe,
    correct_answers,
    load_trunk,
    middle_features,
    read_class_folder,
    train_top,
    training_features,
)
from .report import Figure
from .significance import Difference, holm, mean_accuracy, paired_difference

FOLDS = 5
REFERENCE = "jitter"
# of StyleAugment where classifiers are to see things in other kinds of pictures: more than the default, which keeps labels clear
STRONG: dict[str, Any] = {"p": 0.8, "strength": (0.4, 1.0)}
# after the second and the third stage, at a quarter and an eighth of the image
_MIXED_LAYERS = ("blocks.2", "blocks.4")


@dataclass(frozen=True)
class Arm:
    """What training images go through beside crops and flips.

    Args:
        augment: of batches `(B, 3, H, W)` in [0, 1].
        within: of the trunk, a context that it computes the training features in.
    """

    augment: Callable[[torch.Tensor], torch.Tensor] | None = None
    within: Callable[[nn.Module], AbstractContextManager] = nullcontext


def style_jitter(seed: int) -> Arm:
    """Strong styles first, then color jitter."""
    first, second = StyleAugment(**STRONG, seed=seed), ColorJitter(seed=seed)
    return Arm(lambda images: second(first(images)))


ARMS: dict[str, Callable[[int], Arm]] = {
    "none": lambda seed: Arm(),
    "jitter": lambda seed: Arm(ColorJitter(seed=seed)),
    "randconv": lambda seed: Arm(RandConv(seed=seed)),
    "mixstyle": lambda seed: Arm(within=partial(mixing, layers=_MIXED_LAYERS, mixstyle=MixStyle(seed=seed))),
    "style, default": lambda seed: Arm(StyleAugment(seed=seed)),
    "style": lambda seed: Arm(StyleAugment(**STRONG, seed=seed)),
    "style + jitter": style_jitter,
}


@dataclass
class AugmentationScores:
    """What every arm reached.

    Args:
        correct: by arm and test folder, in which share of the seeds each image was classified correctly, `(N,)`.
        home: by arm, the same of the training images that were held back.
        by_seed: by arm, each seed's mean accuracy over the test folders.
        left_out: why files were left out that could not be read.
    """

    correct: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    home: dict[str, np.ndarray] = field(default_factory=dict)
    by_seed: dict[str, list[float]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def figures(self, seed: int = 0) -> dict[str, list[Figure]]:
        """Of every arm the accuracies with 95 % intervals, and how far they are above those of color jitter."""
        columns = {}
        for arm, folders in self.correct.items():
            intervals = {name: mean_accuracy([values], seed=seed) for name, values in folders.items()}
            intervals["mean of the test folders"] = mean_accuracy(list(folders.values()), seed=seed)
            intervals["held-back training images"] = mean_accuracy([self.home[arm]], seed=seed)
            columns[arm] = [Figure.of(name, interval, higher_is_better=True) for name, interval in intervals.items()]
            columns[arm].append(Figure("deviation of the mean over seeds", float(np.std(self.by_seed[arm]))))
        for arm, (abroad, at_home, p) in self.against(REFERENCE, seed).items():
            columns[arm] += [
                Figure.of(f"mean above {REFERENCE}", abroad.interval, higher_is_better=True),
                Figure.of(f"held-back above {REFERENCE}", at_home, higher_is_better=True),
                Figure("p of the mean, by Holm", p),
            ]
        return columns

    def against(self, reference: str, seed: int = 0) -> dict[str, tuple[Difference, Interval, float]]:
        """Of every other arm: its mean less the reference's, its held-back images less the reference's, and p after Holm's
        correction."""
        if reference not in self.correct:
            return {}
        others = [arm for arm in self.correct if arm != reference]
        theirs = list(self.correct[reference].values())
        abroad = {arm: paired_difference(list(self.correct[arm].values()), theirs, seed=seed) for arm in others}
        home = {arm: paired_difference([self.home[arm]], [self.home[reference]], seed=seed).interval for arm in others}
        p = holm({arm: difference.p for arm, difference in abroad.items()})
        return {arm: (abroad[arm], home[arm], p[arm]) for arm in others}


def compare_augmentations(
    train_dir: Path,
    test_dirs: list[Path],
    seeds: int = FOLDS,
    recipe: Recipe | None = None,
    arms: Mapping[str, Callable[[int], Arm]] = ARMS,
    device: torch.device | None = None,
    callback: Callable[[str], object] | None = None,
) -> AugmentationScores:
    """Trains classifiers with every arm on a folder with a subfolder for each class, and tests them on others.

    Args:
        train_dir, test_dirs: of the same classes.
        seeds: how many classifiers are trained with each arm; seed s holds back the training images of fold s modulo 5.
        recipe: of the training.
        arms: what is compared, by name; each is made with seed 0.
        device: the CPU if left out.
        callback: called with the name of each arm before its turn.

    Raises:
        SourceError: fewer than two classes, fewer than five images of one, a class that a test folder lacks, or test folders of
            one name.
        FileNotFoundError: there is no such training folder.
    """
    recipe, device = recipe or Recipe(), device or torch.device("cpu")
    if len({path.name for path in test_dirs}) < len(test_dirs):
        raise SourceError("two test folders have the same name; rename one, since figures are told by it")
    classes = class_names(train_dir)
    side = recipe.size + recipe.margin
    train, *tests = (read_class_folder(path, classes, side) for path in (train_dir, *test_dirs))
    folds = _folds(train.labels, classes)
    trunk = load_trunk(device)
    labels, images = train.labels.to(device), train.images.to(device)
    at_home = middle_features(trunk, images, recipe.size)
    abroad = {data.name: (middle_features(trunk, data.images.to(device), recipe.size), data.labels.to(device)) for data in tests}
    scores = AugmentationScores(left_out=[line for data in (train, *tests) for line in data.left_out])
    for name, make in arms.items():
        if callback is not None:
            callback(name)
        arm = make(0)
        with arm.within(trunk.train()):
            features = training_features(trunk, images, recipe, 0, arm.augment)
        trunk.eval()
        correct = {folder: np.zeros(len(known)) for folder, (_, known) in abroad.items()}
        home, tested = np.zeros(len(labels)), np.zeros(len(labels))
        scores.by_seed[name] = []
        for seed in range(seeds):
            back = folds == seed % FOLDS
            here = (~back).to(device)
            top = train_top(trunk, features[here], labels[here], recipe, seed)
            answers = {folder: correct_answers(top, *known) for folder, known in abroad.items()}
            for folder, values in answers.items():
                correct[folder] += values / seeds
            scores.by_seed[name].append(float(np.mean([values.mean() for values in answers.values()])))
            home[back.numpy()] += correct_answers(top, at_home[~here], labels[~here])
            tested += back.numpy()
        scores.correct[name], scores.home[name] = correct, home[tested > 0] / tested[tested > 0]
    return scores


def class_names(folder: Path) -> list[str]:
    """The subfolders of a folder, sorted.

    Raises:
        SourceError: fewer than two.
        FileNotFoundError: there is no such folder.
    """
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(names) < 2:
        raise SourceError(f"{folder} has {len(names)} subfolders; each class is one, and there must be two at least")
    return names


def _folds(labels: torch.Tensor, classes: list[str]) -> torch.Tensor:
    """The fold of each image, `(N,)`: images of a class go round the five."""
    folds = torch.empty_like(labels)
    for label, name in enumerate(classes):
        count = int((labels == label).sum())
        if count < FOLDS:
            raise SourceError(f"the class {name!r} has {count} training images; {FOLDS} at least are needed")
        folds[labels == label] = torch.arange(count) % FOLDS
    return folds
