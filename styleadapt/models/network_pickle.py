"""Reads the network pickles of NVlabs' StyleGAN2-ADA without running what is in them.

Such a file embeds source code, which `pickle.load` would run. Here it is read in three steps, by a process of its own with limits
on memory and time: its opcodes are scanned, and a name that is not in a short list ends it; it is unpickled with that list as the
only names that exist, where all but tensors become inert; and the tensors are handed over as a safetensors file.

    python -m styleadapt.models.network_pickle NETWORK.pkl OUT.safetensors
"""

import io
import json
import os
import pickle
import pickletools
import subprocess
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ..errors import ModelFileNotFoundError, ModelLoadError

MAX_BYTES = 4 * 2**30
MAX_SECONDS = 300
NETWORKS = ("G_ema", "D")
_REFUSED = 3  # exit status: standard error says why
_DEPTH = 12


@dataclass(frozen=True)
class PickledNetwork:
    """
    Args:
        state: tensors by name, as `state_dict` gives them.
        settings: of every module by name, "" for the network itself: its numbers and texts, and `class_name`.
    """

    state: dict[str, torch.Tensor]
    settings: dict[str, dict[str, Any]]


def read_network_pickle(path: str | os.PathLike) -> dict[str, PickledNetwork]:
    """The networks `G_ema` and `D` of a StyleGAN2-ADA pickle, those that it has.

    Raises:
        ModelFileNotFoundError: no such file.
        ModelLoadError: anything else than such a pickle, names that it has no business with, or one that takes too much.
    """
    if not os.path.isfile(path):
        raise ModelFileNotFoundError(f"there is no file {path}")
    size = os.path.getsize(path)
    if size > MAX_BYTES:
        raise ModelLoadError(f"{path} has {size / 2**30:.1f} GiB; network pickles of up to {MAX_BYTES / 2**30:.0f} GiB are read")
    root = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH")
    environment = {**os.environ, "PYTHONPATH": root + os.pathsep + known if known else root}
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "networks.safetensors")
        command = [sys.executable, "-P", "-m", __name__, os.path.abspath(path), out]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=MAX_SECONDS)
        except subprocess.TimeoutExpired:
            raise ModelLoadError(f"{path} is refused: reading it took more than {MAX_SECONDS} seconds") from None
        if done.returncode == _REFUSED:
            raise ModelLoadError(f"{path} is refused: {done.stderr.strip().splitlines()[-1]}")
        if done.returncode:
            raise ModelLoadError(f"{path} is refused: it is damaged, or takes too much memory or time (status {done.returncode})")
        return _handed_over(out)


def _handed_over(file: str) -> dict[str, PickledNetwork]:
    with safe_open(file, framework="pt") as tensors:
        settings = json.loads(tensors.metadata()["settings"])
        networks = {name: PickledNetwork({}, settings[name]) for name in settings}
        for key in tensors.keys():  # noqa: SIM118  it is no dict
            name, _, rest = key.partition(".")
            networks[name].state[rest] = tensors.get_tensor(key)
    return networks


