"""The style transfer pipeline: stylizes photos with style images, and adapts itself to a style."""

import copy
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.utils import BaseOutput
from PIL import Image

from ..adaptation.adapt import AdaptationProgress, adapt
from ..adaptation.refinement import RefinementConfig, RefinementProgress
from ..adaptation.settings import AdaptationConfig
from ..adapters.adapter import PACKAGED, StyleAdapter
from ..images.image_files import list_images
from ..images.images import image_to_tensor, load_image, open_image, tensor_to_image
from ..models.discriminator import StyleDiscriminator
from ..models.generator import StyleGenerator
from ..models.style_encoder import StyleEncoder
from ..runtime.backends import ExportedNetwork, load_exported, own_style_code
from ..runtime.bands import render
from ..runtime.compiling import CompiledRender
from ..runtime.precision import fast_compute_dtype, loading_dtype
from .adapters import StyleAdapterMixin
from .image_io import ImageLike, OutputType, as_list, as_output, photos_for
from .latents import check_seed
from .loading_checks import StrictPipeline
from .painting import Painting
from .refining import read_refinements
from .regions import check_regions, read_mask
from .strength_strip import side_by_side
from .strokes import AUTO, StrokeSize, check_stroke_size
from .style_codes import StyleCodes, encoding_size, given_codes

MAX_WORKING_PIXELS = 100_000_000  # 6 GB in float32
MAX_EXPORTED_PIXELS = 16_000_000  # the other backends hold the maps of the full resolution, 300 bytes a pixel and more


@dataclass
class StyleTransferOutput(BaseOutput):
    """
    Args:
        images (`list[PIL.Image.Image]`): stylized photos, each of its photo's size, with its alpha channel if it has one; an
            array or a tensor if another `output_type` was asked for.
    """

    images: Any


