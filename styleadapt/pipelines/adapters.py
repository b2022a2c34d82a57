"""What pipelines do with adapters: loading, blending and fusing them into a network's weights."""

import contextlib
import hashlib
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from ..adapters.adapter import Adapter, StyleAdapter
from ..adapters.deltas import check_deltas, weight_deltas
from ..errors import AdapterError
from ..models.generator import StyleGenerator
from ..runtime.backends import ExportedNetwork


class AdapterMixin:
    """For a pipeline with a network whose weights hold the base or, while adapters are active, the sum of both. A subclass names
    that network's component, and the class of its adapters."""

    adapted_component: ClassVar[str] = "generator"
    adapter_class: ClassVar[type[Adapter]]
    config: Any

    def __init__(self) -> None:
        super().__init__()
        self._fingerprint: str | None = None
        self._adapters: dict[str, Any] = {}
        self._active: dict[str, float] = {}
        self._base_weights: dict[str, torch.Tensor] = {}

    @property
    def _adapted(self) -> Any:
        return getattr(self, self.adapted_component)

    @property
    def fingerprint(self) -> str:
        """Identifies the base network's weights, whatever adapter is active and at whatever precision they are held; adapters
        are bound to it."""
        if self._fingerprint is None:
            self._require_torch("`fingerprint`")
            if self._adapted is None:
                raise ValueError(f"these weights have no {self.adapted_component}, which adapters are of; load others")
            state = {**self._adapted.state_dict(), **self._base_weights}
            digest = hashlib.sha256()
            for key in sorted(state):
                digest.update(key.encode())
                rounded = state[key].detach().to("cpu", torch.bfloat16).contiguous()
                digest.update(rounded.view(torch.int16).numpy().tobytes())
            self._fingerprint = digest.hexdigest()[:16]
        return self._fingerprint

    def load_adapter(
        self,
        adapter: Adapter | str | os.PathLike,
        name: str = "default",
        *,
        revision: str | None = None,
        token: str | bool | None = None,
    ) -> None:
        """Loads an adapter and makes it the only active one.

        Args:
            adapter: an adapter, a file, or a folder or repository of the Hub that holds `adapter.safetensors`.
            name: what `set_adapters` calls it.
            revision, token: of the repository.

        Raises:
            AdapterError: no readable adapter, or one of another kind or made for another base.
        """
        self._require_torch("`load_adapter`")
        if not isinstance(adapter, Adapter):
            adapter = self.adapter_class.load(_adapter_file(adapter, revision, token))
        self.check_adapter(adapter)
        self._adapters[name] = adapter
        self.set_adapters([name])

    def check_adapter(self, adapter: Adapter) -> None:
        """Makes sure that `load_adapter` would take an adapter; loads nothing.

        Raises:
            AdapterError: it is of another kind, was made for another base, or does not fit.
        """
        if not isinstance(adapter, self.adapter_class):
            raise AdapterError(
                f"this adapter is of the kind {adapter.kind!r}, and {type(self).__name__} takes the kind "
                f"{self.adapter_class.kind!r}; load it in {adapter.pipeline_name}"
            )
        if adapter.base != self.fingerprint:
            raise AdapterError(
                f"this adapter was made for the base {adapter.base} ({adapter.base_name or 'unnamed'}), the pipeline holds "
                f"{self.fingerprint}; load the base that the adapter names, or adapt anew"
            )
        try:
            check_deltas(adapter.deltas, {key: p.shape for key, p in self._adapted.named_parameters()})
        except ValueError as error:
            raise AdapterError(f"the adapter does not fit the {self.adapted_component}: {error}") from None

    def set_adapters(self, names: str | Sequence[str], weights: float | Sequence[float] | None = None) -> None:
        """Activates adapters and fuses them, each by its weight, into the network: inference costs nothing more.

        Args:
            names: of loaded adapters; none deactivates all.
            weights: one number an adapter, 1 the full adapter, 0 the base (of a style the zero-shot style); all 1 for one
                adapter, and shares that sum to 1 for several, if left out.

        Raises:
            ValueError: a name that is not loaded or named twice, or another number of weights than of names.
        """
        self._require_torch("`set_adapters`")
        names = [names] if isinstance(names, str) else list(names)
        if weights is None:
            weights = [1 / len(names)] * len(names) if names else []
        weights = [float(weight) for weight in np.atleast_1d(weights)]
        if len(weights) != len(names):
            raise ValueError(f"`weights` has {len(weights)} entries for {len(names)} adapters")
        for name, weight in zip(names, weights):
            if name not in self._adapters:
                raise ValueError(f"no adapter {name!r} is loaded; loaded: {', '.join(self._adapters) or 'none'}")
            if not math.isfinite(weight):
                raise ValueError(f"the weight of adapter {name!r} is {weight}; it must be a finite number")
            if names.count(name) > 1:
                raise ValueError(
                    f"adapter {name!r} is named {names.count(name)} times; name it once, with the sum of its weights"
                )
        self._restore_base()
        self._active = dict(zip(names, weights))
        parameters = dict(self._adapted.named_parameters()) if names else {}
        with torch.inference_mode(False), torch.no_grad():
            for name, weight in self._active.items():
                for key, change in weight_deltas(self._adapters[name].deltas).items():
                    parameter = parameters[key]
                    self._base_weights.setdefault(key, parameter.detach().clone())
                    parameter.add_(change.to(parameter.device, parameter.dtype), alpha=weight)

    def get_active_adapters(self) -> list[str]:
        """Names of the active adapters."""
        return list(self._active)

    @property
    def weighted_adapters(self) -> list[tuple[Any, float]]:
        """The active adapters, each with its weight."""
        return [(self._adapters[name], weight) for name, weight in self._active.items()]

    def unload_adapters(self) -> None:
        """Forgets all adapters; the network is bit for bit what it was before."""
        self._restore_base()
        self._adapters.clear()

    def save_pretrained(self, save_directory: str | os.PathLike, *args: Any, **kwargs: Any) -> None:
        """Writes the base models as a repo; active adapters are not written (save them with `Adapter.save`)."""
        self._require_torch("`save_pretrained`")
        active = self._active
        self._restore_base()
        try:
            super().save_pretrained(save_directory, *args, **kwargs)  # type: ignore[misc]  # of the pipeline that this is mixed into
        finally:
            self.set_adapters(list(active), list(active.values()))

    @contextlib.contextmanager
    def _adapting(self) -> Iterator[None]:
        """The base is in place, and gradients are taken. If the block raises, the adapters that were active are so again."""
        active = self._active
        self._restore_base()
        try:
            with torch.inference_mode(False), torch.enable_grad():
                yield
        except BaseException:
            self.set_adapters(list(active), list(active.values()))
            raise

    def _wear(self, adapter: Adapter, name: str) -> None:
        """Names the base in an adapter that was just made of it, and makes the adapter the only active one."""
        adapter.base_name = self.config.get("_name_or_path") or ""
        self._adapters[name] = adapter
        self.set_adapters([name])

    def _restore_base(self) -> None:
        parameters = dict(self._adapted.named_parameters()) if self._base_weights else {}
        with torch.inference_mode(False), torch.no_grad():
            for key, value in self._base_weights.items():
                parameters[key].copy_(value)
        self._base_weights, self._active = {}, {}

    def _require_torch(self, what: str) -> None:
        """Raises ValueError where the networks run in another backend, which no adapter can be added to."""
        if isinstance(self._adapted, ExportedNetwork):
            raise ValueError(
                f"{what} needs the torch models, and these run in {self._adapted.backend}: load the pipeline with "
                "backend='torch'; an adapter is fused into what `styleadapt export --adapter` writes"
            )


