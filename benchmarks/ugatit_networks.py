"""U-GAT-IT written out plainly from the paper's equations, over weights named and shaped as in the authors' checkpoints.

Slow and unfused on purpose: it is what `styleadapt.models.ugatit` has to equal.
"""

from collections.abc import Mapping

import torch
import torch.nn as nn
import torch.nn.functional as F

EPS = 1e-5
NETWORKS = ("genA2B", "genB2A", "disGA", "disGB", "disLA", "disLB")


def official_generator(channels: int = 4, blocks: int = 2, image_size: int = 32, light: bool = False) -> dict[str, torch.Tensor]:
    """Random weights as the authors' `ResnetGenerator.state_dict()` has them; rho leaves [0, 1], as between two clippings."""
    c, c2, c4 = channels, 2 * channels, 4 * channels
    shapes = {
        "DownBlock.1.weight": (c, 3, 7, 7),
        "DownBlock.5.weight": (c2, c, 3, 3),
        "DownBlock.9.weight": (c4, c2, 3, 3),
        "gap_fc.weight": (1, c4),
        "gmp_fc.weight": (1, c4),
        "conv1x1.weight": (c4, 2 * c4, 1, 1),
        "conv1x1.bias": (c4,),
        "FC.0.weight": (c4, c4 if light else (image_size // 4) ** 2 * c4),
        "FC.2.weight": (c4, c4),
        "gamma.weight": (c4, c4),
        "beta.weight": (c4, c4),
        "UpBlock2.2.weight": (c2, c4, 3, 3),
        "UpBlock2.7.weight": (c, c2, 3, 3),
        "UpBlock2.11.weight": (3, c, 7, 7),
    }
    for i in range(blocks):
        for n in (1, 5):
            shapes[f"DownBlock.{12 + i}.conv_block.{n}.weight"] = (c4, c4, 3, 3)
        for n in (1, 2):
            shapes[f"UpBlock1_{i + 1}.conv{n}.weight"] = (c4, c4, 3, 3)
            shapes[f"UpBlock1_{i + 1}.norm{n}.rho"] = (1, c4, 1, 1)
    for position, width in ((3, c2), (8, c)):
        for name in ("rho", "gamma", "beta"):
            shapes[f"UpBlock2.{position}.{name}"] = (1, width, 1, 1)
    state = {}
    for key, shape in shapes.items():
        fan_in = max(1, torch.Size(shape[1:]).numel())
        state[key] = torch.rand(shape) * 1.4 - 0.2 if key.endswith(".rho") else torch.randn(shape) * fan_in**-0.5
    return state


def official_discriminator(channels: int = 2, n_layers: int = 5) -> dict[str, nn.Module]:
    """Layers by their names in the authors' `Discriminator`, under the same spectral normalization as there."""
    spectral = nn.utils.spectral_norm
    widths = [3, *(channels * 2**i for i in range(n_layers - 1))]
    layers: dict[str, nn.Module] = {}
    for i in range(n_layers - 1):
        stride = 2 if i < n_layers - 2 else 1
        layers[f"model.{3 * i + 1}"] = spectral(nn.Conv2d(widths[i], widths[i + 1], 4, stride))
    last = widths[-1]
    layers["gap_fc"] = spectral(nn.Linear(last, 1, bias=False))
    layers["gmp_fc"] = spectral(nn.Linear(last, 1, bias=False))
    layers["conv1x1"] = nn.Conv2d(2 * last, last, 1)
    layers["conv"] = spectral(nn.Conv2d(last, 1, 4, bias=False))
    return layers


def discriminator_state(layers: Mapping[str, nn.Module]) -> dict[str, torch.Tensor]:
    return {f"{name}.{key}": value.clone() for name, layer in layers.items() for key, value in layer.state_dict().items()}


def official_checkpoint(light: bool = False, channels: int = 4, blocks: int = 2, image_size: int = 32) -> dict[str, dict]:
    """A checkpoint of tiny networks as the authors' code saves it."""
    state = {name: official_generator(channels, blocks, image_size, light) for name in ("genA2B", "genB2A")}
    for name in NETWORKS[2:]:
        state[name] = discriminator_state(official_discriminator(2, 7 if name.startswith("disG") else 5))
    return state


def _conv(x, kernel, stride=1, bias=None):
    pad = (kernel.shape[-1] - 1) // 2
    return F.conv2d(F.pad(x, (pad,) * 4, mode="reflect"), kernel, bias, stride)


def _normalized(x, dims):
    return (x - x.mean(dims, keepdim=True)) / torch.sqrt(x.var(dims, keepdim=True) + EPS)


def _instance_norm(x):
    return F.instance_norm(x, eps=EPS)


def _lin(x, rho, gamma, beta):
    """Equation 1 of the paper, with unbiased variances."""
    mixed = rho * _normalized(x, (2, 3)) + (1 - rho) * _normalized(x, (1, 2, 3))
    return gamma * mixed + beta


def _attended(x, w_average, w_maximum):
    return torch.cat([x * w_average.view(1, -1, 1, 1), x * w_maximum.view(1, -1, 1, 1)], 1)


def reference_generator(w: Mapping[str, torch.Tensor], x: torch.Tensor, light: bool) -> tuple[torch.Tensor, ...]:
    """Image, CAM logits and heat map."""
    for n, stride in ((1, 1), (5, 2), (9, 2)):
        x = F.relu(_instance_norm(_conv(x, w[f"DownBlock.{n}.weight"], stride)))
    i = 12
    while f"DownBlock.{i}.conv_block.1.weight" in w:
        y = F.relu(_instance_norm(_conv(x, w[f"DownBlock.{i}.conv_block.1.weight"])))
        x = x + _instance_norm(_conv(y, w[f"DownBlock.{i}.conv_block.5.weight"]))
        i += 1
    w_average, w_maximum = w["gap_fc.weight"], w["gmp_fc.weight"]
    cam_logits = torch.cat([x.mean((2, 3)) @ w_average.T, x.amax((2, 3)) @ w_maximum.T], 1)
    x = F.relu(F.conv2d(_attended(x, w_average, w_maximum), w["conv1x1.weight"], w["conv1x1.bias"]))
    heat = x.sum(1, keepdim=True)
    code = x.mean((2, 3)) if light else x.flatten(1)
    code = F.relu(F.relu(code @ w["FC.0.weight"].T) @ w["FC.2.weight"].T)
    gamma, beta = ((code @ w[f"{name}.weight"].T)[:, :, None, None] for name in ("gamma", "beta"))
    i = 1
    while f"UpBlock1_{i}.conv1.weight" in w:
        block = f"UpBlock1_{i}"
        y = F.relu(_lin(_conv(x, w[f"{block}.conv1.weight"]), w[f"{block}.norm1.rho"], gamma, beta))
        x = x + _lin(_conv(y, w[f"{block}.conv2.weight"]), w[f"{block}.norm2.rho"], gamma, beta)
        i += 1
    for n in (2, 7):
        x = _conv(F.interpolate(x, scale_factor=2, mode="nearest"), w[f"UpBlock2.{n}.weight"])
        x = F.relu(_lin(x, *(w[f"UpBlock2.{n + 1}.{name}"] for name in ("rho", "gamma", "beta"))))
    return torch.tanh(_conv(x, w["UpBlock2.11.weight"])), cam_logits, heat


def reference_discriminator(layers: Mapping[str, nn.Module], x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Patch logits, CAM logits and heat map. The maps are weighted by the weights before spectral normalization."""
    for name, layer in layers.items():
        if name.startswith("model."):
            x = F.leaky_relu(layer(F.pad(x, (1, 1, 1, 1), mode="reflect")), 0.2)
    average, maximum = layers["gap_fc"], layers["gmp_fc"]
    cam_logits = torch.cat([average(x.mean((2, 3))), maximum(x.amax((2, 3)))], 1)
    x = F.leaky_relu(layers["conv1x1"](_attended(x, average.weight_orig, maximum.weight_orig)), 0.2)
    heat = x.sum(1, keepdim=True)
    return layers["conv"](F.pad(x, (1, 1, 1, 1), mode="reflect")), cam_logits, heat
