"""Converts checkpoints of the authors' U-GAT-IT code (github.com/znxlwm/UGATIT-pytorch) to our models.

Such a file is a pickled dict of six state dicts. It is unpickled with `weights_only=True`, which runs no code, and it fits in
every key and shape or is refused. Sizes are not in it; they follow from the shapes.
"""

import math
import os
import re
import warnings
from collections.abc import Mapping
from typing import Any

import torch

from ..errors import ModelFileNotFoundError, ModelLoadError
from .checkpoint_files import first_few
from .ugatit import UGATITDiscriminator, UGATITGenerator

# what the authors call a network, and the subfolder it has in a repo of ours
NETWORKS = {
    "genA2B": "generator_a2b",
    "genB2A": "generator_b2a",
    "disGA": "discriminator_global_a",
    "disGB": "discriminator_global_b",
    "disLA": "discriminator_local_a",
    "disLB": "discriminator_local_b",
}
_BLOCK = re.compile(r"UpBlock1_(\d+)\.")
_CONV = re.compile(r"model\.(\d+)\.")
_SPECTRAL = {
    "parametrizations.weight.original": "weight_orig",
    "parametrizations.weight.0._u": "weight_u",
    "parametrizations.weight.0._v": "weight_v",
}


def load_ugatit_checkpoint(path: str | os.PathLike) -> dict[str, Any]:
    """The six networks of an official checkpoint, by the subfolders of `NETWORKS`, in float32 and evaluation mode.

    The generator is full or light, of any number of channels and residual blocks; the full one's image size follows from its
    first fully connected layer. Checkpoints from before 27 August 2019 fit as well, but that code took variances of
    variances in AdaLIN (its issue 30): what they were trained to do is not what any later code, or this, makes of them.

    Args:
        path: a file such as `selfie2anime_params_latest.pt`.

    Raises:
        ModelFileNotFoundError: no such file.
        ModelLoadError: no checkpoint of plain tensors; networks or keys missing or unexpected, tensors of another shape or type,
            values that are not finite. The message is one line and names what was found.

    >>> load_ugatit_checkpoint("absent.pt")
    Traceback (most recent call last):
    styleadapt.errors.ModelFileNotFoundError: there is no file absent.pt
    """
    checkpoint = _read(path)
    if not isinstance(checkpoint, Mapping):
        raise ModelLoadError(f"{path} holds a {type(checkpoint).__name__}, expected a dict with the keys {', '.join(NETWORKS)}")
    _compare(f"{path} is no U-GAT-IT checkpoint", "networks", NETWORKS, checkpoint)
    models = {}
    for key, name in NETWORKS.items():
        state = checkpoint[key]
        if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
            raise ModelLoadError(f"{path}: `{key}` is no state dict of tensors")
        build = _generator if key.startswith("gen") else _discriminator
        models[name] = build(f"{path}: `{key}`", state)
    return models