class StyleAdapterMixin(AdapterMixin):
    """For a pipeline with a `generator` that reads a style code, which its adapters have of their own."""

    adapter_class = StyleAdapter
    generator: StyleGenerator

    def check_adapter(self, adapter: Adapter) -> None:
        super().check_adapter(adapter)
        expected = (1, self.generator.config.code_dim)
        for what, name in (("style code", "code"), ("zero-shot style code", "start_code")):
            found = tuple(getattr(adapter, name).shape)
            if found != expected:
                raise AdapterError(f"the adapter's {what} is {found}, expected {expected}")

    def _adapter_code(self) -> torch.Tensor | None:
        """The style code `(1, D)` of the active adapters: mean of the zero-shot codes by weight, plus every adapter's change of
        its code by weight. Without them, that of an adapter that was fused into an exported model."""
        if self._active:
            active = self.weighted_adapters
            total = sum(weight for _, weight in active)
            shares = [weight / total if abs(total) > 1e-6 else 1 / len(active) for _, weight in active]
            codes = (s * a.start_code + w * (a.code - a.start_code) for (a, w), s in zip(active, shares))
            code = sum(codes, torch.zeros(()))
        elif "_style_code" in self.config:
            code = torch.tensor([self.config["_style_code"]], dtype=torch.float32)
        else:
            return None
        return code.to(self.generator.device, self.generator.dtype)


def _adapter_file(source: str | os.PathLike, revision: str | None, token: str | bool | None) -> Path:
    """A local path; a `user/repo` of the Hub is downloaded."""
    path = Path(source)
    text = str(source)
    if path.is_dir():
        return path / "adapter.safetensors"
    if path.exists() or text.endswith(".safetensors") or text.count("/") != 1:
        return path
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(text, "adapter.safetensors", revision=revision, token=token))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise AdapterError(f"no adapter file at {text}, and no such repository could be reached on the Hub") from error
