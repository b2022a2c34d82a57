"""Adapts a generator to a visitor's images in a thread, and yields reports of its progress."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from styleadapt.ui.following import Followed, unwanted
from styleadapt.ui.limits import SECONDS_BETWEEN_PREVIEWS, SECONDS_BETWEEN_REPORTS

if TYPE_CHECKING:
    from styleadapt import GenerationPipeline, GeneratorAdaptationProgress, GeneratorAdapter

SHOWN = 6


@dataclass(frozen=True)
class DomainReport:
    """How far the adaptation is.

    Parameters:
        step: steps done.
        seconds_left: estimated time left.
        fraction: the part of the time used, 0 to 1.
        preview: pictures of the state so far; None when the last ones are still fresh.
    """

    step: int
    seconds_left: float
    fraction: float
    preview: list[Image.Image] | None = None


@dataclass(frozen=True)
class DomainFinished:
    """The adaptation has ended and its adapter is saved.

    Parameters:
        preview: pictures of the adapted generator.
        scores: of the adapter.
    """

    preview: list[Image.Image]
    scores: dict[str, float] = field(default_factory=dict)


def domain_live(
    pipeline: "GenerationPipeline", images: list[Image.Image], seconds: float, seed: int, adapter_file: Path, stop_file: Path
) -> Iterator[DomainReport | DomainFinished]:
    """Adapt a copy of `pipeline` to `images` for up to `seconds`, report on the way, and save the adapter.

    The adaptation ends early, with what it has learned, once `stop_file` exists. It is dropped when the caller closes the stream,
    and leaves the adapter from before in its place.

    Parameters:
        seed: of the pictures that are shown.
    """
    import torch

    session = pipeline.clone()
    followed: Followed[DomainReport, tuple[GeneratorAdapter, list[Image.Image]]] = Followed("domain", stop_file)
    latents = session.latents(SHOWN, seed)
    labels = torch.arange(SHOWN) % session.num_classes if session.num_classes else None
    reporter = _Reporter(stop_file, followed.report, latents, labels)

    def work() -> "tuple[GeneratorAdapter, list[Image.Image]]":
        adapter = session.adapt(images, max_seconds=seconds, callback=reporter)
        return adapter, session(latents=latents, label=None if labels is None else labels.tolist()).images

    last = DomainReport(0, seconds, 0)
    yield last
    with contextlib.closing(followed.reports(work)) as reports:
        for report in reports:
            yield report or last
            if report is not None:
                last = replace(report, preview=None)
    adapter, preview = followed.result
    adapter.save(adapter_file)
    yield DomainFinished(preview, dict(adapter.scores))


class _Reporter:
    """The callback of an adaptation: passes on its progress now and then, and stops it when asked to."""

    def __init__(self, stop_file: Path, report: Callable[[DomainReport], None], latents, labels):
        self.stop_file, self.report, self.latents, self.labels = stop_file, report, latents, labels
        self.reported = self.previewed = float("-inf")

    def __call__(self, progress: "GeneratorAdaptationProgress") -> None:
        if unwanted(self.stop_file):
            progress.stop()
            return
        now = time.monotonic()
        if now - self.reported < SECONDS_BETWEEN_REPORTS:
            return
        self.reported = now
        preview = None
        if now - self.previewed >= SECONDS_BETWEEN_PREVIEWS:
            preview = progress.preview(self.latents, self.labels)
            self.previewed = time.monotonic()
        self.report(DomainReport(progress.step, progress.seconds_left, progress.fraction, preview))
