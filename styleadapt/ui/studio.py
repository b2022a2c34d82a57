"""Runs the pipelines for the interface: pictures, strips, regions, batches, sets, clips, adaptation and restoration.

Stylizing and restoring leave nothing of a visitor in the shared pipelines. An adapter would, and is worn by a copy.
"""

import copy
import functools
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image

from styleadapt.devices.cpu import configure_cpu
from styleadapt.devices.device import usable_device
from styleadapt.pipelines.strokes import StrokeSize
from styleadapt.ui.gpu import FORKS, on_gpu
from styleadapt.ui.limits import (
    GPU_START_SECONDS,
    MAX_ASSET_PIXELS,
    MAX_PIXELS,
    MAX_VIDEO_FRAMES,
    MAX_WORK_SIDE,
    STRIP_SIDE,
    STRIP_STRENGTHS,
    gpu_seconds,
)
from styleadapt.ui.live_adaptation import Finished, Report, adapt_live
from styleadapt.ui.live_assets import AssetsFinished, AssetsReport, assets_live
from styleadapt.ui.live_batch import BatchFinished, BatchReport, batch_live
from styleadapt.ui.live_domain import DomainFinished, DomainReport, domain_live
from styleadapt.ui.live_refinement import RefinementFinished, RefinementReport, refine_live
from styleadapt.ui.live_restoration import RestorationFinished, RestorationReport, restore_live
from styleadapt.ui.live_video import VideoFinished, VideoReport, video_live
from styleadapt.ui.uploads import fit
from styleadapt.ui.wearing import wearing

if TYPE_CHECKING:
    from styleadapt import GenerationPipeline, RestorationPipeline, StyleTransferPipeline


@dataclass(frozen=True)
class Look:
    """The source of a style: style images, an adapter, or both.

    Parameters:
        styles: the style images; None for the adapter's style alone.
        style_weights: one number a style image; None for equal parts.
        adapter_file: the adapter; None for the style images alone.
        adapter_weight: how far to follow the adapter.
        adapter_blend: with both, how much of the style code is the adapter's, from 0 to 1; the style images have the rest.
    """

    styles: list[Image.Image] | None = None
    style_weights: list[float] | None = None
    adapter_file: Path | None = None
    adapter_weight: float = 1.0
    adapter_blend: float = 0.0


def load_packaged() -> "StyleTransferPipeline":
    """The pipeline with the packaged weights, in bfloat16 where that is faster. Importing it takes seconds."""
    from styleadapt import StyleTransferPipeline

    configure_cpu()
    return StyleTransferPipeline.from_pretrained(dtype="auto")


def load_packaged_restoration() -> "RestorationPipeline":
    """The pipeline of restoration with the packaged weights. Raises `ModelLoadError` where the package has none."""
    from styleadapt import RestorationPipeline

    configure_cpu()
    return RestorationPipeline.from_pretrained()


def load_packaged_generation() -> "GenerationPipeline":
    """The pipeline of generation with the packaged weights. Raises `ModelLoadError` where the package has none."""
    from styleadapt import GenerationPipeline

    configure_cpu()
    return GenerationPipeline.from_pretrained()


