"""Base class of our networks: strict loading from, and atomic saving to, the Hugging Face folder layout.

A model's folder holds `config.json` and `diffusion_pytorch_model.safetensors`. `ModelMixin.from_pretrained` warns and goes
on where a folder does not fit, and falls back to pickle; here whatever does not fit is an error, and nothing is unpickled.
"""

import difflib
import inspect
import json
import math
import os
import tempfile
import types
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, Union, get_args, get_origin

import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils import SAFETENSORS_WEIGHTS_NAME
from diffusers.utils.hub_utils import extract_commit_hash
from huggingface_hub import constants, hf_hub_download, is_offline_mode
from huggingface_hub.errors import (
    EntryNotFoundError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors.torch import load_file, save_file
from torch import nn

from ..errors import ModelFileNotFoundError, ModelLoadError
from .pickling import LOW_RANK, PicklesByState

PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
PICKLE_REFUSAL = "pickled weights (.bin, .pt, .ckpt) are never loaded, because they can run code: convert them to safetensors"
# diffusers' pipelines pass these to every model; for networks this small there is one way to read a file
PIPELINE_KEYWORDS = frozenset(
    ("low_cpu_mem_usage", "disable_mmap", "max_memory", "offload_folder", "offload_state_dict", "use_flashpack")
)


class StyleAdaptModel(PicklesByState, ModelMixin, ConfigMixin):
    """Base class of our networks.

    A subclass decorates its `__init__` with `register_to_config`; that signature, types included, is its config.

    >>> from styleadapt.models.generator import StyleGenerator
    >>> generator = StyleGenerator(channels=(8, 8), blocks=(1, 1), half_channels=4, full_channels=4, code_dim=16)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     generator.save_pretrained(folder)
    ...     StyleGenerator.from_pretrained(folder).config.channels
    (8, 8)
    """

    config: Any  # its keys are attributes too
    config_name = "config.json"  # type: ignore[assignment]  # diffusers states no type

    @classmethod
    @torch.inference_mode(False)  # parameters made in inference mode could never be changed
    def from_pretrained(  # type: ignore[override]  # the named arguments are all there are, so that a typo is an error
        cls,
        pretrained_model_name_or_path: str | os.PathLike,
        *,
        subfolder: str | None = None,
        revision: str | None = None,
        variant: str | None = None,
        torch_dtype: torch.dtype | None = None,
        dtype: torch.dtype | None = None,
        device_map: str | int | torch.device | dict | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool | None = False,
        force_download: bool = False,
        use_safetensors: bool | None = True,
        **pipeline_keywords: Any,
    ) -> Self:
        """Loads a model from a folder or from the Hub: all of it, or an error.

        Args:
            pretrained_model_name_or_path: a folder that `save_pretrained` wrote, or a repository id such as `"owner/name"`.
            subfolder: where in that folder or repository the model lies, such as `"generator"`.
            revision: branch, tag or commit of the repository. Weights are read from the commit the config came from.
            variant: reads `diffusion_pytorch_model.<variant>.safetensors`, such as `"fp16"`.
            torch_dtype: type of the parameters in memory, whatever the file holds; float32 if left out.
            dtype: the newer name of `torch_dtype`; it wins if both are given.
            device_map: one device to move the model to, such as `"cuda"`.
            token: for private repositories; by default the one of `hf auth login`.
            cache_dir: a Hub cache other than the default one.
            local_files_only: never asks the network.
            force_download: downloads again what the cache holds.
            use_safetensors: kept for compatibility; anything but `True` or `None` is refused.
            pipeline_keywords: loading options that diffusers' pipelines pass along; they change nothing here.

        Returns:
            The model, in evaluation mode.

        Raises:
            ModelFileNotFoundError: the folder, the repository, its revision or a file is absent, or cannot be had off line.
            ModelLoadError: the Hub refused; the files are of another class, or damaged; a config key or value is wrong;
                weights are missing, unexpected, of another shape or not finite; only pickled weights are there.
            TypeError: an unknown keyword.
            ValueError: `dtype` is not a floating-point `torch.dtype`, or `device_map` not one device.
        """
        unknown = sorted(set(pipeline_keywords) - PIPELINE_KEYWORDS)
        if unknown:
            close = _nearest(unknown[0], inspect.signature(cls.from_pretrained).parameters)
            raise TypeError(f"`from_pretrained` has no argument `{unknown[0]}`{close}")
        if use_safetensors is False:
            raise ModelLoadError(f"`use_safetensors=False` is refused: {PICKLE_REFUSAL}")
        dtype = _floating(dtype or torch_dtype or torch.float32)
        device = _one_device(device_map)

        source = _Source.of(
            pretrained_model_name_or_path,
            subfolder=subfolder or "",
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=bool(local_files_only),
            force_download=force_download,
        )
        config_file = source.fetch(cls.config_name)
        config = _read_config(config_file, cls)
        if source.on_hub:
            source = replace(source, revision=extract_commit_hash(config_file) or revision)
        weights_file = source.fetch(_weights_name(variant))
        tensors = _read_safetensors(weights_file)
        try:
            model = cls(**config)
        except Exception as error:
            raise ModelLoadError(f"{config_file}: no {cls.__name__} can be built with these values: {error}") from error
        # not `model.to`: ModelMixin's warns of modules kept in float32 even where there are none
        nn.Module.to(model, dtype)
        _check_fit(weights_file, tensors, model)
        model.load_state_dict(tensors)
        key = _first_non_finite(model.state_dict())
        if key is not None:
            raise ModelLoadError(f"{weights_file}: `{key}` holds NaN or infinity as {dtype}; expected finite numbers")
        return nn.Module.to(model, device).eval()

    def save_pretrained(  # type: ignore[override]  # no pickle, no shards
        self,
        save_directory: str | os.PathLike,
        is_main_process: bool = True,
        save_function: Any = None,
        safe_serialization: bool = True,
        variant: str | None = None,
        push_to_hub: bool = False,
        repo_id: str | None = None,
        **hub_keywords: Any,
    ) -> None:
        """Writes config and weights to a folder, made if need be, as `from_pretrained` reads them.

        Everything is written to a hidden folder beside the old files and then moved over them, file by file, so that a full
        disk or a kill leaves the old files or the new ones, never half of one.

        Args:
            save_directory: the folder.
            is_main_process: other processes of a distributed run write nothing.
            save_function: kept for compatibility, without effect, as in `ModelMixin`.
            safe_serialization: kept for compatibility; `False` is refused.
            variant: writes `diffusion_pytorch_model.<variant>.safetensors`, such as `"fp16"`; parameters keep their type.
            push_to_hub: uploads the model as well, as `push_to_hub(repo_id)` does.
            repo_id: repository to push to; the folder's name if left out.
            hub_keywords: `commit_message`, `private`, `token`, `create_pr` for `push_to_hub`.

        Raises:
            ValueError: pickle was asked for, a parameter is not finite, or an adapter or a low-rank change is still in the model.
            TypeError: an unknown keyword.
            OSError: the folder cannot be written to.
        """
        if not safe_serialization:
            raise ValueError("`safe_serialization=False` is refused: models are saved as safetensors, never pickled")
        if hub_keywords and not push_to_hub:
            raise TypeError(f"`save_pretrained` takes {_first_few(hub_keywords)} only with `push_to_hub=True`")
        if not is_main_process:
            return
        folder = Path(save_directory)
        state = self.state_dict()
        adapter = next((key for key in state if ".base_layer." in key), None)
        if adapter is not None:
            raise ValueError(f"{folder}: fuse or unload the adapter before saving the model, it wraps `{adapter}`")
        change = next((key for key in state if LOW_RANK.search(key)), None)
        if change is not None:
            raise ValueError(
                f"{folder}: the model holds a low-rank change, `{change}`; save `training.parameters.merged(model)`, "
                "which adds it to the weights"
            )
        key = _first_non_finite(state)
        if key is not None:
            raise ValueError(f"{folder}: the model is not saved, `{key}` holds NaN or infinity")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".saving-", dir=folder) as staging:
            self.save_config(staging)
            weights = {key: value.contiguous() for key, value in state.items()}
            save_file(weights, os.path.join(staging, _weights_name(variant)), metadata={"format": "pt"})
            for name in os.listdir(staging):
                os.replace(os.path.join(staging, name), folder / name)
        if push_to_hub:
            self.push_to_hub(repo_id or folder.resolve().name, variant=variant, **hub_keywords)


