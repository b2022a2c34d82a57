"""The model's work for the interface: stylise a photo, adapt to a style, take in an adapter.

Every call works on a copy of the one shared pipeline, so that nothing of a visitor stays in it.
"""

import copy
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from styleadapt.models.device import usable_device
from styleadapt.ui.gpu import FORKS, on_gpu
from styleadapt.ui.limits import MAX_WORK_SIDE
from styleadapt.ui.live_adaptation import Finished, Report, adapt_live

if TYPE_CHECKING:
    from styleadapt import StyleTransferPipeline

ADAPTER_NAME = "visitor"
GPU_SECONDS = 30


def load_packaged() -> "StyleTransferPipeline":
    """The pipeline with the packaged weights. Importing it takes seconds."""
    from styleadapt import StyleTransferPipeline

    return StyleTransferPipeline.from_pretrained()


class Studio:
    """What events call. Images go in and come out as PIL images of the same size.

    Parameters:
        load: makes the pipeline all visitors share, which then moves to the GPU if there is one. It runs in a thread, so that the
            page is there before the model is, and an event that comes early waits.
    """

    def __init__(self, load: Callable[[], "StyleTransferPipeline"] = load_packaged):
        self._loading: Future[_Placed] = Future()
        if FORKS:
            # Only the main thread can place weights on a GPU that is yet to be lent.
            self._loading.set_result(_place(load))
        else:
            self._loading = ThreadPoolExecutor(1, thread_name_prefix="load-pipeline").submit(_place, load)
        self.stylise = on_gpu(self._stylise, duration=GPU_SECONDS)
        self.stylise_adapted = on_gpu(self._stylise_adapted, duration=GPU_SECONDS)
        self.adapt = on_gpu(self._adapt, duration=lambda paintings, photo, seconds, *_: int(seconds) + GPU_SECONDS)

    @property
    def pipeline(self) -> "StyleTransferPipeline":
        """The shared pipeline, which nothing changes, on the GPU if there is one. Raises what loading it raised."""
        return self._loading.result().pipeline

    def first_look(self, photo: Image.Image, painting: Image.Image) -> Image.Image:
        """`photo` in the style of `painting`, on the CPU: for the picture that the page opens with."""
        return _paint(self._loading.result().on_cpu.clone(), photo, 1.0, False, style=[painting])

    def _stylise(self, photo: Image.Image, paintings: list[Image.Image], strength: float, preserve_color: bool) -> Image.Image:
        """`photo` in the style of `paintings`."""
        return _paint(self.pipeline.clone(), photo, strength, preserve_color, style=paintings)

    def _stylise_adapted(
        self, photo: Image.Image, adapter_file: Path, weight: float, strength: float, preserve_color: bool
    ) -> Image.Image:
        """`photo` in the style that the adapter has learnt."""
        session = _with_adapter(self.pipeline, adapter_file)
        session.set_adapters([ADAPTER_NAME], [weight])
        return _paint(session, photo, strength, preserve_color)

    def _adapt(
        self, paintings: list[Image.Image], photo: Image.Image, seconds: float, adapter_file: Path, stop_file: Path
    ) -> Iterator[Report | Finished]:
        """Learn the style of `paintings`; see `adapt_live`."""
        yield from adapt_live(self.pipeline, paintings, photo, seconds, adapter_file, stop_file)

    def check_adapter(self, file: Path) -> None:
        """Raise the library's error when `file` is not an adapter for this pipeline. It takes no GPU."""
        _with_adapter(self._loading.result().on_cpu, file)


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


def _with_adapter(pipeline: "StyleTransferPipeline", file: Path) -> "StyleTransferPipeline":
    session = pipeline.clone()
    session.load_adapter(file, name=ADAPTER_NAME)
    return session


def _paint(
    session: "StyleTransferPipeline",
    photo: Image.Image,
    strength: float,
    preserve_color: bool,
    style: list[Image.Image] | None = None,
) -> Image.Image:
    output = session(photo, style=style, strength=strength, preserve_color=preserve_color, max_size=MAX_WORK_SIDE)
    return output.images[0]
