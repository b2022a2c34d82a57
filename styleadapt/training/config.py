"""Training configuration: a dataclass, filled from a YAML file, with the command line winning."""

import argparse
import dataclasses
import difflib
import importlib.util
import re
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TypeVar

import docstring_parser
import yaml
from jsonargparse import ArgumentParser, DefaultHelpFormatter, Namespace

from ..errors import ConfigError

T = TypeVar("T", bound="RunConfig")

# options of other training scripts, and what takes their place
_ELSEWHERE = {
    "hub_token": "sign in with `hf auth login` or set HF_TOKEN",
    "num_train_epochs": "pairs are drawn at random and without end, so there are no epochs to count: set `max_train_steps`",
}


@dataclasses.dataclass
class RunConfig:
    """Settings of every training run, with the names that diffusers' training scripts use.

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
        max_grad_norm: gradients are clipped to this norm; `.inf` for no limit.
        ema_decay: of the exponential moving average of the generator's weights.
        mixed_precision: `no`, `bf16` or `fp16`; what `accelerate launch` or its configuration says if left out.
        dataloader_num_workers: processes that load images.
        checkpointing_steps: steps between checkpoints.
        checkpoints_total_limit: how many of them stay; 0 for all.
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
        least = {
            1: ("train_batch_size", "gradient_accumulation_steps", "max_train_steps", "checkpointing_steps", "logging_steps"),
            0: ("checkpoints_total_limit", "lr_warmup_steps", "validation_steps", "collapse_steps", "dataloader_num_workers"),
        }
        for limit, keys in least.items():
            for key in keys:
                require_at_least(key, getattr(self, key), limit)
        require_at_least("lr_num_cycles", self.lr_num_cycles, 1)
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
_Loader.add_implicit_resolver(_BOOL, re.compile("(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def parse_config(config_class: type[T], description: str, arguments: Sequence[str] | None = None) -> T:
    """Reads `--config file.yaml` and `--key value` pairs for every field of a dataclass; the command line wins.

    Fields of a dataclass inside it are options too (`--losses.gram 240`), and so are the keys of a dictionary. `--print_config`
    prints what the options come to as YAML and ends the program, `--help` prints what the docstrings say of each.

    Args:
        config_class: the dataclass.
        description: for the help.
        arguments: those of the command line if left out.

    Raises:
        ConfigError: unknown keys (with the nearest match), wrong types, values that the config's `validate` refuses.
    """
    file = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    file.add_argument("--config", nargs="?")
    given, rest = file.parse_known_args(arguments)
    parser = _parser(config_class, description)
    values = _parse_values(parser, load_yaml(given.config) if given.config else {})
    return _built(config_class, parser, parser.parse_args(rest, namespace=values))


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


def build_config(config_class: type[T], values: dict[str, Any]) -> T:
    """An instance of a dataclass, with keys, types and values checked.

    >>> build_config(RunConfig, {"seed": "seven"})
    Traceback (most recent call last):
    styleadapt.errors.ConfigError: `seed`: Expected a int. Got value: seven
    """
    parser = _parser(config_class, "")
    return _built(config_class, parser, _parse_values(parser, values))


class _Parser(ArgumentParser):
    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Says it in one line, with what is meant by an unknown option or key, but not its value, which may be secret."""
        names = [name.lstrip("-") for name in self._option_string_actions]
        if message.startswith("unrecognized arguments: "):
            raise ConfigError(_unrecognized(message.split()[2:], names)) from None
        message = " ".join(message.rpartition("\n  - ")[2].split())  # the reason, where there are several lines
        for pattern, words in {
            r'Parser key "(.+?)"': r"`\1`",
            r"<class '(\w+)'>": r"\1",
            r"Does not validate .*Subtypes: \[(.+?)\] .*Given value: ": r"Expected one of \1. Got value: ",
        }.items():
            message = re.sub(pattern, words, message)
        if unknown := re.search(r"(?:Group '([\w.]+)'.*)?option '([\w.]+)'", message, re.IGNORECASE):
            group = f"{unknown[1]}." if unknown[1] else ""
            hint = _hint(unknown[2], [name.removeprefix(group) for name in names if name.startswith(group)])
            message += f"; {hint}" if hint else ""
        raise ConfigError(message) from None


class _Help(DefaultHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of the description."""


def _parser(config_class: type, description: str) -> _Parser:
    """An option for every field: a list takes several words, and a truth value needs none."""
    usage = "%(prog)s [--config FILE] [--KEY VALUE ...]"
    parser = _Parser(
        usage=usage, description=description, formatter_class=_Help, allow_abbrev=False, print_config="--print_config"
    )
    parser.add_argument("--config", action="config", help="YAML file with values for the options below; the command line wins")
    hints, help_texts = typing.get_type_hints(config_class), field_help(config_class)
    for field in dataclasses.fields(config_class):
        hint = hints[field.name]
        options: dict[str, Any] = {}
        if typing.get_origin(hint) is list:
            (hint,), options = typing.get_args(hint), {"nargs": "+"}
        elif hint in (bool, bool | None):
            options = {"nargs": "?", "const": True}
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        parser.add_argument(f"--{field.name}", type=hint, default=default, help=help_texts.get(field.name), **options)
    return parser


def field_help(config_class: type) -> dict[str, str]:
    """What the docstrings of a dataclass and of its bases say of its fields.

    >>> field_help(RunConfig)["lr_d"]
    'rates of generator and discriminator (two time scales, arXiv 1706.08500).'
    """
    documented = (docstring_parser.parse(base.__doc__ or "").params for base in reversed(config_class.__mro__))
    return {
        name: " ".join((parameter.description or "").split())
        for parameters in documented
        for parameter in parameters
        for name in parameter.arg_name.split(", ")
    }


def _parse_values(parser: _Parser, values: dict[str, Any]) -> Namespace:
    """Values from Python or YAML, of which jsonargparse says nothing clear if a key is unknown and empty, or one word stands for
    a list or a group."""
    defaults = vars(parser.get_defaults())
    for key, value in values.items():
        if key not in defaults:
            parser.error(f"Option '{key}' is not accepted")
        for kind, meant in {list: "a list", Namespace: "`key: value` pairs"}.items():
            if isinstance(defaults.get(key), kind) and not isinstance(value, (list if kind is list else dict)):
                raise ConfigError(f"`{key}` is {value!r}; it must be {meant}")
    return parser.parse_object(values)


def _built(config_class: type[T], parser: _Parser, values: Namespace) -> T:
    """The config, checked; an empty text stands for nothing where nothing is the default."""
    try:
        arguments: dict[str, Any] = vars(parser.instantiate(values))
        del arguments["config"]
        for key, value in arguments.items():
            arguments[key] = None if value == "" and parser.get_default(key) is None else value
        config = config_class(**arguments)
        config.validate()
    except ConfigError:
        raise
    except (ValueError, TypeError) as error:
        # from a group of values, such as loss weights, that checks itself
        raise ConfigError(str(error)) from None
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