@dataclass(frozen=True)
class _Source:
    """A local folder or a Hub repository, and how its files are reached."""

    name: str
    on_hub: bool
    subfolder: str
    revision: str | None
    token: str | bool | None
    cache_dir: str | Path | None
    local_files_only: bool
    force_download: bool

    @classmethod
    def of(cls, name: str | os.PathLike, **options: Any) -> "_Source":
        text = os.fspath(name)
        if os.path.isfile(text):
            reason = PICKLE_REFUSAL if text.endswith(PICKLE_SUFFIXES) else "give the folder that holds it and its config.json"
            raise ModelLoadError(f"{text} is a file, not a model's folder; {reason}")
        on_hub = not os.path.isdir(text)
        if on_hub and not isinstance(name, str):
            raise ModelFileNotFoundError(f"there is no folder {text}")
        return cls(text, on_hub, **options)

    def fetch(self, filename: str) -> str:
        """Local path of one of the source's files, downloaded if need be."""
        if not self.on_hub:
            path = os.path.join(self.name, self.subfolder, filename)
            if not os.path.isfile(path):
                raise ModelFileNotFoundError(self._absent_locally(filename))
            return path
        file = f"`{self.subfolder}/{filename}`" if self.subfolder else f"`{filename}`"
        where = f"Hub repository '{self.name}', revision {self.revision or 'main'}"
        try:
            return hf_hub_download(
                self.name,
                filename,
                subfolder=self.subfolder or None,
                revision=self.revision,
                token=self.token,
                cache_dir=self.cache_dir,
                local_files_only=self.local_files_only,
                force_download=self.force_download,
            )
        except HFValidationError as error:
            raise ModelFileNotFoundError(
                f"'{self.name}' is neither an existing folder nor a Hub repository id such as 'owner/name'"
            ) from error
        except RepositoryNotFoundError as error:
            raise ModelFileNotFoundError(
                f"'{self.name}' is neither an existing folder nor a repository on {constants.ENDPOINT} that you may read;"
                " for a private or gated one pass `token` or log in with `hf auth login`, and accept its terms"
            ) from error
        except RevisionNotFoundError as error:
            raise ModelFileNotFoundError(f"{where}: there is no such branch, tag or commit") from error
        except LocalEntryNotFoundError as error:
            raise ModelFileNotFoundError(self._out_of_reach(file, where, error)) from error
        except EntryNotFoundError as error:
            note = f"; {PICKLE_REFUSAL}" if filename.endswith(".safetensors") else ""
            raise ModelFileNotFoundError(f"{where}: there is no {file}{note}") from error
        except Exception as error:
            raise ModelLoadError(f"{where}: {file} could not be downloaded: {error}") from error

    def _absent_locally(self, filename: str) -> str:
        folder = os.path.join(self.name, self.subfolder)
        if not os.path.isdir(folder):
            return f"{self.name} has no subfolder '{self.subfolder}'"
        found = sorted(os.listdir(folder))
        pickled = f"; {PICKLE_REFUSAL}" if any(name.endswith(PICKLE_SUFFIXES) for name in found) else ""
        return f"{folder} has no file `{filename}`; it holds {_first_few(found, 8) or 'nothing'}{pickled}"

    def _out_of_reach(self, file: str, where: str, error: LocalEntryNotFoundError) -> str:
        if self.local_files_only:
            reason = "`local_files_only=True` keeps off the network"
        elif is_offline_mode():
            reason = "HF_HUB_OFFLINE keeps off the network"
        else:
            reason = f"the Hub did not answer ({error.__cause__ or error})"
        cache = os.fspath(self.cache_dir or constants.HF_HUB_CACHE)
        return (
            f"{where}: {file} is not in the cache {cache}, there is no folder of that name, and {reason}. Go on line once, or"
            f" run `hf download {self.name} --local-dir FOLDER` on a machine that is, and pass FOLDER"
        )


