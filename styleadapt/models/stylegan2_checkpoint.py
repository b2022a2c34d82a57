"""StyleGAN2 checkpoints of others as models of ours: NVlabs' StyleGAN2-ADA (`.pkl`) and rosinality's stylegan2-pytorch (`.pt`).

Neither is unpickled in a way that could run code, and a file fits in every key and shape or is refused. Sizes follow from shapes.
"""

import argparse
import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch

from ..errors import ModelFileNotFoundError, ModelLoadError
from .modeling import first_few
from .network_pickle import PickledNetwork, read_network_pickle
from .stylegan2 import StyleGAN2Discriminator, StyleGAN2Generator, block_channels
from .ugatit_checkpoint import _compare, _shape

_TORCH_ZIP, _TORCH_OLD = b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_HEAD = 16 * 2**20  # the names of a checkpoint are before its numbers
State = Mapping[str, torch.Tensor]


def is_stylegan2_checkpoint(path: str | os.PathLike) -> bool:
    """Is it worth a try? True for a pickle that is no PyTorch checkpoint, and for one that has a `g_ema`.

    >>> is_stylegan2_checkpoint("absent.pkl")
    False
    """
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        head = file.read(_HEAD)
    if head.startswith((_TORCH_ZIP, _TORCH_OLD)):
        return b"g_ema" in head
    return head.startswith(b"\x80")


def load_stylegan2_checkpoint(path: str | os.PathLike) -> dict[str, StyleGAN2Generator | StyleGAN2Discriminator]:
    """The generator whose weights are averages, and the discriminator if there is one, in float32 and evaluation mode.

    Of a conditional StyleGAN2-ADA the generator is given alone: its discriminator judges labels in another way than ours.

    Args:
        path: a network pickle of StyleGAN2-ADA, or a checkpoint of stylegan2-pytorch, converted or its own.

    Returns:
        `{"generator": ..., "discriminator": ...}`.

    Raises:
        ModelFileNotFoundError: no such file.
        ModelLoadError: it is refused; the message is one line and names what was found.

    >>> load_stylegan2_checkpoint("absent.pkl")
    Traceback (most recent call last):
    styleadapt.errors.ModelFileNotFoundError: there is no file absent.pkl
    """
    if not os.path.isfile(path):
        raise ModelFileNotFoundError(f"there is no file {path}")
    with open(path, "rb") as file:
        head = file.read(len(_TORCH_OLD))
    if head.startswith((_TORCH_ZIP, _TORCH_OLD)):
        return _from_rosinality(str(path), _read(path))
    networks = read_network_pickle(path)
    models: dict[str, Any] = {"generator": _official_generator(f"{path}: `G_ema`", networks["G_ema"])}
    if "D" in networks and "mapping.embed.weight" not in networks["D"].state:
        models["discriminator"] = _official_discriminator(f"{path}: `D`", networks["D"])
    return models


def _official_generator(where: str, network: PickledNetwork) -> StyleGAN2Generator:
    state = _without_filters(where, network.state, "resample_filter")
    width, code_dim = _shape(where, state, "mapping.fc0.weight", 2)[1], _shape(where, state, "mapping.w_avg", 1)[0]
    layers = sum(key.startswith("mapping.fc") and key.endswith(".weight") for key in state)
    resolution = 4 << sum(key.startswith("synthesis.b") and key.endswith(".conv0.weight") for key in state)
    residual = "synthesis.b8.skip.weight" in state
    classes = 0
    if "mapping.embed.weight" in state:
        classes = _shape(where, state, "mapping.embed.weight", 2)[1]
        # one-hot labels times a layer are a table, scaled as that layer scales
        table = state["mapping.embed.weight"].T / classes**0.5 + state.pop("mapping.embed.bias", torch.zeros(()))
        state["mapping.embed.weight"] = table
    config = {
        "resolution": resolution,
        "latent_dim": width - (code_dim if classes else 0),
        "code_dim": code_dim,
        "mapping_layers": layers,
        "mapping_lr": _number(where, network, "mapping.fc0", "bias_gain"),
        "num_classes": classes,
        "architecture": "residual" if residual else "skip",
        "clamp": _clamp(where, network, "synthesis.b4.conv1"),
        **_channels(where, state, [f"synthesis.b{4 << n}.conv1.weight" for n in range(resolution.bit_length() - 2)]),
    }
    return _filled(where, StyleGAN2Generator, config, state, _official_generator_key)


def _official_generator_key(our: str, model: Any) -> str:
    part, _, rest = our.partition(".")
    if part == "mapping":
        return our.replace("mapping.layers.", "mapping.fc")
    kind, _, rest = rest.partition(".")
    if kind == "const":
        return "synthesis.b4.const"
    if kind == "enter":
        return f"synthesis.b4.conv1.{rest}"
    n, _, rest = rest.partition(".")
    if kind == "blocks":
        return f"synthesis.b{8 << int(n)}.{rest}"
    residual = model.config.architecture == "residual"
    return f"synthesis.b{model.config.resolution if residual else 4 << int(n)}.torgb.{rest}"


