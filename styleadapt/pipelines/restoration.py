"""The restoration pipeline: turns damaged photos into clean ones."""

import copy
import dataclasses
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from diffusers.utils import BaseOutput
from PIL import Image

from ..adaptation.restoring import RestorationAdaptationConfig, RestorationAdaptationProgress, adapt_restorer
from ..adapters.adapter import PACKAGED, RestorationAdapter
from ..errors import ModelLoadError, RestorationStopped
from ..images.image_files import list_images
from ..images.images import ImageSource, image_to_tensor, open_image
from ..models.colorizer import Colorizer
from ..models.inpainter import Inpainter
from ..models.restorer import LEVEL_NAMES, Restorer
from ..models.style_encoder import StyleEncoder
from ..runtime.precision import fast_compute_dtype
from ..runtime.restorer_bands import estimate_levels, restore
from .adapters import AdapterMixin
from .coloring import color_photo
from .holes import fill, read_hole
from .latents import check_seed
from .loading_checks import StrictPipeline
from .pictures import Picture, read_picture
from .style_codes import encoding_size

Task = Literal["denoise", "jpeg", "deblur", "inpaint", "colorize", "auto"]
# of each task that restores: which level it sets, what its users call that level, and its limits
_KINDS = {
    "denoise": (0, "the standard deviation of the noise, above 0 and up to 255", 255),
    "jpeg": (1, "the JPEG quality, from 1 to 100", 100),
    "deblur": (2, "the standard deviation of the blur in pixels, above 0 and up to 8", 8),
}
# `auto` takes lower levels for none: what an undamaged photo may be mistaken to have
NEGLIGIBLE = torch.tensor([1.5, 12.0, 0.45])


@dataclass
class RestorationOutput(BaseOutput):
    """
    Args:
        images (`list[PIL.Image.Image]`): restored photos, each of its source's size, with its alpha channel if it has one; gray
            ones of mode "L". Of a photo of 16 bits a channel an "I;16" image or, in color, an array of uint16: see
            `pictures.Picture`.
        levels (`list[dict[str, float]]`): for each photo, the damage that was assumed: `noise`, a standard deviation on the scale
            0..255, `jpeg`, 100 minus the quality, and `blur`, a standard deviation in pixels; empty for tasks without levels.
    """

    images: list[Any]
    levels: list[dict[str, float]] = field(default_factory=list)


@dataclass
class RestorationProgress:
    """
    Args:
        image: number of the photo at work, counted from 0.
        images: number of photos.
        fraction: of the whole call that is done, 0 to 1.
        seconds, seconds_left: since the start, and estimated to the end.
    """

    image: int
    images: int
    fraction: float
    seconds: float
    seconds_left: float

    def stop(self) -> None:
        """Ends the call: it raises `RestorationStopped`."""
        raise RestorationStopped(f"stopped at photo {self.image + 1} of {self.images}")


