"""Training configuration: a dataclass, filled from a YAML file, with the command line winning."""

import argparse
import dataclasses
import difflib
import importlib.util
import re
import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TypeVar

import yaml

from ..errors import ConfigError

T = TypeVar("T", bound="RunConfig")

# options of other training scripts, and what takes their place
_ELSEWHERE = {
    "hub_token": "sign in with `hf auth login` or set HF_TOKEN",
    "num_train_epochs": "pairs are drawn at random and without end, so there are no epochs to count: set `max_train_steps`",
}
_YAML_BOOLS = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}
_YAML_NULLS = ("", "~", "null", "Null", "NULL")


@dataclasses.dataclass
class RunConfig:
    """What every training run has, with the names that diffusers' training scripts use.

    Args:
        output_dir: folder for checkpoints, validation sheets, logs and the final model.
        seed: of weights, data order and augmentation.
        train_batch_size: samples a process and step.
        gradient_accumulation_steps: batches to add up before the optimizers step.
        max_train_steps: optimizer steps in all.
        max_train_minutes: the run ends after this time, too, resumed parts added up, and the learning rates follow whichever of
            the two limits is nearer. Where the clock decides, runs of different speed are no longer the same.
        learning_rate, lr_d: rates of generator and discriminator (two time scales, arXiv 1706.08500).
        optimizer: of both players, a name of `training.optimizers.OPTIMIZERS`.
        lr_scheduler: a name of `training.schedules.SCHEDULES` (`constant_with_warmup`, `cosine`, `linear_second_half`, ...).
        lr_warmup_steps: steps over which the rates rise from 0.
        lr_num_cycles, lr_power, lr_step_rules: of the schedules `cosine_with_restarts`, `polynomial` and `piecewise_constant`.
        adam_beta1, adam_beta2, adam_weight_decay, adam_epsilon: of both optimizers; `training.optimizers` says what they mean for
            those that are not Adam.
        max_grad_norm: gradients are clipped to this norm.
        ema_decay: of the exponential moving average of the generator's weights.
        mixed_precision: `no`, `bf16` or `fp16`; what `accelerate launch` or its configuration says if left out.
        dataloader_num_workers: processes that load images.
        checkpointing_steps: steps between checkpoints.
        checkpoints_total_limit: how many of them stay.
        resume_from_checkpoint: a checkpoint folder, or `latest`.
        validation_steps: steps between validation sheets; 0 for none.
        logging_steps: steps between log lines.
        report_to: tracker (`tensorboard`, `wandb`, `trackio`) or `none`.
        logging_dir: folder of TensorBoard's files, inside `output_dir` unless it is an absolute path; `output_dir` if left out.
        tracker_project_name: what the tracker calls the project.
        metric_for_best_model: validation score whose best value decides which models are kept in `output_dir/best`; none are
            if left out.
        greater_is_better: whether the best value of that score is the highest one, else it is the lowest.
        collapse_steps: a discriminator whose adversarial loss stays at 0 for so many steps ends the run; 0 goes on.
        channels_last: memory format of the convolutions.
        gradient_checkpointing: compute activations again in the backward pass instead of keeping them: less memory, more time.
        torch_compile: compile the models.
        allow_tf32: TF32 matrix products on Ampere GPUs and newer: faster, less precise.
        dry_run: print the resolved configuration, parameter counts and a memory estimate, and stop.
        push_to_hub, hub_model_id, hub_private: publish the result; the repo is called as the output folder if left out.
    """

    # of a class and its parents: settings that a resumed run must have as before, since they decide which samples come next and
    # what a checkpoint holds; and paths and names of the trainer's machine, which a model card does not tell
    fixed_settings: ClassVar[tuple[str, ...]] = ("seed", "train_batch_size", "gradient_accumulation_steps", "optimizer")
    private_settings: ClassVar[tuple[str, ...]] = (
        *("output_dir", "logging_dir", "resume_from_checkpoint", "push_to_hub", "hub_model_id", "hub_private"),
    )

    output_dir: str = "runs/base"
    seed: int = 0
    train_batch_size: int = 6
    gradient_accumulation_steps: int = 1
    max_train_steps: int = 1000
    max_train_minutes: float | None = None
    learning_rate: float = 1e-3
    lr_d: float = 4e-4
    optimizer: str = "adamw"
    lr_scheduler: str = "cosine"
    lr_warmup_steps: int = 100
    lr_num_cycles: int = 1
    lr_power: float = 1.0
    lr_step_rules: str | None = None
    adam_beta1: float = 0.5
    adam_beta2: float = 0.99
    adam_weight_decay: float = 0.0
    adam_epsilon: float = 1e-8
    max_grad_norm: float = 20.0
    ema_decay: float = 0.999
    mixed_precision: str | None = None
    dataloader_num_workers: int = 1
    checkpointing_steps: int = 500
    checkpoints_total_limit: int = 2
    resume_from_checkpoint: str | None = None
    validation_steps: int = 500
    logging_steps: int = 50
    report_to: str = "tensorboard"
    logging_dir: str | None = None
    tracker_project_name: str = "styleadapt"
    metric_for_best_model: str | None = None
    greater_is_better: bool = False
    collapse_steps: int = 500
    channels_last: bool = True
    gradient_checkpointing: bool = False
    torch_compile: bool = False
    allow_tf32: bool = False
    dry_run: bool = False
    push_to_hub: bool = False
    hub_model_id: str | None = None
    hub_private: bool | None = None

    @classmethod
    def settings_of(cls, kind: str) -> list[str]:
        """The settings that a class and its parents name in `fixed_settings` or `private_settings`.

        >>> "seed" in RunConfig.settings_of("fixed_settings"), "seed" in RunConfig.settings_of("private_settings")
        (True, False)
        """
        return [name for parent in reversed(cls.__mro__) for name in vars(parent).get(kind, ())]

    def validate(self) -> None:
        """Raises ConfigError for values that no run can use."""
        # here, since both raise ConfigError themselves
        from .optimizers import OPTIMIZERS
        from .schedules import SCHEDULES

        choices = {
            "mixed_precision": (None, "no", "bf16", "fp16"),
            "report_to": ("tensorboard", "wandb", "trackio", "none"),
            "optimizer": tuple(OPTIMIZERS),
            "lr_scheduler": SCHEDULES,
        }
        for key, allowed in choices.items():
            if getattr(self, key) not in allowed:
                raise ConfigError(f"`{key}` is {getattr(self, key)!r}; allowed: {', '.join(filter(None, allowed))}")
        for key in ("train_batch_size", "gradient_accumulation_steps", "max_train_steps", "checkpointing_steps", "logging_steps"):
            require_at_least(key, getattr(self, key), 1)
        for key in ("learning_rate", "lr_d", "max_grad_norm", "adam_epsilon"):
            if not getattr(self, key) > 0:
                raise ConfigError(f"`{key}` is {getattr(self, key)}; it must be greater than 0")
        if self.max_train_minutes is not None and not self.max_train_minutes > 0:
            raise ConfigError(f"`max_train_minutes` is {self.max_train_minutes}; it must be greater than 0")
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(f"`ema_decay` is {self.ema_decay}; it must lie in [0, 1)")
        if self.report_to != "none" and importlib.util.find_spec(self.report_to) is None:
            raise ConfigError(f"`report_to` is {self.report_to!r}, a package that is not installed: pip install {self.report_to}")


