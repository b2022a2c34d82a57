"""The style transfer pipeline: photos and paintings in, stylised photos out; adapting, and adapters."""

import copy
import hashlib
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from diffusers.utils import BaseOutput
from PIL import Image

from ..adaptation.adapt import AdaptationProgress, adapt, check_budget
from ..adaptation.adapter import PACKAGED, AdapterError, StyleAdapter
from ..adaptation.deltas import check_deltas, weight_deltas
from ..adaptation.settings import AdaptationConfig
from ..data.datasets import list_images
from ..data.images import image_to_tensor, load_image, open_image, split_alpha, tensor_to_image
from ..data.resizing import resize_within, working_size
from ..models.discriminator import StyleDiscriminator
from ..models.generator import StyleGenerator
from ..models.style_encoder import StyleEncoder
from .backends import ExportedNetwork, load_exported, own_style_code
from .strict import StrictPipeline

ImageLike = Image.Image | str | os.PathLike
MAX_WORKING_PIXELS = 40_000_000
STYLE_PIXELS = 512 * 512


@dataclass
class StyleTransferOutput(BaseOutput):
    """
    Args:
        images (`list[PIL.Image.Image]`): stylised photos, each of its photo's size, with its alpha channel if it has one.
    """

    images: list[Image.Image]


class StyleTransferPipeline(StrictPipeline):
    """Stylises any photo with any painting, and adapts itself to a style from a few images.

    Args:
        generator, style_encoder: the models.
        discriminator: needed by `adapt` for its adversarial loss alone; may be left out.

    Example:
        pipe = StyleTransferPipeline.from_pretrained()
        pipe("photo.jpg", style="painting.jpg").images[0].save("out.png")
        pipe.adapt(["painting.jpg"], max_seconds=60).save("painting.safetensors")
        pipe("photo.jpg").images[0].save("adapted.png")
    """

    generator: StyleGenerator
    style_encoder: StyleEncoder
    discriminator: StyleDiscriminator | None
    component_classes = {"generator": StyleGenerator, "style_encoder": StyleEncoder, "discriminator": StyleDiscriminator}
    model_cpu_offload_seq = "style_encoder->generator"  # type: ignore[assignment]  # diffusers types it None
    _optional_components = ["discriminator"]

    def __init__(
        self,
        generator: StyleGenerator,
        style_encoder: StyleEncoder,
        discriminator: StyleDiscriminator | None = None,
    ):
        super().__init__()
        self.register_modules(generator=generator, style_encoder=style_encoder, discriminator=discriminator)
        for module in (generator, style_encoder):
            module.eval().requires_grad_(False)
            module.to(memory_format=torch.channels_last)  # type: ignore[call-arg]  # diffusers wraps it
        self.set_progress_bar_config(disable=True)
        self._fingerprint: str | None = None
        self._adapters: dict[str, StyleAdapter] = {}
        self._active: dict[str, float] = {}
        self._base_weights: dict[str, torch.Tensor] = {}

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike | None = None, backend: str = "torch", **kwargs: Any
    ):
        """Loads the packaged weights, a folder, or a repository of the Hub.

        Args:
            pretrained_model_name_or_path: folder or `user/repo`; the packaged weights if left out.
            backend: what the networks run in: "torch", or "onnx" or "openvino" for what `scripts/export.py` wrote. Those run on
                the CPU, stylise, and do not adapt.
            kwargs: see `StrictPipeline`, and what it raises; for the other backends `backends.load_exported`.
        """
        path = pretrained_model_name_or_path or str(resources.files("styleadapt") / "assets" / "weights")
        if backend == "torch":
            pipe = super().from_pretrained(path, **kwargs)
        else:
            networks, index = load_exported(path, backend, **kwargs)
            cls._check_index(str(path), index)
            pipe = cls(**networks)  # type: ignore[arg-type]  # they stand in for the torch models
            pipe.register_to_config(_name_or_path=Path(path).name if Path(path).exists() else str(path))
            pipe._take_from_index(str(path), index)
        if pretrained_model_name_or_path is None:
            pipe.register_to_config(_name_or_path=PACKAGED)
        return pipe

    def _take_from_index(self, path: str, index: dict[str, Any]) -> None:
        self.register_to_config(**own_style_code(path, index, self.generator.config.code_dim))

    @torch.inference_mode()
    def __call__(
        self,
        image: ImageLike | Sequence[ImageLike],
        style: ImageLike | Sequence[ImageLike] | None = None,
        style_weights: Sequence[float] | None = None,
        strength: float = 1.0,
        preserve_color: bool = False,
        max_size: int | None = None,
    ) -> StyleTransferOutput:
        """Stylises one photo or several.

        Args:
            image: photo or photos: PIL images or paths, of any size and mode.
            style: style image or images, blended into one style; may be left out while an adapter is active or where one is
                fused into an exported model.
            style_weights: one number a style image; equal weights if left out.
            strength: 0 gives the photo back, 1 the full style.
            preserve_color: keep the photo's colours and take the style's brightness and texture alone.
            max_size: longest side in pixels that is worked at; a larger photo is stylised at that size and scaled back.

        Returns:
            `StyleTransferOutput` with `images`, a list even for one photo.

        Raises:
            ValueError: no style and no active adapter, numbers out of range, an image that cannot be read (`ImageError`).
        """
        if not 0 <= strength <= 1:
            raise ValueError(f"`strength` is {strength}; it must lie between 0 and 1")
        if max_size is not None and max_size < 1:
            raise ValueError(f"`max_size` is {max_size}; it must be 1 pixel at least")
        photos = _as_list(image, "image")
        code = self._style_code(style, style_weights)
        return StyleTransferOutput(images=[self._stylize(p, code, strength, preserve_color, max_size) for p in photos])

    def encode_style(
        self, style: ImageLike | Sequence[ImageLike] | None = None, style_weights: Sequence[float] | None = None
    ) -> torch.Tensor:
        """The style code `(1, D)` of one or several style images; the one used without a style image, if they are left out."""
        with torch.inference_mode():
            return self._style_code(style, style_weights)

    def adapt(
        self,
        styles: ImageLike | Sequence[ImageLike],
        max_seconds: float = 60.0,
        steps: int | None = None,
        seed: int = 0,
        content: str | os.PathLike | Sequence[ImageLike] | None = None,
        callback: Callable[[AdaptationProgress], object] | None = None,
        config: AdaptationConfig | None = None,
        name: str = "adapted",
    ) -> StyleAdapter:
        """Adapts the base generator to a style; the adapter is active afterwards, alone.

        Args:
            styles: one or a few images of the style.
            max_seconds: time limit, all in.
            steps: exactly so many steps instead, whatever the time; then the same seed gives the same adapter.
            seed: of crops and initialisation.
            content: photos to train on: a folder, files or images; a small packaged set if left out. Files are opened when they
                are needed, and those that cannot be read are left out.
            callback: called with an `AdaptationProgress` at the start and about once a second; its `stop()` ends the adaptation,
                and the best state so far is kept.
            config: settings other than the defaults.
            name: what the adapter is called in `set_adapters`.

        Raises:
            ValueError: no style image, a budget that is not positive, or no photo that can be read (`ImageError`).
        """
        self._require_torch("`adapt`")
        images = [open_image(s) for s in _as_list(styles, "styles")]
        if content is None:
            content = str(resources.files("styleadapt") / "assets" / "photos")
        if isinstance(content, (str, os.PathLike)) and Path(content).is_dir():
            content = list_images(content)
        photos = _as_list(content, "content")
        check_budget(max_seconds, steps)
        self._restore_base()
        with torch.inference_mode(False), torch.enable_grad():
            adapter = adapt(
                self.generator,
                self.style_encoder,
                self.discriminator,
                images,
                photos,
                base=self.fingerprint,
                max_seconds=max_seconds,
                steps=steps,
                seed=seed,
                config=config,
                callback=callback,
            )
        adapter.base_name = self.config.get("_name_or_path") or ""
        self._adapters[name] = adapter
        self.set_adapters([name])
        return adapter

    @property
    def fingerprint(self) -> str:
        """Identifies the base generator's weights, whatever adapter is active and at whatever precision they are held; adapters
        are bound to it."""
        if self._fingerprint is None:
            self._require_torch("`fingerprint`")
            state = {**self.generator.state_dict(), **self._base_weights}
            digest = hashlib.sha256()
            for key in sorted(state):
                digest.update(key.encode())
                rounded = state[key].detach().to("cpu", torch.bfloat16).contiguous()
                digest.update(rounded.view(torch.int16).numpy().tobytes())
            self._fingerprint = digest.hexdigest()[:16]
        return self._fingerprint

    def load_adapter(
        self,
        adapter: StyleAdapter | str | os.PathLike,
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
            AdapterError: no readable adapter, or one made for another base.
        """
        self._require_torch("`load_adapter`")
        loaded = adapter if isinstance(adapter, StyleAdapter) else StyleAdapter.load(_adapter_file(adapter, revision, token))
        if loaded.base != self.fingerprint:
            raise AdapterError(
                f"this adapter was made for the base {loaded.base} ({loaded.base_name or 'unnamed'}), the pipeline holds "
                f"{self.fingerprint}; load the base that the adapter names, or adapt anew"
            )
        try:
            check_deltas(loaded.deltas, {key: p.shape for key, p in self.generator.named_parameters()})
        except ValueError as error:
            raise AdapterError(f"the adapter does not fit the generator: {error}") from None
        expected = (1, self.generator.config.code_dim)
        for kind, code in (("style code", loaded.code), ("zero-shot style code", loaded.start_code)):
            if code.shape != expected:
                raise AdapterError(f"the adapter's {kind} is {tuple(code.shape)}, expected {expected}")
        self._adapters[name] = loaded
        self.set_adapters([name])

    def set_adapters(self, names: str | Sequence[str], weights: float | Sequence[float] | None = None) -> None:
        """Activates adapters and fuses them, each by its weight, into the generator: inference costs nothing more.

        Args:
            names: of loaded adapters; none deactivates all.
            weights: one number an adapter, 1 the full adapter, 0 the zero-shot style; all 1 for one adapter, and shares that sum
                to 1 for several, if left out.

        Raises:
            ValueError: a name that is not loaded, or another number of weights than of names.
        """
        self._require_torch("`set_adapters`")
        names = [names] if isinstance(names, str) else list(names)
        if weights is None:
            weights = [1 / len(names)] * len(names) if names else []
        weights = [float(weights)] if isinstance(weights, (int, float)) else [float(w) for w in weights]
        if len(weights) != len(names):
            raise ValueError(f"`weights` has {len(weights)} entries for {len(names)} adapters")
        for name, weight in zip(names, weights):
            if name not in self._adapters:
                raise ValueError(f"no adapter {name!r} is loaded; loaded: {', '.join(self._adapters) or 'none'}")
            if not math.isfinite(weight):
                raise ValueError(f"the weight of adapter {name!r} is {weight}; it must be a finite number")
        self._restore_base()
        self._active = dict(zip(names, weights))
        parameters = dict(self.generator.named_parameters())
        with torch.inference_mode(False), torch.no_grad():
            for name, weight in self._active.items():
                for key, change in weight_deltas(self._adapters[name].deltas).items():
                    parameter = parameters[key]
                    self._base_weights.setdefault(key, parameter.detach().clone())
                    parameter.add_(change.to(parameter.device, parameter.dtype), alpha=weight)

    def get_active_adapters(self) -> list[str]:
        """Names of the active adapters."""
        return list(self._active)

    def unload_adapters(self) -> None:
        """Forgets all adapters; the generator is bit for bit what it was before."""
        self._restore_base()
        self._adapters.clear()

    def clone(self) -> "StyleTransferPipeline":
        """An independent pipeline with a generator of its own and no adapters; the other models are shared."""
        self._require_torch("`clone`")
        generator = copy.deepcopy(self.generator)
        pipe = type(self)(generator, self.style_encoder, self.discriminator)
        generator.load_state_dict({**generator.state_dict(), **self._base_weights})
        pipe._fingerprint = self.fingerprint
        pipe.register_to_config(**{key: value for key, value in self.config.items() if key in ("_name_or_path", "_style_code")})
        return pipe

    def save_pretrained(self, save_directory: str | os.PathLike, **kwargs: Any) -> None:  # type: ignore[override]
        """Writes the base models as a repo; active adapters are not written (save them with `StyleAdapter.save`)."""
        self._require_torch("`save_pretrained`")
        active = self._active
        self._restore_base()
        try:
            super().save_pretrained(save_directory, **kwargs)
        finally:
            self.set_adapters(list(active), list(active.values()))

    def _require_torch(self, what: str) -> None:
        if isinstance(self.generator, ExportedNetwork):
            raise ValueError(
                f"{what} needs the torch models, and these run in {self.generator.backend}: load the pipeline with "
                "backend='torch'; an adapter is fused into what scripts/export.py --adapter writes"
            )

    def _restore_base(self) -> None:
        parameters = dict(self.generator.named_parameters())
        with torch.inference_mode(False), torch.no_grad():
            for key, value in self._base_weights.items():
                parameters[key].copy_(value)
        self._base_weights, self._active = {}, {}

    def _style_code(self, style: Any, weights: Sequence[float] | None) -> torch.Tensor:
        if style is None:
            if weights is not None:
                raise ValueError("`style_weights` is given without `style`; adapters are blended by `set_adapters`")
            if self._active:
                return self._adapter_code()
            own = self.config.get("_style_code")
            if own is None:
                raise ValueError("no style: pass `style=` an image, or load an adapter, which knows its style")
            return torch.tensor([own]).to(self.generator.device, self.generator.dtype)
        images = [resize_within(open_image(s), STYLE_PIXELS, 64) for s in _as_list(style, "style")]
        codes = torch.cat([self.style_encoder(self._tensor(image)) for image in images])
        return self.style_encoder.mix(codes, None if weights is None else list(weights))

    def _adapter_code(self) -> torch.Tensor:
        """Mean of the zero-shot codes by weight, plus every adapter's change of its code by weight."""
        active = [(self._adapters[name], weight) for name, weight in self._active.items()]
        total = sum(weight for _, weight in active)
        shares = [weight / total if abs(total) > 1e-6 else 1 / len(active) for _, weight in active]
        codes = (s * a.start_code + w * (a.code - a.start_code) for (a, w), s in zip(active, shares))
        return sum(codes, torch.zeros(())).to(self.generator.device, self.generator.dtype)

    def _stylize(self, source: ImageLike, code, strength: float, preserve_color: bool, max_size: int | None) -> Image.Image:
        photo, alpha = split_alpha(load_image(source))
        if strength == 0:
            result = photo
        else:
            work = working_size(photo, max_size, MAX_WORKING_PIXELS)
            if strength < 1:
                own = self.style_encoder(self._tensor(resize_within(photo, STYLE_PIXELS, 64)))
                code = torch.lerp(own, code, strength)
            tensor = self._tensor(work)
            result = tensor_to_image(self.generator(tensor, code).sample.float())[0]
            if result.size != photo.size:
                result = result.resize(photo.size, Image.Resampling.BICUBIC)
            if strength < 0.5:
                result = Image.blend(photo, result, 2 * strength)
        if preserve_color:
            _, *chroma = photo.convert("YCbCr").split()
            result = Image.merge("YCbCr", (result.convert("L"), *chroma)).convert("RGB")
        if alpha is not None:
            result.putalpha(alpha)
        return result

    def _tensor(self, image: Image.Image) -> torch.Tensor:
        return image_to_tensor(image).to(self.generator.device, self.generator.dtype)


def _as_list(value: Any, name: str) -> list[Any]:
    items = list(value) if isinstance(value, (list, tuple)) else [value]
    if not items:
        raise ValueError(f"`{name}` is empty; pass one image at least")
    return items


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