def _official_discriminator(where: str, network: PickledNetwork) -> StyleGAN2Discriminator:
    state = _without_filters(where, network.state, "resample_filter")
    resolution = 4 << sum(key.endswith(".conv0.weight") for key in state)
    group = network.settings.get("b4.mbstd", {}).get("group_size", 0)
    config = {
        "resolution": resolution,
        "architecture": "residual" if "b8.skip.weight" in state else "plain",
        # the authors' None is a group of the whole batch
        "deviation_group": 2**20 if group is None else group,
        "clamp": _clamp(where, network, "b4.conv"),
        **_channels(where, state, ["b4.conv.weight", *(f"b{8 << n}.conv0.weight" for n in range(resolution.bit_length() - 3))]),
    }
    return _filled(where, StyleGAN2Discriminator, config, state, _official_discriminator_key)


def _official_discriminator_key(our: str, model: Any) -> str:
    part, _, rest = our.partition(".")
    if part == "blocks":
        n, _, rest = rest.partition(".")
        return f"b{model.config.resolution >> int(n)}.{rest}"
    names = {"from_rgb": f"b{model.config.resolution}.fromrgb", "conv": "b4.conv", "dense": "b4.fc", "verdict": "b4"}
    return f"{names[part]}.{rest}"


def _from_rosinality(path: str, checkpoint: Any) -> dict[str, Any]:
    if not isinstance(checkpoint, Mapping) or "g_ema" not in checkpoint:
        found = first_few([str(key) for key in checkpoint]) if isinstance(checkpoint, Mapping) else type(checkpoint).__name__
        raise ModelLoadError(f"{path} is no checkpoint of stylegan2-pytorch: expected the key `g_ema`, found {found}")
    where = f"{path}: `g_ema`"
    state = _without_filters(where, _tensors(where, checkpoint["g_ema"]), "kernel")
    # modulated weights have the batch's dimension in front
    state = {key: value.flatten(0, 1) if value.ndim == 5 else value for key, value in state.items()}
    convs = sum(key.startswith("to_rgbs.") and key.endswith(".conv.weight") for key in state)
    average = checkpoint.get("latent_avg")
    mean_is_known = isinstance(average, torch.Tensor)
    code_dim, latent_dim = _shape(where, state, "style.1.weight", 2)
    state["w_avg"] = average.flatten() if isinstance(average, torch.Tensor) else torch.zeros(code_dim)
    keys = ["conv1.conv.weight", *(f"convs.{2 * n + 1}.conv.weight" for n in range(convs))]
    config: dict[str, Any] = {
        "resolution": 4 << convs,
        "latent_dim": latent_dim,
        "code_dim": code_dim,
        "mapping_layers": sum(key.startswith("style.") and key.endswith(".weight") for key in state),
        **_channels(where, state, keys),
    }
    generator = _filled(where, StyleGAN2Generator, config, state, _rosinality_generator_key)
    if not mean_is_known:
        # as that code does it when it samples with truncation
        z = torch.randn(4096, latent_dim, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
        with torch.no_grad():
            generator.mapping.w_avg.copy_(generator.mapping(z)[:, 0].mean(0))
    models: dict[str, Any] = {"generator": generator}
    if "d" in checkpoint:
        where = f"{path}: `d`"
        state = _without_filters(where, _tensors(where, checkpoint["d"]), "kernel")
        blocks = sum(key.endswith(".skip.1.weight") for key in state)
        keys = ["final_conv.0.weight", *(f"convs.{n}.conv1.0.weight" for n in range(blocks, 0, -1))]
        config = {"resolution": 4 << blocks, **_channels(where, state, keys)}
        models["discriminator"] = _filled(where, StyleGAN2Discriminator, config, state, _rosinality_discriminator_key)
    return models


def _rosinality_generator_key(our: str, model: Any) -> str:
    if our == "mapping.w_avg":
        return "w_avg"
    part, _, rest = our.partition(".")
    kind, _, rest = rest.partition(".")
    if part == "mapping":
        n, _, name = rest.partition(".")
        return f"style.{int(n) + 1}.{name}"
    if kind == "const":
        return "input.input"
    if kind == "enter":
        conv, layer = "conv1", 0
    else:
        n, _, rest = rest.partition(".")
        if kind == "to_rgb":
            module = "to_rgb1" if n == "0" else f"to_rgbs.{int(n) - 1}"
            return f"{module}.{'bias' if rest == 'bias' else 'conv.' + rest.replace('affine', 'modulation')}"
        which, _, rest = rest.partition(".")
        layer = 2 * int(n) + 1 + (which == "conv1")
        conv = f"convs.{layer - 1}"
    if rest == "noise_const":
        return f"noises.noise_{layer}"
    names = {"bias": "activate.bias", "noise_strength": "noise.weight"}
    return f"{conv}.{names.get(rest) or 'conv.' + rest.replace('affine', 'modulation')}"


def _rosinality_discriminator_key(our: str, model: Any) -> str:
    part, _, rest = our.partition(".")
    name = rest.rpartition(".")[2]
    if part in ("dense", "verdict"):
        return f"final_linear.{'0' if part == 'dense' else '1'}.{name}"
    bias = name == "bias"
    if part in ("from_rgb", "conv"):
        return f"{'convs.0' if part == 'from_rgb' else 'final_conv'}.{int(bias)}.{name}"
    n, _, layer = rest.rpartition(".")[0].partition(".")
    module = {"conv0": f"conv1.{int(bias)}", "conv1": f"conv2.{1 + bias}", "skip": "skip.1"}[layer]
    return f"convs.{int(n) + 1}.{module}.{name}"


def _read(path: str | os.PathLike) -> Any:
    try:
        # a checkpoint of training has the command line's arguments in it, which are a bag of plain values
        with warnings.catch_warnings(), torch.serialization.safe_globals([argparse.Namespace]):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelLoadError(
            f"{path} is not a PyTorch checkpoint of plain tensors ({type(error).__name__}): it is damaged, or holds other "
            "objects, which are never unpickled, because they can run code"
        ) from error


def _tensors(where: str, state: Any) -> dict[str, torch.Tensor]:
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ModelLoadError(f"{where} is no state dict of tensors")
    return {str(key): value for key, value in state.items()}


def _without_filters(where: str, state: State, name: str) -> dict[str, torch.Tensor]:
    """A copy without the resampling filters, which are [1, 3, 3, 1] or the file is refused."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = torch.outer(taps, taps) / 64
    for key, value in state.items():
        if not key.endswith(name):
            continue
        if value.shape != kernel.shape or not torch.allclose(value.float() / value.float().sum(), kernel, atol=1e-4):
            raise ModelLoadError(f"{where}: `{key}` is not the filter [1, 3, 3, 1], and no other one is supported")
    return {key: value for key, value in state.items() if not key.endswith(name)}


def _channels(where: str, state: State, keys: list[str]) -> dict[str, int]:
    """`channel_base` and `channel_max` from the weights at 4 px, 8 px, and so on."""
    found = tuple(_shape(where, state, key, 4)[0] for key in keys)
    base, most = max(c * (4 << n) for n, c in enumerate(found)), found[0]
    try:
        expected = block_channels(4 << (len(found) - 1), base, most)
    except ValueError as error:
        raise ModelLoadError(f"{where}: no such network can be built: {error}") from error
    if found != expected:
        raise ModelLoadError(f"{where}: channels {found} from 4 px on do not follow min(base / resolution, maximum)")
    return {"channel_base": base, "channel_max": most}


def _number(where: str, network: PickledNetwork, module: str, name: str) -> float:
    value = network.settings.get(module, {}).get(name)
    if not isinstance(value, (int, float)) or not 0 < value <= 1:
        raise ModelLoadError(f"{where}: `{module}.{name}` is {value!r}; expected a number from 0 to 1")
    return float(value)


def _clamp(where: str, network: PickledNetwork, module: str) -> float | None:
    """What features are clamped to; the activation must be ours."""
    settings = network.settings.get(module, {})
    activation, clamp = settings.get("activation"), settings.get("conv_clamp")
    if activation != "lrelu":
        raise ModelLoadError(f"{where}: the activation of `{module}` is {activation!r}; only 'lrelu' is supported")
    if clamp is not None and (not isinstance(clamp, (int, float)) or clamp <= 0):
        raise ModelLoadError(f"{where}: `{module}.conv_clamp` is {clamp!r}; expected a number above 0 or None")
    return None if clamp is None else float(clamp)


def _filled(where: str, cls: Any, config: dict[str, Any], state: State, key_of: Callable[[str, Any], str]) -> Any:
    """The model, which takes space from here on, with the tensors that the checkpoint has under the names `key_of` gives."""
    with torch.device("meta"):
        try:
            model = cls(**config)
        except (ValueError, TypeError) as error:
            raise ModelLoadError(f"{where}: no such network can be built: {error}") from error
    keys = {our: key_of(our, model) for our in model.state_dict()}
    _compare(f"{where} fits no {cls.__name__}", "keys", keys.values(), state)
    tensors, misfits = {}, []
    for our, expected in model.state_dict().items():
        key, tensor = keys[our], state[keys[our]]
        # dimensions of 1 come and go between the three
        if [n for n in tensor.shape if n > 1] != [n for n in expected.shape if n > 1]:
            misfits.append(f"{key} expected {tuple(expected.shape)}, found {tuple(tensor.shape)}")
        elif not tensor.is_floating_point() or tensor.is_sparse or not tensor.isfinite().all():
            misfits.append(f"{key} expected finite floats")
        else:
            tensors[our] = tensor.detach().to(torch.float32).reshape(expected.shape).contiguous()
    if misfits:
        raise ModelLoadError(f"{where} fits no {cls.__name__} of {dict(model.config)}: {first_few(misfits)}")
    model.load_state_dict(tensors, assign=True)
    return model.eval()
