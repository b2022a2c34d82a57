"""A refinement one can watch: it runs in a thread of its own, and its progress comes out as a stream of reports."""

import contextlib
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from styleadapt.ui.limits import SECONDS_BETWEEN_PREVIEWS, SECONDS_BETWEEN_REPORTS

if TYPE_CHECKING:
    from styleadapt.adaptation.refinement import RefinementProgress


@dataclass(frozen=True)
class RefinementReport:
    """How far the refinement is.

    Parameters:
        step: optimization steps done.
        seconds_left: estimated time left.
        fraction: the part of the budget used, 0 to 1.
        preview: the best picture so far, made small; None when the last preview is still fresh.
    """

    step: int
    seconds_left: float
    fraction: float
    preview: Image.Image | None = None


@dataclass(frozen=True)
class RefinementFinished:
    """The refinement has ended, by itself or because it was stopped.

    Parameters:
        picture: the best picture, in full size.
        steps: optimization steps done.
    """

    picture: Image.Image
    steps: int


def refine_live(
    paint: Callable[[Callable[["RefinementProgress"], None]], Image.Image], stop_file: Path
) -> Iterator[RefinementReport | RefinementFinished]:
    """Let `paint` work, which is given the callback of its refinement, and report on the way.

    It ends early, with the best picture so far, once `stop_file` exists or the caller closes the stream.
    """
    news: queue.Queue[RefinementReport | RefinementFinished | BaseException] = queue.Queue()
    reporter = _Reporter(stop_file, news)

    def work() -> None:
        try:
            news.put(RefinementFinished(paint(reporter), reporter.step))
        except BaseException as error:
            news.put(error)

    threading.Thread(target=work, name="refinement", daemon=True).start()
    try:
        while True:
            item = news.get()
            if isinstance(item, BaseException):
                raise item
            yield item
            if isinstance(item, RefinementFinished):
                return
    except GeneratorExit:
        # The caller must not wait here for the thread, which sees the file at its next step, or that its folder is gone.
        with contextlib.suppress(FileNotFoundError):
            stop_file.touch()
        raise


class _Reporter:
    """The callback of a refinement: passes on its progress now and then, and stops it when asked to."""

    def __init__(self, stop_file: Path, news: queue.Queue):
        self.stop_file, self.news = stop_file, news
        self.step = 0
        self.reported = self.previewed = -math.inf

    def __call__(self, progress: "RefinementProgress") -> None:
        self.step = progress.step
        # The folder goes with the visitor, and then the work is for nobody.
        if self.stop_file.exists() or not self.stop_file.parent.exists():
            progress.stop()
            return
        now = time.monotonic()
        if now - self.reported < SECONDS_BETWEEN_REPORTS:
            return
        self.reported = now
        preview = None
        if now - self.previewed >= SECONDS_BETWEEN_PREVIEWS:
            preview = progress.preview()
            self.previewed = now
        self.news.put(RefinementReport(progress.step, progress.seconds_left, progress.fraction, preview))