def _read_config(file: str, cls: type[StyleAdaptModel]) -> dict[str, Any]:
    """The constructor's arguments, of the types its signature states."""
    try:
        config = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelLoadError(f"{file} is not readable JSON: {error}") from error
    if not isinstance(config, dict):
        raise ModelLoadError(f"{file}: expected a JSON object, found {_shortened(config)}")
    found = config.get("_class_name")
    if found != cls.__name__:
        raise ModelLoadError(f"{file}: expected a {cls.__name__} in `_class_name`, found {_shortened(found)}")
    parameters = dict(inspect.signature(cls.__init__, eval_str=True).parameters)
    del parameters["self"]
    arguments = {}
    for key, value in config.items():
        # keys with an underscore, and `auto_map`, are diffusers' own notes
        if key.startswith("_") or key == "auto_map":
            continue
        if key not in parameters:
            allowed = ", ".join(sorted(parameters)) or "nothing"
            raise ModelLoadError(f"{file}: unknown key `{key}`{_nearest(key, parameters)}; {cls.__name__} takes {allowed}")
        hint = parameters[key].annotation
        try:
            arguments[key] = _typed(value, hint)
        except TypeError as error:
            expected = inspect.formatannotation(hint)
            raise ModelLoadError(f"{file}: `{key}` is {_shortened(value)}, expected {expected}") from error
    return arguments