class RestorationPipeline(AdapterMixin, StrictPipeline):
    """Takes noise, JPEG artifacts, blur and holes out of photos, and gives gray ones their colors. Its restorer adapts itself to
    a kind of images from a few clean ones.

    Args:
        restorer: of noise, JPEG artifacts and blur, trained for least distortion.
        restorer_natural: the same network after its adversarial phase.
        inpainter, inpainter_natural: of holes, likewise.
        colorizer: of the colors of gray photos.
        style_encoder: what the colorizer sees with.

    Example:
        pipe = RestorationPipeline.from_pretrained()
        pipe("old.jpg").images[0].save("clean.png")
        pipe("night.png", task="denoise", level=25, fidelity=0.5).images[0].save("clean.png")
        pipe("scratched.jpg", task="inpaint", mask="scratches.png").images[0].save("whole.png")
        pipe.adapt(["drawing.png", "another.png"], max_seconds=120).save("drawings.safetensors")
        pipe("noisy-drawing.jpg").images[0].save("clean-drawing.png")
    """

    adapted_component = "restorer"
    adapter_class = RestorationAdapter
    restorer: Restorer
    restorer_natural: Restorer | None
    inpainter: Inpainter | None
    inpainter_natural: Inpainter | None
    colorizer: Colorizer | None
    style_encoder: StyleEncoder | None
    component_classes = {
        "restorer": Restorer,
        "restorer_natural": Restorer,
        "inpainter": Inpainter,
        "inpainter_natural": Inpainter,
        "colorizer": Colorizer,
        "style_encoder": StyleEncoder,
    }
    model_cpu_offload_seq = "restorer->inpainter"  # type: ignore[assignment]  # diffusers types it None
    _optional_components = [*component_classes]

    def __init__(
        self,
        restorer: Restorer | None = None,
        restorer_natural: Restorer | None = None,
        inpainter: Inpainter | None = None,
        inpainter_natural: Inpainter | None = None,
        colorizer: Colorizer | None = None,
        style_encoder: StyleEncoder | None = None,
    ):
        super().__init__()
        models = {
            "restorer": restorer,
            "restorer_natural": restorer_natural,
            "inpainter": inpainter,
            "inpainter_natural": inpainter_natural,
            "colorizer": colorizer,
            "style_encoder": style_encoder,
        }
        self.register_modules(**models)
        for model in models.values():
            if model is not None:
                model.eval().requires_grad_(False)
                model.to(memory_format=torch.channels_last)  # type: ignore[call-arg]  # diffusers wraps it
        self.set_progress_bar_config(disable=True)
        self._mixed: dict[str, tuple[float, Any]] = {}

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike | None = None, **kwargs: Any):
        """Loads the packaged weights, a folder, or a repository of the Hub: see `StrictPipeline`, and what it raises."""
        packaged = pretrained_model_name_or_path is None
        if packaged:
            assets = resources.files("styleadapt") / "assets"
            if not (assets / "restoration" / "model_index.json").is_file():
                raise ModelLoadError(
                    "the weights of restoration are not installed here; name a folder of trained ones (see scripts/train.py "
                    "--task restoration)"
                )
            pretrained_model_name_or_path = str(assets / "restoration")
            if "style_encoder" not in kwargs:
                # which the packaged weights of stylization hold already
                kwargs["style_encoder"] = StyleEncoder.from_pretrained(
                    str(assets / "weights"), subfolder="style_encoder", dtype=kwargs.get("dtype", kwargs.get("torch_dtype"))
                )
        pipe = super().from_pretrained(pretrained_model_name_or_path, **kwargs)  # type: ignore[arg-type]  # set by now
        if packaged:
            pipe.register_to_config(_name_or_path=PACKAGED)
        return pipe

    @torch.inference_mode()
    def __call__(
        self,
        image: ImageSource | Sequence[ImageSource],
        task: Task = "auto",
        level: float | str = "auto",
        mask: ImageSource | Sequence[ImageSource] | None = None,
        fidelity: float = 1.0,
        reference: ImageSource | None = None,
        callback: Callable[[RestorationProgress], object] | None = None,
    ) -> RestorationOutput:
        """Restores one photo or several.

        Args:
            image: photo or photos: PIL images, paths or arrays, of any size and mode, see `pictures.read_picture`.
            task: `"denoise"`, `"jpeg"` or `"deblur"` for one kind of damage; `"auto"` for whatever of the three the network
                finds, and an undamaged photo comes back as it is; `"inpaint"` to fill a hole; `"colorize"` for the colors of a
                gray photo, which then has three channels.
            level: how strong the damage is: the standard deviation of the noise on the scale 0..255, the JPEG quality, or the
                standard deviation of the blur in pixels; "auto" estimates it.
            mask: of `"inpaint"`: white in the hole and black outside, of the photo's size, one for each photo. If left out, the
                hole is where the photo is transparent, and the result is opaque.
            fidelity: 1 keeps the distortion least, 0 looks most natural: the weights of both networks are mixed (network
                interpolation, Wang et al., ESRGAN, arXiv 1809.00219, section 3.4).
            reference: of `"colorize"`, an image whose palette the photos take.
            callback: called with a `RestorationProgress` after each band of a photo; its `stop()` ends the call.

        Returns:
            `RestorationOutput` with `images` and `levels`, lists even for one photo.

        Raises:
            ValueError: an unknown task, a level or fidelity out of range, a mask that does not belong, no photo, a task that
                these weights have no network for, or a photo that cannot be read (`ImageError`).
            RestorationStopped: the callback has said so.
        """
        photos, masks = self.check_inputs(image, task, level, mask, fidelity, reference)
        images: list[Any] = []
        levels: list[dict[str, float]] = []
        started = time.monotonic()
        for number, (photo, own_mask) in enumerate(zip(photos, masks)):

            def advance(fraction: float, number: int = number) -> None:
                if callback is not None:
                    done, seconds = (number + fraction) / len(photos), time.monotonic() - started
                    callback(RestorationProgress(number, len(photos), done, seconds, seconds * (1 - done) / done))

            if task in ("inpaint", "colorize"):
                picture = read_picture(photo)
                filled = task == "inpaint"
                images.append(self._inpaint(picture, own_mask, fidelity) if filled else self._colorize(picture, reference))
                levels.append({})
                advance(1.0)
            else:
                restored, assumed = self._restore(read_picture(photo), task, level, fidelity, advance)
                images.append(restored)
                levels.append(dict(zip(LEVEL_NAMES, assumed.tolist())))
        return RestorationOutput(images=images, levels=levels)

    def adapt(
        self,
        images: ImageSource | Sequence[ImageSource],
        max_seconds: float = 60.0,
        steps: int | None = None,
        seed: int = 0,
        callback: Callable[[RestorationAdaptationProgress], object] | None = None,
        config: RestorationAdaptationConfig | None = None,
        name: str = "adapted",
    ) -> RestorationAdapter:
        """Adapts the restorer of noise, JPEG artifacts and blur to a kind of images; the adapter is active afterwards, alone. If
        it fails, or is interrupted, the adapters that were active before are so again.

        Args:
            images: clean images of the kind (drawings, scans, photos on a certain film): images, files, or one folder. Of each a
                part is kept from training, and the state is kept that restores those parts best.
            max_seconds: time limit, all in.
            steps: exactly so many steps instead, whatever the time; then the same seed gives the same adapter.
            seed: of crops, damage and initialization.
            callback: called with a `RestorationAdaptationProgress` at the start and about once a second; its `stop()` ends the
                adaptation, and the best state so far is kept.
            config: settings other than the defaults.
            name: what the adapter is called in `set_adapters`.

        Raises:
            ValueError: no image, one that cannot be read or is too small (`ImageError`), a budget that is not positive, a seed
                below 0, or weights without a restorer.
        """
        if isinstance(images, (str, os.PathLike)) and Path(images).is_dir():
            images = list_images(images)
        given: list[Any] = list(images) if isinstance(images, (list, tuple)) else [images]
        with self._adapting():
            adapter = adapt_restorer(
                self.restorer,
                given,
                base=self.fingerprint,
                max_seconds=max_seconds,
                steps=steps,
                seed=check_seed(seed),
                config=config,
                callback=callback,
            )
        self._wear(adapter, name)
        return adapter

    def check_inputs(
        self, image: Any, task: str, level: float | str, mask: Any, fidelity: float, reference: Any
    ) -> tuple[list[ImageSource], list[ImageSource | None]]:
        """The photos, and a mask or None for each; raises ValueError for arguments that do not go together."""
        if task not in get_args(Task):
            raise ValueError(f"`task` is {task!r}; it must be one of {', '.join(get_args(Task))}")
        if not 0 <= fidelity <= 1:
            raise ValueError(f"`fidelity` is {fidelity}; it must lie between 0 and 1")
        photos = list(image) if isinstance(image, (list, tuple)) else [image]
        if not photos:
            raise ValueError("`image` is empty; pass one photo at least")
        if task in _KINDS:
            _check_level(task, level)
        elif level != "auto":
            raise ValueError(f"`level` is {level!r}, but task {task!r} has no level of its own; leave it out")
        if reference is not None and task != "colorize":
            raise ValueError(f"`reference` is of task 'colorize', and `task` is {task!r}; leave one of them out")
        if mask is None:
            return photos, [None] * len(photos)
        if task != "inpaint":
            raise ValueError(f"`mask` is of task 'inpaint', and `task` is {task!r}; leave one of them out")
        masks = list(mask) if isinstance(mask, (list, tuple)) else [mask]
        if len(masks) != len(photos):
            raise ValueError(f"`mask` has {len(masks)} entries for {len(photos)} photos; pass one for each")
        return photos, masks

    def to(self, *args: Any, **kwargs: Any) -> "RestorationPipeline":
        """Moves or converts the models, as in diffusers."""
        super().to(*args, **kwargs)
        self._mixed.clear()
        return self

    def _restore_base(self) -> None:
        super()._restore_base()
        self._mixed.pop(self.adapted_component, None)

    def _restore(
        self, picture: Picture, task: str, level: float | str, fidelity: float, advance: Callable[[float], None]
    ) -> tuple[Image.Image | np.ndarray, torch.Tensor]:
        network = self._network("restorer", fidelity, task)
        dtype = fast_compute_dtype(network.device, network.dtype)
        if task in _KINDS and level != "auto" and task != "deblur":
            levels = torch.zeros(len(LEVEL_NAMES))
        else:
            levels = estimate_levels(network, picture.pixels, dtype)
        if task == "auto":
            levels[levels < NEGLIGIBLE] = 0
            if not levels.any():
                advance(1.0)
                return picture.result(picture.pixels), levels
        else:
            kind = _KINDS[task][0]
            own = levels[kind] if level == "auto" else torch.tensor(100.0 - float(level) if task == "jpeg" else float(level))
            # noise is made stronger by deblurring, and has to be known
            noise = levels[0] if task == "deblur" else torch.zeros(())
            levels = torch.zeros(len(LEVEL_NAMES))
            levels[0], levels[kind] = noise, own
        return picture.result(restore(network, picture.pixels, levels, dtype, advance=advance)), levels

    def _inpaint(self, picture: Picture, mask: ImageSource | None, fidelity: float) -> Image.Image | np.ndarray:
        network = self._network("inpainter", fidelity, "inpaint")
        hole = read_hole(mask, picture)
        whole = Picture(picture.pixels, picture.alpha if mask is not None else None, picture.gray, picture.deep)
        if not hole.any():
            return whole.result(picture.pixels)
        dtype = fast_compute_dtype(network.device, network.dtype)
        return whole.result(fill(network, picture.pixels, hole, dtype))

    def _colorize(self, picture: Picture, reference: ImageSource | None) -> Image.Image | np.ndarray:
        if self.colorizer is None or self.style_encoder is None:
            raise ValueError("these weights have no colorizer, which `task='colorize'` needs; load others")
        code = None
        if reference is not None:
            palette = image_to_tensor(encoding_size(open_image(reference)))
            code = self.style_encoder(palette.to(self.style_encoder.device, self.style_encoder.dtype))
        pixels = color_photo(self.colorizer, self.style_encoder.trunk, picture.pixels, code)
        return dataclasses.replace(picture, gray=False).result(pixels)

    def _network(self, name: str, fidelity: float, task: str) -> Any:
        """The network of a task, with the weights of both phases mixed."""
        faithful, natural = getattr(self, name), getattr(self, f"{name}_natural")
        if faithful is None:
            raise ValueError(f"these weights have no {name}, which `task={task!r}` needs; load others")
        if fidelity == 1:
            return faithful
        if natural is None:
            raise ValueError(f"`fidelity` is {fidelity}, but these weights have no {name}_natural to mix in; leave it at 1")
        if self._mixed.get(name, (None,))[0] != fidelity:
            mixed = copy.deepcopy(faithful)
            other = natural.state_dict()
            for key, before in (self._base_weights if name == self.adapted_component else {}).items():
                # adapters go into both phases, so that fidelity leaves them as they are
                other[key] = other[key] + (faithful.get_parameter(key) - before).to(other[key])
            mixed.load_state_dict(
                {key: torch.lerp(other[key].to(value), value, fidelity) for key, value in faithful.state_dict().items()}
            )
            self._mixed[name] = (fidelity, mixed)
        return self._mixed[name][1]


def _check_level(task: str, level: Any) -> None:
    if level == "auto":
        return
    _, meaning, most = _KINDS[task]
    is_number = isinstance(level, (int, float, np.number)) and not isinstance(level, bool) and math.isfinite(level)
    if not is_number or not 0 < level <= most or (task == "jpeg" and level < 1):
        raise ValueError(f"`level` is {level!r}; for task {task!r} it is {meaning}, or 'auto'")