def require_at_least(key: str, value: float, least: float) -> None:
    """
    Raises:
        ConfigError: the value of `key` is below `least`, or NaN.

    >>> require_at_least("rank", 0, 1)
    Traceback (most recent call last):
    styleadapt.errors.ConfigError: `rank` is 0; it must be 1 at least
    """
    if not value >= least:
        raise ConfigError(f"`{key}` is {value}; it must be {f'{least} at least' if least else '0 or more'}")


class _Loader(yaml.SafeLoader):
    """YAML 1.1, but only `true` and `false` are truth values; `no`, `off`, `yes` and `on` are the words that stand there."""


_BOOL = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile("true|True|TRUE|false|False|FALSE"), list("tTfF"))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def parse_config(cls: type[T], description: str, argv: list[str] | None = None) -> T:
    """Reads `--config file.yaml` and `--key value` pairs for every field of the dataclass `cls`; the command line wins.

    What is given for a text stays as it is typed; other values are read as YAML.

    Raises:
        ConfigError: unknown keys (with the nearest match), wrong types, values that `cls.validate` refuses.
    """
    parser = _Parser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--config", help="YAML file with values for the options below; the command line wins")
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        repeated = typing.get_origin(hints[field.name]) is list
        default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
        options: dict[str, Any] = {"nargs": "+"} if repeated else {}
        if hints[field.name] in (bool, bool | None):
            options = {"nargs": "?", "const": "true"}
        parser.add_argument(f"--{field.name}", help=f"default: {default}", **options)
    namespace, unknown = parser.parse_known_args(argv)
    if unknown:
        raise ConfigError(_unrecognized(unknown, hints))
    given = vars(namespace)
    file = given.pop("config")
    values: dict[str, Any] = load_yaml(file) if file else {}
    for key, text in given.items():
        if isinstance(text, list):
            values[key] = [_from_text(t, typing.get_args(hints[key])[0]) for t in text]
        elif text is not None:
            values[key] = _from_text(text, hints[key])
    return build_config(cls, values)


