"""Selects the parameters of a generator that train, by name: all, AdaLIN's, or low-rank changes of chosen layers.

Low-rank changes (LoRA, LoHa) live in weight space, as torch parametrizations of the layers' weights: W = W0 + change. PEFT's own
convolutions drop `padding_mode="replicate"` and would change the borders of every picture, and layers that read another
layer's weight, as the class activation map does, would not see its change. Shapes, initialization and names are those of PEFT.
"""

import copy
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils import parametrize

from ..errors import ConfigError
from .config import require_at_least

M = TypeVar("M", bound=nn.Module)

PARAMETER_SETS = ("all", "adalin", "affine", "lora", "loha")


def select_parameters(generator: nn.Module, train: str = "all", rank: int = 16, targets: Sequence[str] = ()) -> list[str]:
    """Sets `requires_grad` of the generator's parameters, and injects low-rank changes where they are asked for. Call it once,
    before optimizers, averages and Accelerate see the model. The generator's outputs stay as they are.

    Args:
        generator: the model; what is frozen in it already stays frozen under `all`.
        train: a name from `PARAMETER_SETS`, or several joined by `+`, such as `adalin+lora`.

            - `all`: every parameter.
            - `adalin`: those of the layers that mix instance and layer normalization, see `adalin_parameters`.
            - `affine`: those of the layers called `affine`, by which a code scales convolutions, as in StyleGAN2.
            - `lora`: W0 + B A, A of `rank` rows (Hu et al., arXiv 2106.09685).
            - `loha`: W0 + (B1 A1) * (B2 A2), element by element, of rank up to `rank`^2 (Hyeon-Woo et al., FedPara, arXiv
              2108.06098).
        rank: of the low-rank changes.
        targets: full names of convolutions and linear layers or their endings after a dot (`conv1`, `blocks8.0.conv1`); every
            convolution if left out.

    Returns:
        names of the parameters that train.

    Raises:
        ConfigError: an unknown name, a rank below 1, or a target that no layer bears.

    >>> model = nn.Sequential(nn.Conv2d(8, 8, 3, padding_mode="replicate"))
    >>> select_parameters(model, "lora", rank=2)
    ['0.parametrizations.weight.0.lora_A', '0.parametrizations.weight.0.lora_B']
    """
    names = [name.strip() for name in train.split("+")]
    for name in names:
        if name not in PARAMETER_SETS:
            raise ConfigError(f"the parameter set {name!r} is unknown; allowed: {', '.join(PARAMETER_SETS)}, joined by +")
    if {"lora", "loha"} <= set(names):
        raise ConfigError(f"{train!r} would change the same weights twice; choose `lora` or `loha`")
    if "all" not in names:
        generator.requires_grad_(False)
    if "adalin" in names:
        for parameter in adalin_parameters(generator):
            parameter.requires_grad_(True)
    if "affine" in names:
        affine = [p for name, p in generator.named_parameters() if "affine" in name.split(".")]
        if not affine:
            raise ConfigError(f"{type(generator).__name__} has no layers called `affine`; train other parameters")
        for parameter in affine:
            parameter.requires_grad_(True)
    for kind, change in (("lora", LoRA), ("loha", LoHa)):
        if kind in names:
            require_at_least("rank", rank, 1)
            for layer in target_layers(generator, targets):
                module = generator.get_submodule(layer)
                weight = module.get_parameter("weight")
                weight.requires_grad_(False)  # it is not trained twice, as it is and by its change
                parametrize.register_parametrization(module, "weight", change(weight, rank))
    return [name for name, parameter in generator.named_parameters() if parameter.requires_grad]


def check_output(output: str, train_parameters: str, small: str) -> None:
    """Checks what a fine-tuning writes: `model`, or `adapter`, which holds a part of the generator alone.

    Args:
        small: parameter sets that an adapter can hold, for the message.

    Raises:
        ConfigError: another output, or an adapter of all parameters.
    """
    if output not in ("model", "adapter"):
        raise ConfigError(f"`output` is {output!r}; allowed: model, adapter")
    if output == "adapter" and "all" in train_parameters.split("+"):
        raise ConfigError(
            "`output` is 'adapter', a small change of the generator, but `train_parameters: all` changes all of it; "
            f"set `train_parameters` to {small}, or `output` to model"
        )


