"""Base class of our pipelines: its loading refuses what does not fit, where diffusers warns and goes on."""

import os
from pathlib import Path
from typing import Any, ClassVar

import torch
from diffusers.pipelines.pipeline_utils import DiffusionPipeline
from diffusers.utils import logging

from ..devices.cpu import keep_freed_memory
from ..errors import ModelLoadError
from ..models.checkpoint_files import PICKLE_REFUSAL

_HUB_KEYWORDS = frozenset(("cache_dir", "force_download", "proxies", "token", "local_files_only", "revision"))


class StrictPipeline(DiffusionPipeline):
    """A pipeline of components of fixed classes. A subclass names them in `component_classes`, and those that a repo may lack in
    `_optional_components`; where one of several classes will do, it names them all."""

    component_classes: ClassVar[dict[str, type | tuple[type, ...]]] = {}

    @classmethod
    @torch.inference_mode(False)  # parameters made in inference mode could never be changed
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike, **kwargs: Any):
        """Loads a folder or a repository of the Hub.

        Args:
            pretrained_model_name_or_path: folder or `user/repo`.
            kwargs: as in diffusers: `revision`, `variant`, `dtype` (or `torch_dtype`), `token`, `cache_dir`,
                `local_files_only`; `use_safetensors`, of which False is refused; and components to put in the place of the saved
                ones, None for none.

        Raises:
            ModelLoadError: nothing there, no network, a repo of another pipeline, another class, missing or misshapen keys,
                values that are not finite.
        """
        keep_freed_memory()
        if kwargs.pop("use_safetensors", None) is False:
            raise ModelLoadError(f"`use_safetensors=False` is refused: {PICKLE_REFUSAL}")
        if "torch_dtype" in kwargs:
            kwargs["dtype"] = kwargs.pop("torch_dtype")
        path = str(pretrained_model_name_or_path)
        is_local = Path(path).exists()
        if is_local and not (Path(path) / "model_index.json").is_file():
            raise ModelLoadError(f"{path} is no pipeline folder: it has no model_index.json")
        bar_was_on = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            index: Any = cls.load_config(path, **{key: kwargs[key] for key in _HUB_KEYWORDS & kwargs.keys()})
            cls._check_index(path, {**index, **dict.fromkeys(kwargs)})
            pipe = super().from_pretrained(path, use_safetensors=True, **kwargs)
        except ModelLoadError:
            raise
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            if is_local:
                raise ModelLoadError(f"cannot load {path}: {reason}") from error
            raise ModelLoadError(
                f"cannot load {path!r}: there is no such folder, and the Hub has no such repository or cannot be reached; off "
                f"line, pass a folder ({reason})"
            ) from error
        finally:
            if bar_was_on:
                logging.enable_progress_bar()
        # a name for people and for what is saved, where a local path would leak
        pipe.register_to_config(_name_or_path=Path(path).name if is_local else path)
        pipe._take_from_index(path, index)
        return pipe

    @torch.inference_mode(False)
    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Moves or converts the models, as in diffusers; in inference mode too they stay such that adapters can change them."""
        return super().to(*args, **kwargs)

    def _take_from_index(self, path: str, index: dict[str, Any]) -> None:
        """For what a subclass keeps in model_index.json beside its components."""

    @classmethod
    def _check_index(cls, path: str, index: dict[str, Any]) -> None:
        """Refuses an index of other components, which diffusers would load; None stands for what is not to be loaded."""
        found = index.get("_class_name")
        if found != cls.__name__:
            raise ModelLoadError(f"{path}: model_index.json describes {found}, but this class loads {cls.__name__}")
        for name, allowed in cls.component_classes.items():
            kinds = allowed if isinstance(allowed, tuple) else (allowed,)
            entry = index.get(name, "nothing")
            absent = entry is None or (entry in ([None, None], "nothing") and name in cls._optional_components)
            if not absent and entry not in [[kind.__module__, kind.__name__] for kind in kinds]:
                expected = " or ".join(kind.__name__ for kind in kinds)
                raise ModelLoadError(f"{path}: model_index.json has {entry} for `{name}`, expected a {expected}")
