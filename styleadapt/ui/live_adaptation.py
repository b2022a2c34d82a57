"""Runs an adaptation in a thread, and yields reports of its progress."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from styleadapt.ui.following import Followed, unwanted
from styleadapt.ui.limits import SECONDS_BETWEEN_PREVIEWS, SECONDS_BETWEEN_REPORTS, SECONDS_BETWEEN_TICKS

if TYPE_CHECKING:
    from styleadapt import AdaptationProgress, StyleAdapter, StyleTransferPipeline


@dataclass(frozen=True)
class Report:
    """The progress of an adaptation.

    Parameters:
        step: optimization steps done.
        seconds_left: estimated time left.
        fraction: the part of the budget used, 0 to 1.
        style: distance to the style images at the first measurement and now, lower is better; None before the first.
        content: distance to the photo's structure, likewise.
        preview: the visitor's photo in the style so far; None when the last preview is still fresh.
    """

    step: int
    seconds_left: float
    fraction: float
    style: tuple[float, float] | None = None
    content: tuple[float, float] | None = None
    preview: Image.Image | None = None

    def later(self, seconds: float) -> "Report":
        """This report, `seconds` older: the library reports every few seconds, and a visitor wants to see the time run."""
        part_of_time_left = min(seconds / self.seconds_left, 1) if self.seconds_left > 0 else 1
        return replace(
            self,
            seconds_left=max(self.seconds_left - seconds, 0),
            fraction=self.fraction + (1 - self.fraction) * part_of_time_left,
            preview=None,
        )


@dataclass(frozen=True)
class Finished:
    """The adaptation has ended and its adapter is saved.

    Parameters:
        preview: the visitor's photo through the adapter.
        scores: of the adapter, which `adaptation.health` puts into words.
    """

    preview: Image.Image
    scores: dict[str, float] = field(default_factory=dict)


def adapt_live(
    pipeline: "StyleTransferPipeline",
    styles: list[Image.Image],
    photo: Image.Image,
    seconds: float,
    adapter_file: Path,
    stop_file: Path,
) -> Iterator[Report | Finished]:
    """Adapt a copy of `pipeline` to `styles` for up to `seconds`, report on the way, and save the adapter.

    The adaptation ends early, with its best state so far, once `stop_file` exists. It is dropped when the caller closes the
    stream, and leaves the adapter from before in its place.
    """
    session = pipeline.clone()
    followed: Followed[Report, tuple[StyleAdapter, Image.Image]] = Followed("adaptation", stop_file)
    reporter = _Reporter(photo, stop_file, followed.report)

    def work() -> "tuple[StyleAdapter, Image.Image]":
        return session.adapt(styles, max_seconds=seconds, callback=reporter), session(photo).images[0]

    with contextlib.closing(followed.reports(work)) as reports:
        last = Report(step=0, seconds_left=seconds, fraction=0)
        for report in reports:
            last = report or last.later(SECONDS_BETWEEN_TICKS)
            yield last
    adapter, preview = followed.result
    adapter.save(adapter_file)
    yield Finished(preview, dict(adapter.scores))


class _Reporter:
    """The callback of an adaptation: passes on its progress now and then, and stops it when asked to."""

    def __init__(self, photo: Image.Image, stop_file: Path, report: Callable[[Report], None]):
        self.photo, self.stop_file, self.report = photo, stop_file, report
        self.first: tuple[float, float] | None = None
        self.reported = self.previewed = float("-inf")

    def __call__(self, progress: "AdaptationProgress") -> None:
        if unwanted(self.stop_file):
            progress.stop()
            return
        now = time.monotonic()
        self.first = self.first or (progress.style, progress.content)
        if now - self.reported < SECONDS_BETWEEN_REPORTS:
            return
        self.reported = now
        preview = None
        if now - self.previewed >= SECONDS_BETWEEN_PREVIEWS:
            preview = progress.preview(self.photo)
            self.previewed = time.monotonic()
        self.report(
            Report(
                step=progress.step,
                seconds_left=progress.seconds_left,
                fraction=progress.fraction,
                style=(self.first[0], progress.style),
                content=(self.first[1], progress.content),
                preview=preview,
            )
        )