def _read(path: str | os.PathLike) -> Any:
    if not os.path.isfile(path):
        raise ModelFileNotFoundError(f"there is no file {path}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    # the unpickler raises nearly every type of exception, and its message advises to switch the protection off
    except Exception as error:
        raise ModelLoadError(
            f"{path} is not a PyTorch checkpoint of plain tensors ({type(error).__name__}): it is damaged, of another format, or "
            "holds other objects, which are never unpickled, because they can run code"
        ) from error


def _generator(where: str, state: Mapping[str, torch.Tensor]) -> UGATITGenerator:
    channels = _shape(where, state, "DownBlock.1.weight", 4)[0]
    blocks = len({match[1] for match in map(_BLOCK.match, map(str, state)) if match})
    width, values = _shape(where, state, "FC.0.weight", 2)
    light = values == width
    image_size = 4 * math.isqrt(values // width)
    if not light and (image_size // 4) ** 2 * width != values:
        raise ModelLoadError(f"{where}: `FC.0.weight` {(width, values)} fits no square image; expected ({width}, {width} * n^2)")
    sizes = {} if light else {"image_size": image_size}
    with torch.device("meta"):
        try:
            model = UGATITGenerator(channels=channels, blocks=blocks, light=light, **sizes)
        except ValueError as error:
            raise ModelLoadError(f"{where}: no generator has such shapes: {error}") from error
    return _filled(where, model, state, _generator_keys(blocks))


def _discriminator(where: str, state: Mapping[str, torch.Tensor]) -> UGATITDiscriminator:
    channels = _shape(where, state, "model.1.weight_orig", 4)[0]
    convs = len({match[1] for match in map(_CONV.match, map(str, state)) if match})
    with torch.device("meta"):
        try:
            model = UGATITDiscriminator(channels=channels, n_layers=convs + 1)
        except ValueError as error:
            raise ModelLoadError(f"{where}: no discriminator has such shapes: {error}") from error
    return _filled(where, model, state, _discriminator_keys(convs))


def _generator_keys(blocks: int) -> dict[str, str]:
    """The authors' key of each of ours."""
    keys = {"enter.weight": "DownBlock.1.weight", "down.0.weight": "DownBlock.5.weight", "down.1.weight": "DownBlock.9.weight"}
    for i in range(blocks):
        encoder, decoder = f"DownBlock.{12 + i}.conv_block", f"UpBlock1_{i + 1}"
        keys |= {f"encoder.{i}.conv1.weight": f"{encoder}.1.weight", f"encoder.{i}.conv2.weight": f"{encoder}.5.weight"}
        for n in (1, 2):
            keys |= {f"decoder.{i}.conv{n}.weight": f"{decoder}.conv{n}.weight"}
            keys |= {f"decoder.{i}.norm{n}.rho": f"{decoder}.norm{n}.rho"}
    keys |= {"cam.average.weight": "gap_fc.weight", "cam.maximum.weight": "gmp_fc.weight"}
    keys |= {f"cam.fuse.{name}": f"conv1x1.{name}" for name in ("weight", "bias")}
    keys |= {"style.0.weight": "FC.0.weight", "style.2.weight": "FC.2.weight"}
    keys |= {"gamma.weight": "gamma.weight", "beta.weight": "beta.weight"}
    for i in range(2):
        keys |= {f"up.{i}.conv.weight": f"UpBlock2.{5 * i + 2}.weight", f"up.{i}.norm.rho": f"UpBlock2.{5 * i + 3}.rho"}
        keys |= {f"up.{i}.{name}": f"UpBlock2.{5 * i + 3}.{name}" for name in ("gamma", "beta")}
    return keys | {"exit.weight": "UpBlock2.11.weight"}


def _discriminator_keys(convs: int) -> dict[str, str]:
    """The authors' key of each of ours."""
    modules = {"cam.average": "gap_fc", "cam.maximum": "gmp_fc", "patch": "conv"}
    modules |= {f"convs.{i}": f"model.{3 * i + 1}" for i in range(convs)}
    keys = {f"{our}.{name}": f"{their}.{_SPECTRAL[name]}" for our, their in modules.items() for name in _SPECTRAL}
    keys |= {f"convs.{i}.bias": f"model.{3 * i + 1}.bias" for i in range(convs)}
    return keys | {f"cam.fuse.{name}": f"conv1x1.{name}" for name in ("weight", "bias")}


def _filled(where: str, model: Any, state: Mapping[str, torch.Tensor], keys: dict[str, str]) -> Any:
    """The model, which takes space from here on, with the tensors that the checkpoint has under the names `keys[ours]`."""
    _compare(f"{where} fits no {type(model).__name__}", "keys", keys.values(), state)
    tensors, misfits = {}, []
    for our, expected in model.state_dict().items():
        tensor = state[keys[our]]
        # what is one value a channel is (1, C, 1, 1) there and (C,) here
        per_channel = our.endswith((".rho", ".gamma", ".beta"))
        shape = (1, *expected.shape, 1, 1) if per_channel else tuple(expected.shape)
        if tuple(tensor.shape) != shape:
            misfits.append(f"{keys[our]} expected {shape}, found {tuple(tensor.shape)}")
        elif not tensor.is_floating_point() or tensor.is_sparse:
            misfits.append(f"{keys[our]} expected floats, found {tensor.dtype}")
        elif not tensor.isfinite().all():
            misfits.append(f"{keys[our]} holds NaN or infinity")
        else:
            tensors[our] = tensor.detach().to(torch.float32).reshape(expected.shape).contiguous()
    if misfits:
        raise ModelLoadError(f"{where} fits no {type(model).__name__} of {dict(model.config)}: {first_few(misfits)}")
    model.load_state_dict(tensors, assign=True)
    return model.eval()


def _shape(where: str, state: Mapping[str, torch.Tensor], key: str, dimensions: int) -> tuple[int, ...]:
    """Shape of a tensor that tells how large the network is."""
    if key not in state:
        raise ModelLoadError(f"{where} has no key `{key}`; it holds {first_few([str(name) for name in state]) or 'nothing'}")
    shape = tuple(state[key].shape)
    if len(shape) != dimensions or 0 in shape:
        raise ModelLoadError(f"{where}: `{key}` has the shape {shape}, expected {dimensions} dimensions, none of them 0")
    return shape


def _compare(what: str, names: str, expected: Any, found: Any) -> None:
    missing = [key for key in expected if key not in found]
    unexpected = [str(key) for key in found if key not in set(expected)]
    groups = {"missing": missing, "unexpected": unexpected}
    problems = [f"{len(keys)} {names} {kind}: {first_few(keys)}" for kind, keys in groups.items() if keys]
    if problems:
        raise ModelLoadError(f"{what}: {'; '.join(problems)}")