class StyleTransferPipeline(StyleAdapterMixin, StrictPipeline):
    """Stylizes any photo with any painting, and adapts itself to a style from a few images.

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
            with torch.inference_mode(False):
                module.to(memory_format=torch.channels_last)  # type: ignore[call-arg]  # diffusers wraps it
        self.set_progress_bar_config(disable=True)
        self._style_codes = StyleCodes()
        self._auto_dtype = False
        self._compute_dtype: torch.dtype | None = None
        self._compiled: CompiledRender | None = None

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike | None = None,
        backend: str = "torch",
        dtype: torch.dtype | str | None = None,
        torch_dtype: torch.dtype | str | None = None,
        **kwargs: Any,
    ):
        """Loads the packaged weights, a folder, or a repository of the Hub.

        Args:
            pretrained_model_name_or_path: folder or `user/repo`; the packaged weights if left out.
            backend: what the networks run in: "torch", or "onnx" or "openvino" for what `styleadapt export` wrote. Those run on
                the CPU, stylize, and do not adapt.
            dtype: of the weights; float32 if left out. "auto" calculates in bfloat16 where that is faster on the device in use,
                in torch with float32 weights, which adaptation needs.
            torch_dtype: the older name of `dtype`.
            kwargs: see `StrictPipeline`, and what it raises; for the other backends `backends.load_exported`.

        Raises:
            ValueError: an unknown backend, or a `dtype` that is none, or that the backend does not calculate in.
        """
        path = pretrained_model_name_or_path or str(resources.files("styleadapt") / "assets" / "weights")
        wanted = dtype or torch_dtype or torch.float32
        chosen = loading_dtype(wanted, backend)
        if backend == "torch":
            pipe = super().from_pretrained(path, dtype=chosen, **kwargs)
            pipe._auto_dtype = wanted == "auto"
            pipe._choose_compute_dtype()
        else:
            kwargs.pop("use_safetensors", None)  # there are no weights that could be unpickled
            networks, index = load_exported(path, backend, dtype=chosen, **kwargs)
            cls._check_index(str(path), index)
            pipe = cls(**networks)  # type: ignore[arg-type]  # they stand in for the torch models
            pipe._compute_dtype = chosen
            pipe.register_to_config(_name_or_path=Path(path).name if Path(path).exists() else str(path))
            pipe._take_from_index(str(path), index)
        if pretrained_model_name_or_path is None:
            pipe.register_to_config(_name_or_path=PACKAGED)
        return pipe

    def _take_from_index(self, path: str, index: dict[str, Any]) -> None:
        self.register_to_config(**own_style_code(path, index, self.generator.config.code_dim))

    @property
    def compute_dtype(self) -> torch.dtype:
        """The dtype that the generator computes in, which may differ from that of its weights."""
        return self._compute_dtype or self.generator.dtype

    def _choose_compute_dtype(self) -> None:
        if self._auto_dtype:
            self._compute_dtype = fast_compute_dtype(self.generator.device, self.generator.dtype)

    def to(self, *args: Any, **kwargs: Any) -> "StyleTransferPipeline":
        """Moves the models, as in diffusers; what `dtype="auto"` stands for is chosen anew."""
        super().to(*args, **kwargs)
        self._choose_compute_dtype()
        return self

    def compile(self, mode: str = "default") -> None:
        """Has the generator compiled for every size that it paints, up to seven; see `compiling.CompiledRender`. A photo that is
        painted small first has two or three of them.

        The first photo of a size then waits for the compiler, a quarter of a minute or so; it pays for many photos, or frames, of
        the same size. Adapting is as before, and clones share what was compiled.

        Args:
            mode: of `torch.compile`. On a CPU that needs a C++ compiler.

        Raises:
            ValueError: an unknown mode, or a pipeline of another backend than torch.
        """
        self._require_torch("`compile`")
        self._compiled = CompiledRender(mode)

    @torch.inference_mode()
    def __call__(
        self,
        image: ImageLike | Sequence[ImageLike],
        style: ImageLike | Sequence[ImageLike] | None = None,
        style_weights: Sequence[float] | None = None,
        strength: float = 1.0,
        preserve_color: bool = False,
        max_size: int | None = None,
        mask: ImageLike | Sequence[ImageLike] | None = None,
        mask_feather: float = 0.02,
        adapter_blend: float = 0.0,
        stroke_size: StrokeSize = AUTO,
        refine: int | float | str | None = None,
        refine_from: ImageLike | Sequence[ImageLike] | None = None,
        refine_callback: Callable[[RefinementProgress], object] | None = None,
        refine_config: RefinementConfig | None = None,
        style_code: torch.Tensor | Sequence[torch.Tensor] | None = None,
        output_type: OutputType = "pil",
    ) -> StyleTransferOutput:
        """Stylizes one photo or several.

        Args:
            image: photo or photos: PIL images, paths or addresses, of any size and mode; arrays `(H, W, C)` or `(B, H, W, C)`, or
                tensors `(C, H, W)` or `(B, C, H, W)`, of bytes or of floats in [0, 1]. Styles and masks are given alike.
            style: style image or images, blended into one style unless there are masks; may be left out while an adapter is
                active or where one is fused into an exported model.
            style_weights: one number a style image; equal weights if left out.
            strength: 0 gives the photo back, 1 the full style.
            preserve_color: keep the photo's colors and take the style's brightness and texture alone.
            max_size: longest side in pixels that is worked at; a larger photo is stylized at that size and scaled back.
            mask: one mask a style, white where that style goes and gray where it goes in part, of any size and stretched to the
                photo; of an image that is not opaque all over, the alpha channel. The photo stays where no mask is, or takes the
                last style if there is one style more than masks. Where masks sum to more than white they share. Every style is
                painted over the whole photo first, so that n styles take n times as long.
            mask_feather: width of the soft border between regions, as a share of the photo's longer side.
            adapter_blend: of the style images' code and that of the active adapters, while there are both: 0 the images', 1 the
                adapters'.
            stroke_size: about how wide the strokes are, as a share of the photo's longer side, above 0 and up to 1. "auto"
                paints a photo of any size as one of about a megapixel looks. Strokes are never finer than the generator draws
                them on the photo's own pixels (see `strokes`).
            refine: how long the pixels of each picture are then optimized to come nearer to the style images: an integer is a
                number of steps, a float or a text such as "60s" seconds of wall time, which the generator's passes come on top
                of; 0 or None for not at all. It needs style images, also while an adapter is active, whose picture it then
                starts from. With masks every style takes so many steps, or an equal part of the seconds.
            refine_from: a picture that was refined before, one for each photo, to go on from; large forms then stay as they are.
                The other arguments should be the same as before. It may have any size, and is stretched to the photo.
            refine_callback: called with a `RefinementProgress` before the first step and after each; its `stop()` ends the
                refinement of the picture at work, and the best so far is kept.
            refine_config: settings other than the defaults.
            style_code: what `encode_style` gave, or a mean of such codes, in the place of `style`: `(1, D)`; several, `(n, D)` or
                a list, are taken as those of n style images.
            output_type: "pil" gives a list of images; "np" a float32 array `(B, H, W, C)` and "pt" a float32 tensor
                `(B, C, H, W)` in [0, 1], both for photos of one size.

        Returns:
            `StyleTransferOutput` with `images`, a list even for one photo.

        Raises:
            ValueError: no style and no active adapter, both a style and a style code, numbers out of range, masks that do not
                match the styles in number or cover nothing, an image that cannot be read (`ImageError`), refinement without a
                style image.
        """
        for name, share in (("strength", strength), ("mask_feather", mask_feather), ("adapter_blend", adapter_blend)):
            _check_share(share, name)
        if max_size is not None and max_size < 1:
            raise ValueError(f"`max_size` is {max_size}; it must be 1 pixel at least")
        check_stroke_size(stroke_size)
        photos = photos_for(as_list(image, "image"), output_type)
        given = [] if mask is None else as_list(mask, "mask")
        masks = [read_mask(m, f"`mask` {n} of {len(given)}") for n, m in enumerate(given, 1)]
        codes = self._codes(style, style_weights, adapter_blend, len(masks), style_code)
        refinements = read_refinements(
            refine,
            None if refine_from is None else as_list(refine_from, "refine_from"),
            refine_callback,
            refine_config,
            styles=None if style is None else as_list(style, "style"),
            style_weights=style_weights,
            photos=len(photos),
            regions=len(codes),
        )
        max_pixels = MAX_EXPORTED_PIXELS if isinstance(self.generator, ExportedNetwork) else MAX_WORKING_PIXELS
        options = (masks, mask_feather, strength, preserve_color, max_size, stroke_size)
        painting = Painting(self._render, self._code_of, max_pixels, self.generator.device, *options)
        painted = [painting.picture(photo, codes, own) for photo, own in zip(photos, refinements)]
        return StyleTransferOutput(images=as_output(painted, output_type))

    def strength_strip(
        self,
        image: ImageLike,
        style: ImageLike | Sequence[ImageLike] | None = None,
        strengths: Iterable[float] = (0, 0.25, 0.5, 0.75, 1.0),
        **options: Any,
    ) -> Image.Image:
        """One photo at each strength, side by side, each as large as the photo.

        Args:
            image, style: as in a call of the pipeline, but one photo.
            strengths: from 0 to 1, from left to right.
            options: all others of a call; `output_type` is "pil" here.

        Raises:
            ValueError: no strength, another `output_type`, or what a call raises.
        """
        if options.get("output_type", "pil") != "pil":
            raise ValueError(f"`output_type` is {options['output_type']!r}; a strip is one PIL image")
        if not (strengths := list(strengths)):
            raise ValueError("`strengths` is empty; pass one number at least")
        for strength in strengths:
            _check_share(strength, "strengths")
        photo = load_image(image)
        return side_by_side([self(photo, style, strength=strength, **options).images[0] for strength in strengths])

    def encode_style(
        self, style: ImageLike | Sequence[ImageLike] | None = None, style_weights: Sequence[float] | None = None
    ) -> torch.Tensor:
        """The style code `(1, D)` of one or several style images; the one used without a style image, if they are left out."""
        with torch.inference_mode():
            return self._codes(style, style_weights, 0.0, 0)[0]

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
        """Adapts the base generator to a style; the adapter is active afterwards, alone. If it fails, or is interrupted, the
        adapters that were active before are so again.

        Args:
            styles: one or a few images of the style.
            max_seconds: time limit, all in; two checks and one step are always made, some 20 s of one core without bfloat16.
            steps: exactly so many steps instead, whatever the time; then the same seed gives the same adapter.
            seed: of crops and initialization.
            content: photos to train on: a folder, files or images; a small packaged set if left out. Files are opened when they
                are needed, and those that cannot be read are left out.
            callback: called with an `AdaptationProgress` at the start and about once a second; its `stop()` ends the adaptation,
                and the best state so far is kept.
            config: settings other than the defaults.
            name: what the adapter is called in `set_adapters`.

        Raises:
            ValueError: no style image, a budget that is not positive, a seed below 0, no photo that can be read (`ImageError`).
        """
        self._require_torch("`adapt`")
        images = [open_image(s) for s in as_list(styles, "styles")]
        if content is None:
            content = str(resources.files("styleadapt") / "assets" / "photos")
        if isinstance(content, (str, os.PathLike)) and Path(content).is_dir():
            content = list_images(content)
        photos = as_list(content, "content")
        with self._adapting():
            adapter = adapt(
                self.generator,
                self.style_encoder,
                self.discriminator,
                images,
                photos,
                base=self.fingerprint,
                max_seconds=max_seconds,
                steps=steps,
                seed=check_seed(seed),
                config=config,
                callback=callback,
            )
        self._wear(adapter, name)
        return adapter

    @torch.inference_mode(False)
    def clone(self) -> "StyleTransferPipeline":
        """An independent pipeline with a generator of its own and no adapters; the other models are shared."""
        self._require_torch("`clone`")
        generator = copy.deepcopy(self.generator)
        pipe = type(self)(generator, self.style_encoder, self.discriminator)
        generator.load_state_dict({**generator.state_dict(), **self._base_weights})
        pipe._fingerprint, pipe._style_codes, pipe._auto_dtype = self.fingerprint, self._style_codes, self._auto_dtype
        pipe.register_to_config(**{key: value for key, value in self.config.items() if key in ("_name_or_path", "_style_code")})
        pipe._compute_dtype, pipe._compiled = self._compute_dtype, self._compiled
        return pipe

    def _codes(
        self,
        style: Any,
        weights: Sequence[float] | None,
        adapter_blend: float,
        regions: int,
        style_code: torch.Tensor | Sequence[torch.Tensor] | None = None,
    ) -> list[torch.Tensor]:
        """The style codes `(1, D)` of the regions and, if there is one more, of the rest; without regions of the whole photo."""
        own = self._adapter_code()
        if style is not None and style_code is not None:
            raise ValueError("`style` and `style_code` are both given; pass one of them")
        if style is None and style_code is None:
            if weights is not None:
                raise ValueError("`style_weights` is given without `style`; adapters are blended by `set_adapters`")
            if own is None:
                raise ValueError("no style: pass `style=` an image, or load an adapter, which knows its style")
            codes = own
        else:
            if style_code is not None:
                codes = given_codes(style_code, self.generator.config.code_dim).to(self.generator.device, self.generator.dtype)
            else:
                codes = torch.cat([self._code_of(open_image(image)) for image in as_list(style, "style")])
            if adapter_blend:
                if own is None:
                    raise ValueError(f"`adapter_blend` is {adapter_blend}, but no adapter is active; load one, or leave it out")
                codes = torch.lerp(codes, own, adapter_blend)
        if not regions:
            return [self.style_encoder.mix(codes, None if weights is None else list(weights))]
        check_regions(regions, len(codes), weights)
        return list(codes.split(1))

    def _code_of(self, image: Image.Image) -> torch.Tensor:
        return self._style_codes.of(encoding_size(image), self.style_encoder, self.generator.device, self.generator.dtype)

    def _render(self, photo: Image.Image, code: torch.Tensor) -> Image.Image:
        """The generator's picture of an "RGB" photo, of the same size."""
        if isinstance(self.generator, ExportedNetwork):
            return tensor_to_image(self.generator(image_to_tensor(photo), code).sample)[0]
        painted = (self._compiled or render)(self.generator, torch.from_numpy(np.array(photo)), code, self._compute_dtype)
        return Image.fromarray(painted.numpy())


def _check_share(value: float, name: str) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"`{name}` is {value}; it must lie between 0 and 1")