def check_consolidation(ewc_weight: float, train_parameters: str) -> None:
    """
    Raises:
        ConfigError: elastic weight consolidation of low-rank changes.
    """
    if ewc_weight and ("lora" in train_parameters or "loha" in train_parameters):
        raise ConfigError("`ewc_weight` holds weights to where they were; low-rank changes have none, set it to 0")


def adalin_parameters(generator: nn.Module) -> list[nn.Parameter]:
    """Parameters of AdaLIN and ILN: of the modules that own a `rho`, and of all that is called `gamma` or `beta`, which scale
    and shift for those modules in U-GAT-IT.

    Raises:
        ConfigError: the model has none.
    """
    owners = {name for name, module in generator.named_modules() if isinstance(getattr(module, "rho", None), nn.Parameter)}
    if not owners:
        raise ConfigError(f"{type(generator).__name__} has no AdaLIN layers; train other parameters")
    return [
        parameter
        for name, parameter in generator.named_parameters()
        if {"gamma", "beta"} & set(name.split(".")) or any(name.startswith(f"{owner}.") for owner in owners)
    ]


def target_layers(model: nn.Module, targets: Sequence[str] = ()) -> list[str]:
    """Names of the layers that low-rank changes are injected into, see `select_parameters`: no depthwise convolutions, and none
    whose weight has a parametrization already.

    Raises:
        ConfigError: a target that no layer bears.

    >>> model = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Linear(4, 4))
    >>> target_layers(model), target_layers(model, ["2"])
    (['0'], ['2'])
    """
    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear))
        and getattr(module, "groups", 1) == 1
        and not parametrize.is_parametrized(module, "weight")
    }
    for target in targets:
        if not any(_bears(name, target) for name in layers):
            endings = sorted({name.rpartition(".")[2] for name in layers})
            raise ConfigError(f"no layer is called {target!r}; the layers' names end in: {', '.join(endings)}")
    if targets:
        return [name for name in layers if any(_bears(name, target) for target in targets)]
    return [name for name, module in layers.items() if isinstance(module, nn.Conv2d)]


def freeze_discriminator(discriminator: nn.Module, layers: int) -> list[str]:
    """Freezes the lower layers of a discriminator (FreezeD, Mo et al., arXiv 2002.10964) and returns the names of what trains.

    Args:
        discriminator: a model with `freeze_lower(layers)`.
        layers: lower convolutions of each scale; 0 freezes none.

    Raises:
        ConfigError: more layers than there are, or a model that has no lower layers to freeze.
    """
    freeze = getattr(discriminator, "freeze_lower", None)
    if layers and not callable(freeze):
        raise ConfigError(f"{type(discriminator).__name__} cannot freeze its lower layers; set their number to 0")
    channels = getattr(getattr(discriminator, "config", None), "channels", None)
    depth = len(channels) if isinstance(channels, (list, tuple)) else None
    if layers < 0 or (depth is not None and layers > depth):
        limit = "0 or more" if depth is None else f"0 to {depth}"
        raise ConfigError(f"the number of frozen discriminator layers is {layers}; allowed: {limit}")
    if layers and callable(freeze):
        freeze(layers)
    return [name for name, parameter in discriminator.named_parameters() if parameter.requires_grad]


def merged(model: M) -> M:
    """A copy of the model with its low-rank changes added to the weights, free of parametrizations of ours: what
    `save_pretrained` takes. A model without such changes is returned itself.

    >>> model = nn.Sequential(nn.Conv2d(8, 8, 3))
    >>> names = select_parameters(model, "lora")
    >>> sorted(merged(model).state_dict())
    ['0.bias', '0.weight']
    """
    if not _changes(model):
        return model
    model = copy.deepcopy(model)
    for name in _changes(model):
        layer = model.get_submodule(name)
        weight = torch.as_tensor(layer.weight).detach().clone()
        # not `remove_parametrizations`: it edits a class that the copy shares with the original
        plain = parametrize.type_before_parametrizations(layer)
        del layer.parametrizations
        layer.__class__ = plain
        layer.weight = nn.Parameter(weight)
    return model


