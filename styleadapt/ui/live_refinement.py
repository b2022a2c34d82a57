"""Runs a refinement in a thread, and yields reports of its progress."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from styleadapt.ui.following import Followed, unwanted
from styleadapt.ui.limits import SECONDS_BETWEEN_PREVIEWS, SECONDS_BETWEEN_REPORTS

if TYPE_CHECKING:
    from styleadapt.adaptation.refinement import RefinementProgress


@dataclass(frozen=True)
class RefinementReport:
    """The progress of a refinement.

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
    followed: Followed[RefinementReport, RefinementFinished] = Followed("refinement", stop_file)
    reporter = _Reporter(stop_file, followed.report)
    with contextlib.closing(followed.reports(lambda: RefinementFinished(paint(reporter), reporter.step))) as reports:
        yield from filter(None, reports)
    yield followed.result


class _Reporter:
    """The callback of a refinement: passes on its progress now and then, and stops it when asked to."""

    def __init__(self, stop_file: Path, report: Callable[[RefinementReport], None]):
        self.stop_file, self.report = stop_file, report
        self.step = 0
        self.reported = self.previewed = -math.inf

    def __call__(self, progress: "RefinementProgress") -> None:
        self.step = progress.step
        if unwanted(self.stop_file):
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
        self.report(RefinementReport(progress.step, progress.seconds_left, progress.fraction, preview))