def load_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ConfigError: no such file, no valid YAML, or no mapping.
    """
    try:
        values = yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise ConfigError(f"cannot read the config {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} must hold `key: value` lines, found {type(values).__name__}")
    return values


def build_config(cls: type[T], values: dict[str, Any]) -> T:
    """An instance of the dataclass `cls`, with keys, types and values checked.

    >>> build_config(RunConfig, {"seed": "seven"})
    Traceback (most recent call last):
    styleadapt.errors.ConfigError: `seed` is 'seven' (str), expected int
    """
    types_by_name = typing.get_type_hints(cls)
    hints = {field.name: types_by_name[field.name] for field in dataclasses.fields(cls)}
    for key in values:
        if key not in hints:
            raise ConfigError(f"unknown key `{key}`; {_hint(str(key), hints) or 'known keys: ' + ', '.join(sorted(hints))}")
    config = cls(**{key: _checked(key, value, hints[key]) for key, value in values.items()})
    try:
        config.validate()
    except ConfigError:
        raise
    except (ValueError, TypeError) as error:
        # from a group of values, such as loss weights, that is checked by its own class
        groups = [f"`{key}` is {value!r}" for key, value in values.items() if isinstance(value, dict)]
        raise ConfigError(": ".join([", ".join(groups), str(error)] if groups else [str(error)])) from None
    return config


def _hint(key: str, known: Iterable[str]) -> str:
    """What to write instead of an unknown key, as far as that can be guessed."""
    if key in _ELSEWHERE:
        return _ELSEWHERE[key]
    near = difflib.get_close_matches(key, known, 1)
    return f"did you mean `{near[0]}`?" if near else ""


def _unrecognized(arguments: list[str], known: Iterable[str]) -> str:
    """Names unknown options, without their values, which may be secret."""
    shown, hints, secret = [], [], False
    for argument in arguments:
        name, _, value = argument.partition("=")
        secret |= "token" in name.lower() or "hf_" in argument
        if argument.startswith("-") and "hf_" not in name:
            shown.append(name)
            hints += [] if "token" in name.lower() else [_hint(name.lstrip("-"), known)]
        elif not shown and "hf_" not in argument:
            shown.append(argument)
    if secret:
        hints.append(f"a token does not belong on the command line: {_ELSEWHERE['hub_token']}")
    return "; ".join(dict.fromkeys([f"unrecognized arguments: {' '.join(shown)}".rstrip(" :"), *filter(None, hints)]))


def _checked(key: str, value: Any, hint: Any) -> Any:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for option in options:
        kind = typing.get_origin(option) or option
        if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        if kind is float and isinstance(value, str):  # YAML reads 1e-3 as text
            try:
                return float(value)
            except ValueError:
                continue
        if kind is list and isinstance(value, list):
            return [_checked(f"{key}[{i}]", v, typing.get_args(option)[0]) for i, v in enumerate(value)]
        if kind is tuple and isinstance(value, (list, tuple)):
            return tuple(value)
        if kind is bool and isinstance(value, str) and value.lower() in _YAML_BOOLS:
            return _YAML_BOOLS[value.lower()]
        if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
            return value
    expected = " or ".join(getattr(o, "__name__", str(o)) for o in options)
    raise ConfigError(f"`{key}` is {value!r} ({type(value).__name__}), expected {expected}")


def _from_text(text: str, hint: Any) -> Any:
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if str in options:
        return None if types.NoneType in options and text in _YAML_NULLS else text
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError:
        return text
