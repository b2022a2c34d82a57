"""Base class of our networks: strict loading from, and atomic saving to, the Hugging Face folder layout.

A model's folder holds `config.json` and `diffusion_pytorch_model.safetensors`. `ModelMixin.from_pretrained` warns and goes
on where a folder does not fit, and falls back to pickle; here whatever does not fit is an error, and nothing is unpickled.
"""

import inspect
import os
import tempfile
from pathlib import Path
from typing import Any, Self

import torch
from diffusers.configuration_utils import ConfigMixin, FrozenDict
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils import SAFETENSORS_WEIGHTS_NAME
from diffusers.utils.hub_utils import extract_commit_hash
from safetensors.torch import save_file
from torch import nn

from ..errors import ModelLoadError
from .checkpoint_files import PICKLE_REFUSAL, fetch, first_few, read_header
from .config_files import nearest, read_config
from .pickling import LOW_RANK, PicklesByState

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
            close = nearest(unknown[0], inspect.signature(cls.from_pretrained).parameters)
            raise TypeError(f"`from_pretrained` has no argument `{unknown[0]}`{close}")
        if use_safetensors is False:
            raise ModelLoadError(f"`use_safetensors=False` is refused: {PICKLE_REFUSAL}")
        dtype = _floating(dtype or torch_dtype or torch.float32)
        device = _one_device(device_map)
        name, part, weights_name = pretrained_model_name_or_path, subfolder or "", _weights_name(variant)
        hub = {"token": token, "cache_dir": cache_dir, "force_download": force_download}
        hub["local_files_only"] = bool(local_files_only)
        config_file = fetch(name, cls.config_name, part, revision, **hub)
        config = read_config(config_file, cls)
        if not os.path.isdir(name):
            revision = extract_commit_hash(config_file) or revision
        weights_file = fetch(name, weights_name, part, revision, **hub)
        header = read_header(weights_file)
        default_dtype = torch.get_default_dtype()
        try:
            # built in earnest, because a constructor may need values that tensors on the device "meta" do not have
            _check_fit(weights_file, header, cls(**config).state_dict())
            model = super().from_pretrained(
                os.path.dirname(config_file),
                # constants are calculated, and weights read, in float32 at least, and rounded then
                torch_dtype=torch.promote_types(dtype, torch.float32),
                variant=variant,
                use_safetensors=True,
                low_cpu_mem_usage=False,
            )
        except ModelLoadError:
            raise
        except Exception as error:
            raise ModelLoadError(f"{config_file}: no {cls.__name__} can be built with these values: {error}") from error
        finally:
            torch.set_default_dtype(default_dtype)
        # as after construction: JSON has no tuples, and diffusers notes the path
        model._internal_dict = FrozenDict(config)
        # what diffusers reads is the file itself, which may change; and not `model.to`, which warns of modules kept in float32
        nn.Module.to(model._apply(torch.clone), dtype)
        key = _first_non_finite(model.state_dict())
        if key is not None:
            raise ModelLoadError(f"{weights_file}: `{key}` holds NaN or infinity as {dtype}; expected finite numbers")
        return nn.Module.to(model, device)

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
            raise TypeError(f"`save_pretrained` takes {first_few(hub_keywords)} only with `push_to_hub=True`")
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


def _weights_name(variant: str | None) -> str:
    stem, suffix = os.path.splitext(SAFETENSORS_WEIGHTS_NAME)
    return f"{stem}.{variant}{suffix}" if variant else SAFETENSORS_WEIGHTS_NAME


def _check_fit(file: str, found: dict[str, tuple[tuple[int, ...], str]], expected: dict[str, torch.Tensor]) -> None:
    """Refuses what `ModelMixin.from_pretrained` goes on with, by the file's header."""
    misfits = []
    for key in expected.keys() & found.keys():
        want, (shape, kind) = expected[key], found[key]
        if want.shape != shape:
            misfits.append(f"{key} expected {tuple(want.shape)}, found {shape}")
        elif want.is_floating_point() != kind.startswith(("F", "BF")):
            misfits.append(f"{key} expected {want.dtype}, found {kind}")
    groups = {
        "missing": [f"{key} {tuple(expected[key].shape)}" for key in expected if key not in found],
        "unexpected": [f"{key} {found[key][0]}" for key in found if key not in expected],
        "of another shape or type": sorted(misfits),
    }
    problems = [f"{len(keys)} keys {what}: {first_few(keys)}" for what, keys in groups.items() if keys]
    if problems:
        raise ModelLoadError(f"{file} does not fit this model: {'; '.join(problems)}")


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
