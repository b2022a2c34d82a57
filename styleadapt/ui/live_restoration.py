"""A restoration one can watch: it runs in a thread of its own, and its progress comes out as a stream of reports."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styleadapt.ui.following import Followed, unwanted
from styleadapt.ui.limits import SECONDS_BETWEEN_REPORTS

if TYPE_CHECKING:
    from styleadapt.pipelines.picture_files import PictureResult
    from styleadapt.pipelines.restoration import RestorationProgress


@dataclass(frozen=True)
class RestorationReport:
    """How far the restoration is.

    Parameters:
        seconds_left: estimated time left.
        fraction: the part done, 0 to 1.
    """

    seconds_left: float
    fraction: float


@dataclass(frozen=True)
class RestorationFinished:
    """The photo is restored.

    Parameters:
        picture: the restored photo, in full size.
        levels: the damage that was assumed.
    """

    picture: "PictureResult"
    levels: dict[str, float]


def restore_live(
    restore: Callable[[Callable[["RestorationProgress"], None]], Any], stop_file: Path
) -> Iterator[RestorationReport | RestorationFinished]:
    """Let `restore` work, a call of the pipeline for one photo that is given its callback, and report on the way.

    Once `stop_file` exists or the caller closes the stream, it ends; then `RestorationStopped` is raised here.
    """
    followed: Followed[RestorationReport, RestorationFinished] = Followed("restoration", stop_file)
    reported = time.monotonic()

    def follow(progress: "RestorationProgress") -> None:
        nonlocal reported
        if unwanted(stop_file):
            progress.stop()
        now = time.monotonic()
        if now - reported >= SECONDS_BETWEEN_REPORTS:
            reported = now
            followed.report(RestorationReport(progress.seconds_left, progress.fraction))

    def work() -> RestorationFinished:
        restored = restore(follow)
        return RestorationFinished(restored.images[0], restored.levels[0])

    with contextlib.closing(followed.reports(work)) as reports:
        yield from filter(None, reports)
    yield followed.result