def _typed(value: Any, hint: Any) -> Any:
    """A JSON value as the annotated type, lists as tuples where tuples are due; a TypeError where it is of another type."""
    origin, args = get_origin(hint) or hint, get_args(hint)
    if hint in (Any, inspect.Parameter.empty):
        return value
    if origin in (Union, types.UnionType):
        for choice in args:
            try:
                return _typed(value, choice)
            except TypeError:
                continue
        raise TypeError(hint)
    if origin in (tuple, list):
        if not isinstance(value, list):
            raise TypeError(hint)
        if origin is list or args[1:] == (...,) or not args:
            args = (args[0] if args else Any,) * len(value)
        if len(args) != len(value):
            raise TypeError(hint)
        return origin(map(_typed, value, args))
    if origin is Literal:
        fits = any(type(value) is type(choice) and value == choice for choice in args)
    elif origin is float:
        fits = type(value) in (int, float) and math.isfinite(value)
    else:
        fits = type(value) is (type(None) if origin is None else origin)
    if not fits:
        raise TypeError(hint)
    return value


def _weights_name(variant: str | None) -> str:
    stem, suffix = os.path.splitext(SAFETENSORS_WEIGHTS_NAME)
    return f"{stem}.{variant}{suffix}" if variant else SAFETENSORS_WEIGHTS_NAME


def _read_safetensors(file: str) -> dict[str, torch.Tensor]:
    try:
        return load_file(file)
    except Exception as error:
        raise ModelLoadError(
            f"{file} is not a whole safetensors file ({error}); it may be truncated, a Git LFS pointer or of another format"
        ) from error


def _check_fit(file: str, tensors: dict[str, torch.Tensor], model: nn.Module) -> None:
    expected = model.state_dict()
    missing = [f"{key} {tuple(expected[key].shape)}" for key in expected if key not in tensors]
    unexpected = [f"{key} {tuple(tensors[key].shape)}" for key in tensors if key not in expected]
    misfits = []
    for key in expected.keys() & tensors.keys():
        want, have = expected[key], tensors[key]
        if want.shape != have.shape:
            misfits.append(f"{key} expected {tuple(want.shape)}, found {tuple(have.shape)}")
        elif want.dtype != have.dtype and not (want.is_floating_point() and have.is_floating_point()):
            misfits.append(f"{key} expected {want.dtype}, found {have.dtype}")
    groups = {"missing": missing, "unexpected": unexpected, "of another shape or type": sorted(misfits)}
    problems = [f"{len(keys)} keys {what}: {_first_few(keys)}" for what, keys in groups.items() if keys]
    if problems:
        raise ModelLoadError(f"{file} does not fit this {type(model).__name__}: {'; '.join(problems)}")


def _first_non_finite(state: dict[str, torch.Tensor]) -> str | None:
    return next((key for key, value in state.items() if value.is_floating_point() and not value.isfinite().all()), None)


def _floating(dtype: Any) -> torch.dtype:
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise ValueError(f"`dtype` is {dtype!r}, expected a floating-point type such as torch.float16")
    return dtype


def _one_device(device_map: Any) -> torch.device:
    if isinstance(device_map, dict) and set(device_map) == {""}:
        device_map = device_map[""]
    try:
        return torch.device("cpu" if device_map is None else device_map)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"`device_map` is {device_map!r}, expected one device such as 'cuda' or 'cpu'") from error


def _nearest(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean `{close[0]}`?)" if close else ""


def _first_few(names: Collection[str], count: int = 3) -> str:
    names = list(names)
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more


def _shortened(value: Any, length: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= length else text[:length] + "..."