def adapter_deltas(model: nn.Module, source: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Returns what training changed, in the form that `adapters.adapter.StyleAdapter` holds: LoRA's factors as `X.lora_A.weight`
    and `X.lora_B.weight`, everything else that trains as `X.weight.delta`.

    Args:
        model: in training, with or without low-rank changes.
        source: its parameters before, by their plain names (`dict(base.named_parameters())`), on any device.

    Raises:
        ValueError: a parameter that `source` lacks.
    """
    deltas: dict[str, torch.Tensor] = {}
    for layer, change in _changes(model).items():
        if isinstance(change, LoRA):
            deltas[f"{layer}.lora_A.weight"] = change.lora_A.detach().float().clone()
            deltas[f"{layer}.lora_B.weight"] = change.lora_B.detach().float().clone()
        else:
            deltas[f"{layer}.weight.delta"] = change.delta().detach().float()
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad or ".parametrizations." in f".{name}":
            continue
        if name not in source:
            raise ValueError(f"the source model has no parameter `{name}`; is it the model that training started from?")
        before = source[name].detach().to(parameter.device, torch.float32)
        deltas[f"{name}.delta"] = parameter.detach().float() - before
    return deltas


class LoRA(nn.Module):
    """W0 + B A for the weight of a convolution or linear layer; 0 at the start.

    Args:
        weight: `(O, I)` or `(O, I, k, k)`.
        rank: R; A is `(R, I)` or `(R, I, k, k)`, B `(O, R)` or `(O, R, 1, 1)`.
    """

    def __init__(self, weight: torch.Tensor, rank: int):
        super().__init__()
        ones = [1] * (weight.dim() - 2)
        self.lora_A = nn.Parameter(torch.empty(rank, *weight.shape[1:], dtype=torch.float32, device=weight.device))
        self.lora_B = nn.Parameter(torch.zeros(weight.shape[0], rank, *ones, dtype=torch.float32, device=weight.device))
        nn.init.kaiming_uniform_(self.lora_A, a=5**0.5)

    def delta(self) -> torch.Tensor:
        """The change of the weight, in float32."""
        with torch.autocast(self.lora_A.device.type, enabled=False):
            change = self.lora_B.float().flatten(1) @ self.lora_A.float().flatten(1)
        return change.view(self.lora_B.shape[0], *self.lora_A.shape[1:])

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight + self.delta().to(weight.dtype)


class LoHa(nn.Module):
    """W0 + (w1_a w1_b) * (w2_a w2_b) for the weight of a convolution or linear layer; 0 at the start.

    Args:
        weight: `(O, I)` or `(O, I, k, k)`.
        rank: R; the `a` are `(O, R)`, the `b` `(R, I k k)`.
    """

    def __init__(self, weight: torch.Tensor, rank: int):
        super().__init__()
        self.shape = weight.shape
        out, inner = weight.flatten(1).shape

        def factor(rows: int, columns: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(rows, columns, dtype=torch.float32, device=weight.device))

        self.hada_w1_a, self.hada_w1_b = factor(out, rank), factor(rank, inner)
        self.hada_w2_a, self.hada_w2_b = factor(out, rank), factor(rank, inner)
        for random in (self.hada_w1_a, self.hada_w1_b, self.hada_w2_a):
            nn.init.kaiming_uniform_(random, a=5**0.5)

    def delta(self) -> torch.Tensor:
        """The change of the weight, in float32."""
        with torch.autocast(self.hada_w1_a.device.type, enabled=False):
            first = self.hada_w1_a.float() @ self.hada_w1_b.float()
            second = self.hada_w2_a.float() @ self.hada_w2_b.float()
        return (first * second).view(self.shape)

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight + self.delta().to(weight.dtype)


def _bears(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


def _changes(model: nn.Module) -> dict[str, LoRA | LoHa]:
    """The low-rank changes in a model, by the names of their layers."""
    changes = {}
    for name, module in model.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            last = module.get_submodule("parametrizations.weight")[-1]  # type: ignore[index]  # a list of modules
            if isinstance(last, (LoRA, LoHa)):
                changes[name] = last
    return changes