class Studio:
    """Runs the models for the events. Images go in and come out as PIL images of the same size.

    Parameters:
        load: makes the pipeline all visitors share, which then moves to the GPU if there is one. It runs in a thread, so that the
            page is there before the model is, and an event that comes early waits.
        load_restoration, load_generation: make the pipelines of restoration and of generation, at their first use: they are
            small.
    """

    def __init__(
        self,
        load: Callable[[], "StyleTransferPipeline"] = load_packaged,
        load_restoration: Callable[[], "RestorationPipeline"] = load_packaged_restoration,
        load_generation: Callable[[], "GenerationPipeline"] = load_packaged_generation,
    ):
        self._load_restoration, self._load_generation = load_restoration, load_generation
        self._loading: Future[_Placed] = Future()
        if FORKS:
            # Only the main thread can place weights on a GPU that is yet to be lent.
            self._loading.set_result(_place(load))
        else:
            self._loading = ThreadPoolExecutor(1, thread_name_prefix="load-pipeline").submit(_place, load)
        self.stylize = on_gpu(self._stylize, duration=lambda photo, *_: gpu_seconds(_megapixels(photo)))
        self.refine = on_gpu(self._refine, duration=_refining_seconds)
        self.strip = on_gpu(self._strip, duration=gpu_seconds(STRIP_SIDE**2 / 1e6, len(STRIP_STRENGTHS)))
        self.regions = on_gpu(
            self._regions, duration=lambda photo, styles, *_: gpu_seconds(_megapixels(photo), passes=len(styles))
        )
        self.adapt = on_gpu(self._adapt, duration=lambda styles, photo, seconds, *_: int(seconds) + 2 * GPU_START_SECONDS)
        self.batch = on_gpu(self._batch, duration=lambda photos, *_: gpu_seconds(MAX_WORK_SIDE**2 / 1e6, len(photos)))
        # small pieces are painted at 16 times their pixels, and a part of them once more before
        self.assets = on_gpu(self._assets, duration=gpu_seconds(MAX_ASSET_PIXELS / 1e6, passes=17))
        self.video = on_gpu(self._video, duration=_video_seconds)
        # of the largest photo: this one alone is given as a file
        self._generate_on_gpu = on_gpu(self._generate, duration=2 * GPU_START_SECONDS)
        self._learn_on_gpu = on_gpu(self._learn_domain, duration=lambda images, seconds, *_: int(seconds) + 2 * GPU_START_SECONDS)
        self._restore_on_gpu = on_gpu(self._restore, duration=gpu_seconds(MAX_PIXELS / 1e6))

    @property
    def pipeline(self) -> "StyleTransferPipeline":
        """The shared pipeline, which nothing changes, on the GPU if there is one. Raises what loading it raised."""
        return self._loading.result().pipeline

    @functools.cached_property
    def restoration(self) -> "RestorationPipeline":
        """The shared pipeline of restoration. Raises what loading it raised."""
        return self._load_restoration()

    @functools.cached_property
    def generation(self) -> "GenerationPipeline":
        """The shared pipeline of generation. Raises what loading it raised."""
        return self._load_generation()

    def first_look(self, photo: Image.Image, painting: Image.Image) -> Image.Image:
        """Paint `photo` in the style of `painting` on the CPU, for the picture that the page opens with."""
        return _paint(self._loading.result().on_cpu, photo, Look([painting]))

    def _stylize(
        self,
        photo: Image.Image,
        look: Look,
        strength: float = 1.0,
        preserve_color: bool = False,
        stroke_size: "StrokeSize" = "auto",
    ) -> Image.Image:
        """`photo` in the style of `look`."""
        options = {"strength": strength, "preserve_color": preserve_color, "stroke_size": stroke_size}
        return _paint(self.pipeline, photo, look, **options)

    def _refine(
        self,
        photo: Image.Image,
        look: Look,
        strength: float,
        preserve_color: bool,
        stroke_size: "StrokeSize",
        seconds: float,
        stop_file: Path,
    ) -> Iterator[RefinementReport | RefinementFinished]:
        """`photo` in the style of `look`, refined for so many seconds; see `refine_live`."""
        options = {"strength": strength, "preserve_color": preserve_color, "stroke_size": stroke_size, "refine": float(seconds)}
        yield from refine_live(
            lambda callback: _paint(self.pipeline, photo, look, **options, refine_callback=callback), stop_file
        )

    def _strip(self, photo: Image.Image, look: Look, preserve_color: bool, stroke_size: "StrokeSize" = "auto") -> Image.Image:
        """`photo`, made small, at each of `STRIP_STRENGTHS`, side by side."""
        session = wearing(self.pipeline, look.adapter_file, look.adapter_weight)
        options = {**_style_options(look), "preserve_color": preserve_color, "stroke_size": stroke_size}
        return session.strength_strip(fit(photo, STRIP_SIDE), strengths=STRIP_STRENGTHS, **options)

    def _regions(
        self,
        photo: Image.Image,
        styles: list[Image.Image],
        masks: list[Image.Image],
        mask_feather: float,
        strength: float,
        preserve_color: bool,
        stroke_size: "StrokeSize" = "auto",
    ) -> Image.Image:
        """`photo` with each style in its mask; one style more than masks takes the rest, which otherwise stays the photo."""
        options = {"mask": masks, "mask_feather": mask_feather, "strength": strength, "preserve_color": preserve_color}
        return _paint(self.pipeline, photo, Look(styles), **options, stroke_size=stroke_size)

    def _adapt(
        self, styles: list[Image.Image], photo: Image.Image, seconds: float, adapter_file: Path, stop_file: Path
    ) -> Iterator[Report | Finished]:
        """Learn the style of `styles`; see `adapt_live`."""
        yield from adapt_live(self.pipeline, styles, photo, seconds, adapter_file, stop_file)

    def _batch(self, *arguments, **options) -> Iterator[BatchReport | BatchFinished]:
        """Stylize many photos; see `batch_live`."""
        yield from batch_live(self.pipeline, *arguments, **options)

    def _assets(self, *arguments, **options) -> Iterator[AssetsReport | AssetsFinished]:
        """Stylize a set of game assets; see `assets_live`."""
        yield from assets_live(self.pipeline, *arguments, **options)

    def _video(self, *arguments, **options) -> Iterator[VideoReport | VideoFinished]:
        """Stylize a clip; see `video_live`."""
        yield from video_live(self.pipeline, *arguments, **options)

    def restore(self, photo: Path, stop_file: Path, **options: Any) -> Iterator[RestorationReport | RestorationFinished]:
        """The photo in a file, restored; see `restore_live`.

        Parameters:
            photo: the file, which is read as it is: no other tab keeps 16 bits, or gray.
            options: of a call of the pipeline: `task`, `level`, `fidelity`, `mask` and `reference`.
        """
        # loaded here, since what is loaded on a borrowed GPU's process goes with it
        _ = self.restoration
        yield from self._restore_on_gpu(photo, stop_file, options)

    def _restore(
        self, photo: Path, stop_file: Path, options: dict[str, Any]
    ) -> Iterator[RestorationReport | RestorationFinished]:
        pipe = self.restoration.to(usable_device())
        yield from restore_live(lambda callback: pipe(photo, **options, callback=callback), stop_file)

    def generate(self, make: str, *arguments: Any, domain: Path | None, weight: float, **options: Any) -> list[Image.Image]:
        """Pictures from noise.

        Parameters:
            make: the method of the pipeline that makes them: "__call__", "mix" or "interpolate".
            arguments, options: of it.
            domain: an adapter of the generator, or None.
            weight: how far to follow it.
        """
        _ = self.generation
        return self._generate_on_gpu(make, arguments, domain, weight, options)

    def _generate(
        self, make: str, arguments: tuple, domain: Path | None, weight: float, options: dict[str, Any]
    ) -> list[Image.Image]:
        session = wearing(self.generation.to(usable_device()), domain, weight)
        return getattr(session, make)(*arguments, **options).images

    def learn_domain(self, *arguments: Any) -> Iterator[DomainReport | DomainFinished]:
        """Adapt the generator to images; see `domain_live`."""
        _ = self.generation
        yield from self._learn_on_gpu(*arguments)

    def _learn_domain(
        self, images: list[Image.Image], seconds: float, *arguments: Any
    ) -> Iterator[DomainReport | DomainFinished]:
        yield from domain_live(self.generation.to(usable_device()), images, seconds, *arguments)

    def check_adapter(self, file: Path) -> dict[str, float]:
        """The scores in an adapter's file. Raises the library's error when it is none for this pipeline. It takes no GPU."""
        from styleadapt.adapters.adapter import StyleAdapter

        adapter = StyleAdapter.load(file)
        self._loading.result().on_cpu.check_adapter(adapter)
        return dict(adapter.scores)


