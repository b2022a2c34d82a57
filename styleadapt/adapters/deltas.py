"""Defines what an adapter trains: low-rank deltas of the large convolutions, full deltas of small parameters, and a style code.

The deltas live in weight space: W = W0 + B A (LoRA, Hu et al., arXiv 2106.09685), merged before the forward pass and
differentiated through. That costs a product of two small matrices a step instead of two more convolutions a layer, and
means the same for convolutions that pad by repeating the border. Names, shapes and initialization are those of PEFT.
"""

import copy
from typing import Any

import torch
from torch import nn

from ..models.layers import StyleKernel
from ..training.parameters import adalin_parameters

PARAMETER_SETS = ("code", "adalin", "small", "low-rank", "low-rank+small", "all")
SMALL = 21_000  # elements up to which a parameter is trained whole; so a 3x3 convolution of 48 channels, but not of 96


def lora_targets(generator: nn.Module) -> list[str]:
    """Names of the convolutions that are too large to train whole."""
    return [name for name, m in generator.named_modules() if isinstance(m, nn.Conv2d) and m.weight.numel() > SMALL]


def whole_parameters(generator: nn.Module, train: str = "low-rank+small") -> list[str]:
    """Names of the parameters that are trained whole under a name of `PARAMETER_SETS`. The matrices that read the style code are
    never: with one code, a change of such a matrix is a change of its bias. Nor are the bases of kernels that follow the code, a
    change of which is one of the kernel.

    Raises:
        ValueError: an unknown name.

    >>> whole_parameters(nn.Conv2d(3, 8, 1), "low-rank")
    []
    """
    if train not in PARAMETER_SETS:
        raise ValueError(f"the parameter set {train!r} is unknown; allowed: {', '.join(PARAMETER_SETS)}")
    config: Any = getattr(generator, "config", None)
    reads_code = {
        f"{name}.weight"
        for name, m in generator.named_modules()
        if isinstance(m, nn.Linear) and config is not None and m.in_features == config.code_dim
    }
    of_kernels = tuple(f"{name}." for name, m in generator.named_modules() if isinstance(m, StyleKernel))
    parameters = {n: p for n, p in generator.named_parameters() if n not in reads_code and not n.startswith(of_kernels)}
    if train == "all":
        return list(parameters)
    if train == "adalin":
        trained = {id(p) for p in adalin_parameters(generator)}
        return [name for name, p in parameters.items() if id(p) in trained]
    return [name for name, p in parameters.items() if train.endswith("small") and p.numel() <= SMALL]


def initial_deltas(generator: nn.Module, rank: int, train: str = "low-rank+small") -> dict[str, torch.Tensor]:
    """Deltas that change nothing yet: `X.lora_A.weight` random, `X.lora_B.weight` and every `X.delta` zero.

    Args:
        generator: the base.
        rank: of the low-rank deltas.
        train: beside the style code, of which there is no delta here:

            - `code`: nothing.
            - `adalin`: the layers that mix instance and layer normalization.
            - `small`: every parameter of up to `SMALL` elements.
            - `low-rank`: low-rank deltas of the larger convolutions.
            - `low-rank+small`: both.
            - `all`: every parameter, whole.
    """
    from peft import LoraConfig, get_peft_model_state_dict, inject_adapter_in_model

    deltas, targets = {}, lora_targets(generator) if train.startswith("low-rank") else []
    if targets:
        config = LoraConfig(r=rank, lora_alpha=rank, target_modules=targets)
        injected = inject_adapter_in_model(config, copy.deepcopy(generator).float())
        deltas = {name: tensor.detach().float().clone() for name, tensor in get_peft_model_state_dict(injected).items()}
    parameters = dict(generator.named_parameters())
    whole = whole_parameters(generator, train)
    deltas.update({f"{name}.delta": torch.zeros_like(parameters[name], dtype=torch.float32) for name in whole})
    return deltas


def check_deltas(deltas: dict[str, torch.Tensor], parameters: dict[str, torch.Size]) -> None:
    """Raises ValueError for deltas that do not fit parameters of these shapes, before anything is multiplied.

    >>> check_deltas({"c.bias.delta": torch.ones(2)}, {"c.bias": torch.Size([3])})
    Traceback (most recent call last):
    ValueError: `c.bias.delta` is (2,), the network's `c.bias` is (3,)
    """
    for name, tensor in deltas.items():
        kind = next((ending for ending in (".delta", ".lora_A.weight", ".lora_B.weight") if name.endswith(ending)), None)
        target = name.removesuffix(kind or "") + ("" if kind == ".delta" else ".weight")
        if kind is None or target not in parameters:
            raise ValueError(f"`{name}` changes nothing that the network has")
        shape = parameters[target]
        if kind == ".delta":
            fits = tensor.shape == shape
        else:
            layer = name.removesuffix(kind)
            down, up = (deltas.get(f"{layer}.lora_{side}.weight") for side in "AB")
            if down is None or up is None:
                raise ValueError(f"`{name}` has no `lora_{'B' if up is None else 'A'}` beside it")
            rank = down.shape[0] if down.ndim else 0
            fits = down.shape == (rank, *shape[1:]) and up.shape == (shape[0], rank, *[1] * (len(shape) - 2))
        if not fits:
            raise ValueError(f"`{name}` is {tuple(tensor.shape)}, the network's `{target}` is {tuple(shape)}")


def weight_deltas(deltas: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The change of each parameter of the generator, by the parameter's name.

    >>> a, b = torch.ones(1, 2, 3, 3), torch.full((4, 1, 1, 1), 0.5)
    >>> weight_deltas({"c.lora_A.weight": a, "c.lora_B.weight": b})["c.weight"].shape
    torch.Size([4, 2, 3, 3])
    """
    changes = {}
    for name, tensor in deltas.items():
        if name.endswith(".lora_A.weight"):
            layer = name.removesuffix(".lora_A.weight")
            down, up = tensor, deltas[f"{layer}.lora_B.weight"]
            changes[f"{layer}.weight"] = (up.flatten(1) @ down.flatten(1)).view(up.shape[0], *down.shape[1:])
        elif name.endswith(".delta"):
            changes[name.removesuffix(".delta")] = tensor
    return changes


def merged_parameters(base: dict[str, torch.Tensor], deltas: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The generator's parameters with the deltas added, for `torch.func.functional_call`."""
    return {name: base[name] + change for name, change in weight_deltas(deltas).items()}
