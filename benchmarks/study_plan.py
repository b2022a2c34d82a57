"""Reads the plan of a study from a YAML file: which settings are tried on which tasks."""

import dataclasses
import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from styleadapt.adaptation.settings import AdaptationConfig
from styleadapt.errors import StyleAdaptError

BASELINE = "default"
KEY = ("factor", "arm", "artist", "shots", "seed", "seconds")  # what makes a run another one than others of its study


class StudyError(StyleAdaptError, ValueError):
    """A study that cannot be run; the message names the key and what is allowed."""


@dataclass(frozen=True)
class Run:
    """One run of a study.

    Args:
        factor, arm: what is varied, and how; both `default` for the settings that all others differ from.
        settings: of `AdaptationConfig` that differ, with dots for nested ones (`losses.content`).
        artist: of the task.
        shots: training images.
        seed: of the adaptation.
        seconds: working time of one thread; 0 for zero-shot.
    """

    factor: str
    arm: str
    settings: dict[str, Any]
    artist: str
    shots: int
    seed: int
    seconds: float

    @property
    def key(self) -> tuple[Any, ...]:
        """Its values of `KEY`."""
        return tuple(getattr(self, name) for name in KEY)


@dataclass(frozen=True)
class Study:
    """A study as its YAML file has it.

    Args:
        artists: folders below the data folder, each with `shots10` and `reference`.
        seeds: every arm runs once with each.
        seconds: working time of one thread that each adaptation gets.
        shots: training images of a task.
        photos: number of photos that are stylized and measured.
        size: short side of photos and works in pixels when they are measured.
        backbone: network that measures, see `metrics.backbones.load_backbone`.
        defaults: settings that all arms share, as in `Run`.
        arms: by factor and by name, what is different. An arm `{shots: N}` has another number of training images.
    """

    artists: list[str]
    seeds: list[int] = field(default_factory=lambda: [0])
    seconds: float = 30.0
    shots: int = 3
    photos: int = 6
    size: int = 384
    backbone: str = "efficientnet-lite2"
    defaults: dict[str, Any] = field(default_factory=dict)
    arms: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    @classmethod
    def from_file(cls, path: str | os.PathLike) -> "Study":
        """Reads and checks a plan.

        Raises:
            StudyError: unknown keys or settings, values out of range, or no YAML.
        """
        try:
            values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise StudyError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
        if not isinstance(values, dict):
            raise StudyError(f"{path} holds no settings")
        _refuse_unknown(values, [f.name for f in fields(cls)], str(path))
        if not values.get("artists"):
            raise StudyError(f"{path} names no `artists`")
        study = cls(**values)
        for run in study.runs():
            configure(run.settings)
        return study

    def runs(self) -> list[Run]:
        """All runs: the defaults first, then arm by arm; of each arm all artists, and of each artist all seeds."""
        arms = [(BASELINE, BASELINE, {}), *((f, a, s or {}) for f, group in self.arms.items() for a, s in group.items())]
        return [
            Run(
                factor,
                arm,
                {**self.defaults, **{k: v for k, v in settings.items() if k not in ("shots", "seconds")}},
                artist,
                settings.get("shots", self.shots),
                seed,
                settings.get("seconds", self.seconds),
            )
            for factor, arm, settings in arms
            for artist in self.artists
            for seed in self.seeds
        ]


def configure(settings: Mapping[str, Any]) -> AdaptationConfig:
    """The defaults of quick adaptation with some settings changed.

    Raises:
        StudyError: an unknown setting, or a value that it refuses.

    >>> configure({"losses.content": 5.0, "rank": 8}).losses.content
    5.0
    """
    config = AdaptationConfig()
    nested: dict[str, dict[str, Any]] = {}
    for name, value in settings.items():
        outer, _, inner = name.partition(".")
        nested.setdefault(outer, {})[inner] = value
    _refuse_unknown(nested, [f.name for f in fields(AdaptationConfig)], "a study")
    changes: dict[str, Any] = {}
    try:
        for outer, values in nested.items():
            if "" in values:
                changes[outer] = values[""]
                continue
            part = getattr(config, outer)
            if not dataclasses.is_dataclass(part):
                raise StudyError(f"`{outer}` has no settings of its own, got `{outer}.{next(iter(values))}`")
            _refuse_unknown(values, [f.name for f in fields(part)], f"`{outer}`")
            changes[outer] = replace(part, **values)  # type: ignore[type-var]
        return replace(config, **changes)
    except (TypeError, ValueError) as error:
        raise error if isinstance(error, StudyError) else StudyError(f"{dict(settings)}: {error}") from None


def _refuse_unknown(given: Mapping[str, Any], known: list[str], where: str) -> None:
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            raise StudyError(f"{where} has no setting `{name}`" + (f"; did you mean `{near[0]}`?" if near else ""))
