"""Builds optimizers by name: those of torch, and those of optional libraries."""

import contextlib
import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch

from ..errors import ConfigError

# of parameter groups; Adafactor's `beta1` is not among them, for its state depends on it
_SETTINGS = ("initial_lr", "betas", "alpha", "momentum", "weight_decay", "eps")


def build_optimizer(
    name: str,
    params: Iterable[Any],
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    weight_decay: float = 0.0,
    eps: float = 1e-8,
) -> torch.optim.Optimizer:
    """An optimizer with the settings that all of them share.

    What the settings mean where there is nothing of the same name:

    - `sgd`: `betas[0]` is the momentum; `betas[1]` and `eps` have no effect.
    - `rmsprop`: `betas[1]` is the smoothing of the squares, there is no momentum; `betas[0]` has no effect.
    - `adafactor`: a plain external rate (no `relative_step`, no `scale_parameter`); `betas[0]` is the first moment's, 0 saves its
      memory; `betas[1]` and `eps` have no effect.
    - `lion`: `eps` has no effect; a third to a tenth of Adam's rate suits it.
    - `prodigy`: estimates the rate itself; `lr` scales the estimate and should be 1, the same for all groups.
    - `schedule_free` (AdamW): combine it with the schedule `constant`, and read `averaged_weights`.

    Args:
        name: a key of `OPTIMIZERS`.
        params: parameters, or groups `{"params": ..., "lr": ...}` as torch takes them.
        lr: learning rate, for groups that have none of their own.
        betas: decay of the averages of gradient and squared gradient.
        weight_decay: decoupled, except for `adam`, `rmsprop`, `sgd` and `adam8bit`, where it is added to the gradient.
        eps: added to the denominator.

    Raises:
        ConfigError: an unknown name, a library that is not installed (the message names the package), or settings that the
            optimizer cannot use.

    >>> build_optimizer("sgd", [torch.nn.Parameter(torch.ones(1))], lr=0.1, betas=(0.5, 0.9)).defaults["momentum"]
    0.5
    """
    if name not in OPTIMIZERS:
        raise ConfigError(f"the optimizer {name!r} is unknown; allowed: {', '.join(OPTIMIZERS)}")
    try:
        return OPTIMIZERS[name](list(params), lr, betas, weight_decay, eps)
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(f"the optimizer {name!r} refuses its settings: {error}") from None


def parameter_groups(modules: Mapping[str, torch.nn.Module], rate: float, factor: Callable[[str], float]) -> list[dict[str, Any]]:
    """The trainable parameters of modules in groups of one learning rate.

    Args:
        modules: by name.
        rate: learning rate.
        factor: on the rate, by a parameter's name after its module's (`generator.enter.weight`).

    >>> groups = parameter_groups({"g": torch.nn.Linear(2, 2)}, 0.1, lambda name: 0.5 if name == "g.bias" else 1.0)
    >>> [(group["lr"], len(group["params"])) for group in groups]
    [(0.1, 1), (0.05, 1)]
    """
    groups: dict[float, list[torch.nn.Parameter]] = {1.0: []}
    for name, module in modules.items():
        for key, parameter in module.named_parameters():
            if parameter.requires_grad:
                groups.setdefault(factor(f"{name}.{key}"), []).append(parameter)
    return [{"params": parameters, "lr": each * rate} for each, parameters in groups.items()]


@contextlib.contextmanager
def averaged_weights(*optimizers: Any) -> Iterator[None]:
    """Puts the averaged weights of schedule-free optimizers in place, for validation and the final model; other optimizers are
    left alone. Such an optimizer is built ready for training, and is so again after the block. Checkpoints to resume from are
    complete either way.

    >>> with averaged_weights(build_optimizer("adam", [torch.nn.Parameter(torch.ones(1))], lr=0.1)):
    ...     pass
    """
    switched = [o for o in optimizers if callable(getattr(o, "eval", None)) and callable(getattr(o, "train", None))]
    for optimizer in switched:
        optimizer.eval()
    try:
        yield
    finally:
        for optimizer in switched:
            optimizer.train()