class _Placed(NamedTuple):
    """A pipeline where the work is done, and on the CPU, for calls that borrow no GPU. Without a GPU they are the same."""

    pipeline: "StyleTransferPipeline"
    on_cpu: "StyleTransferPipeline"


def _place(load: Callable[[], "StyleTransferPipeline"]) -> _Placed:
    pipeline = load()
    device = usable_device()
    if device.type == "cpu":
        return _Placed(pipeline, pipeline)
    on_cpu = copy.deepcopy(pipeline)
    return _Placed(pipeline.to(device), on_cpu)


def _style_options(look: Look) -> dict[str, Any]:
    return {"style": look.styles, "style_weights": look.style_weights, "adapter_blend": look.adapter_blend}


def _paint(pipeline: "StyleTransferPipeline", photo: Image.Image, look: Look, **options: Any) -> Image.Image:
    session = wearing(pipeline, look.adapter_file, look.adapter_weight)
    return session(photo, **_style_options(look), max_size=MAX_WORK_SIDE, **options).images[0]


def _video_seconds(source, target, styles, adapter_file, strength, preserve_color, max_size: int, *_) -> int:
    """For a clip of the usual shape and the largest number of frames."""
    return gpu_seconds(max_size**2 * 9 / 16 / 1e6, passes=MAX_VIDEO_FRAMES)


def _refining_seconds(photo, look, strength, preserve_color, stroke_size, seconds: float, *_) -> int:
    return int(seconds) + GPU_START_SECONDS + gpu_seconds(_megapixels(photo))


def _megapixels(photo: Image.Image) -> float:
    """At the size that `photo` is worked at."""
    return photo.width * photo.height * min(1, MAX_WORK_SIDE / max(photo.size)) ** 2 / 1e6