class _Ignored:
    """Stands for what is of no use here, such as a number of numpy's: takes everything and does nothing."""

    def __new__(cls, *args: Any, **options: Any) -> "_Ignored":
        return super().__new__(cls)

    def __init__(self, *args: Any, **options: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class _EasyDict(dict):
    """The authors' dict with attributes, without the attributes."""


class _Module:
    """A module that was pickled with its source code: its name and its attributes, without the code."""

    def __init__(self, meta: Any):
        if not isinstance(meta, dict) or not isinstance(meta.get("state"), dict):
            raise pickle.UnpicklingError("a network in it has no state")
        self.class_name, self.attributes = str(meta.get("class_name"))[:80], meta["state"]


def _storage(data: Any) -> Any:
    storage = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    if not isinstance(storage, torch.TypedStorage):
        raise pickle.UnpicklingError("the data of a tensor is no storage")
    return storage


def _tensor(storage: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *rest: Any) -> torch.Tensor:
    if not isinstance(storage, torch.TypedStorage):
        raise pickle.UnpicklingError("the data of a tensor is no storage")
    flat = torch.empty(0, dtype=storage.dtype).set_(storage._untyped_storage)
    view = flat.as_strided(size, stride, offset)  # which stays within the storage or raises
    if view.numel() > flat.numel():
        raise pickle.UnpicklingError("a tensor is larger than its data")
    return view


def _parameter(tensor: Any, *rest: Any) -> Any:
    return tensor


# all the names that exist for such a pickle, and what they stand for
_NAMES: dict[tuple[str, str], Callable] = {
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _Module,
    ("dnnlib.util", "EasyDict"): _EasyDict,
    ("collections", "OrderedDict"): OrderedDict,
    ("builtins", "set"): set,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch.storage", "_load_from_bytes"): _storage,
    ("numpy.core.multiarray", "scalar"): _Ignored,
    ("numpy._core.multiarray", "scalar"): _Ignored,
    ("numpy.core.multiarray", "_reconstruct"): _Ignored,
    ("numpy._core.multiarray", "_reconstruct"): _Ignored,
    ("numpy", "dtype"): _Ignored,
    ("numpy", "ndarray"): _Ignored,
    ("_codecs", "encode"): _Ignored,
}
_TEXTS = frozenset(("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"))
_PUTS = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))
_GETS = frozenset(("GET", "BINGET", "LONG_BINGET"))
_NEVER = frozenset(("PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "INST", "OBJ"))


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise pickle.UnpicklingError(_unknown(module, name))
        return _NAMES[module, name]


def _unknown(module: str, name: str) -> str:
    return f"it asks for {f'{module}.{name}'[:80]!r}, which no network of StyleGAN2-ADA needs; it could run code"


def scan(file: BinaryIO) -> None:
    """Looks at the opcodes of the pickle, without doing what they say.

    Raises:
        pickle.UnpicklingError: a name outside the list, a name that is put together in a way that cannot be followed, or opcodes
            that such a file does not have.
    """
    memo: dict[int, Any] = {}
    last: list[Any] = [None, None]  # what the latest two opcodes that push something pushed, if it is a text
    for opcode, given, _ in pickletools.genops(file):
        name, argument = opcode.name, cast(Any, given)
        if name in _NEVER:
            raise pickle.UnpicklingError(f"it has the opcode {name}, which no network of StyleGAN2-ADA has")
        if name in ("GLOBAL", "STACK_GLOBAL"):
            pair = tuple(str(argument).split(" ", 1)) if name == "GLOBAL" else tuple(last)
            if not all(isinstance(part, str) for part in pair):
                raise pickle.UnpicklingError("it puts a name together from something other than texts")
            if pair not in _NAMES:
                raise pickle.UnpicklingError(_unknown(*pair))
        if name == "MEMOIZE":
            memo[len(memo)] = last[1]
        elif name in _PUTS:
            memo[int(argument)] = last[1]
        elif name in _TEXTS:
            last = [last[1], argument]
        elif name in _GETS:
            last = [last[1], memo.get(int(argument))]
        elif name != "FRAME":
            last = [last[1], None]


def unpickled(file: BinaryIO) -> dict[str, PickledNetwork]:
    """The networks of a pickle, read in this process and without limits.

    Raises:
        pickle.UnpicklingError: see `scan`, or something else is in it; the unpickler raises nearly every other exception as well.
    """
    scan(file)
    file.seek(0)
    content = _Unpickler(file).load()
    if not isinstance(content, dict) or not isinstance(content.get("G_ema"), _Module):
        raise pickle.UnpicklingError("it is no network of StyleGAN2-ADA: it has no `G_ema`")
    networks = {}
    for name in NETWORKS:
        if isinstance(content.get(name), _Module):
            networks[name] = PickledNetwork({}, {})
            _collect(content[name], "", networks[name], 0)
    return networks


def _collect(module: _Module, prefix: str, network: PickledNetwork, depth: int) -> None:
    if depth > _DEPTH or prefix[:-1] in network.settings:
        raise pickle.UnpicklingError("its modules are nested too deep")
    plain = {str(k): v for k, v in module.attributes.items() if isinstance(v, (bool, int, float, str, type(None)))}
    network.settings[prefix[:-1]] = {**plain, "class_name": module.class_name}
    for group in ("_parameters", "_buffers"):
        for name, tensor in _group(module, group):
            if isinstance(tensor, torch.Tensor):
                # one of its own, as a file of tensors needs it
                network.state[f"{prefix}{name}"] = tensor.detach().clone(memory_format=torch.contiguous_format)
    for name, child in _group(module, "_modules"):
        if isinstance(child, _Module):
            _collect(child, f"{prefix}{name}.", network, depth + 1)


def _group(module: _Module, name: str) -> list[tuple[str, Any]]:
    group = module.attributes.get(name, {})
    if not isinstance(group, dict):
        raise pickle.UnpicklingError(f"`{name}` of a module is no dict")
    return [(str(key), value) for key, value in group.items()]


def _limit(size: int) -> None:
    """No more memory and time than a file of so many bytes takes; where a system knows no limits there are none."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        held = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
        for kind, limit in ((resource.RLIMIT_AS, held + 8 * size + 2**29), (resource.RLIMIT_CPU, MAX_SECONDS)):
            _, most = resource.getrlimit(kind)
            resource.setrlimit(kind, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))


def main(path: str, out: str) -> int:
    """The process with limits: from a pickle to a safetensors file."""
    _limit(os.path.getsize(path))
    try:
        with open(path, "rb") as file:
            networks = unpickled(file)
        tensors = {f"{name}.{key}": value for name, n in networks.items() for key, value in n.state.items()}
        save_file(tensors, out, metadata={"settings": json.dumps({name: n.settings for name, n in networks.items()})})
    except Exception as error:
        reason = str(error) if isinstance(error, pickle.UnpicklingError) else f"it is damaged ({type(error).__name__})"
        print(reason.replace("\n", " "), file=sys.stderr)
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