@contextlib.contextmanager
def kept_settings(*optimizers: Any) -> Iterator[None]:
    """Keeps the settings that optimizers have before the block, in which they load older states with settings of their own. What
    they have found out themselves, such as Prodigy's estimate, stays as it was loaded, and the rate is left to the schedule.

    >>> optimizer = build_optimizer("adam", [torch.nn.Parameter(torch.ones(1))], lr=0.1, weight_decay=0.5)
    >>> with kept_settings(optimizer):
    ...     optimizer.param_groups[0]["weight_decay"] = 0.0
    >>> optimizer.param_groups[0]["weight_decay"]
    0.5
    """
    kept = [[{key: group[key] for key in _SETTINGS if key in group} for group in o.param_groups] for o in optimizers]
    yield
    for optimizer, groups in zip(optimizers, kept):
        pairs = list(zip(optimizer.param_groups, groups))
        if any(group.get(key) != value for group, settings in pairs for key, value in settings.items()):
            # the weights that a schedule-free optimizer trains depend on `betas`, those of its average do not
            with averaged_weights(optimizer):
                for group, settings in pairs:
                    group.update(settings)


def _adam(params, lr, betas, weight_decay, eps):
    return torch.optim.Adam(params, lr, betas, eps, weight_decay, fused=True)


def _adamw(params, lr, betas, weight_decay, eps):
    return torch.optim.AdamW(params, lr, betas, eps, weight_decay, fused=True)


def _rmsprop(params, lr, betas, weight_decay, eps):
    return torch.optim.RMSprop(params, lr, alpha=betas[1], eps=eps, weight_decay=weight_decay)


def _sgd(params, lr, betas, weight_decay, eps):
    return torch.optim.SGD(params, lr, momentum=betas[0], weight_decay=weight_decay)


def _adafactor(params, lr, betas, weight_decay, eps):
    adafactor = _imported("transformers.optimization", "transformers", "adafactor").Adafactor
    beta1 = betas[0] or None
    return adafactor(params, lr, beta1=beta1, weight_decay=weight_decay, scale_parameter=False, relative_step=False)


def _prodigy(params, lr, betas, weight_decay, eps):
    rates = {group.get("lr", lr) if isinstance(group, dict) else lr for group in params}
    if len(rates) > 1:
        raise ValueError(f"its parameter groups must share one rate, got {', '.join(f'{rate:g}' for rate in sorted(rates))}")
    if max(rates) < 0.01:
        raise ValueError(f"its rate is a factor on its own estimate and should be 1, got {max(rates):g}")
    prodigy = _imported("prodigyopt", "prodigyopt", "prodigy").Prodigy
    return prodigy(params, lr, betas=betas, weight_decay=weight_decay, eps=eps, safeguard_warmup=True)


def _schedule_free(params, lr, betas, weight_decay, eps):
    if betas[0] <= 0:
        raise ValueError("the first of `betas` must be greater than 0, 0.9 suits it")
    library = _imported("schedulefree", "schedulefree", "schedule_free")
    optimizer = library.AdamWScheduleFree(params, lr, betas=betas, weight_decay=weight_decay, eps=eps)
    optimizer.train()
    return optimizer


def _lion(params, lr, betas, weight_decay, eps):
    return _imported("lion_pytorch", "lion-pytorch", "lion").Lion(params, lr, betas=betas, weight_decay=weight_decay)


def _adam8bit(params, lr, betas, weight_decay, eps):
    library = _imported("bitsandbytes", "bitsandbytes", "adam8bit")
    return library.optim.Adam8bit(params, lr, betas, eps, weight_decay)


def _imported(module: str, package: str, optimizer: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"the optimizer {optimizer!r} needs the package {package}, which cannot be imported ({error}): pip install {package}"
        ) from None


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": _adam,
    "adamw": _adamw,
    "rmsprop": _rmsprop,
    "sgd": _sgd,
    "adafactor": _adafactor,
    "prodigy": _prodigy,
    "schedule_free": _schedule_free,
    "lion": _lion,
    "adam8bit": _adam8bit,
}
