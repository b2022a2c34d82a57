"""Runs work in a thread, and yields its reports as a stream."""

import contextlib
import queue
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Generic, TypeVar

from styleadapt.ui.limits import SECONDS_BETWEEN_TICKS

R = TypeVar("R")
F = TypeVar("F")


def unwanted(stop_file: Path) -> bool:
    """Whether work should end: its stop file was made, or its folder went with the visitor, and then the work is for nobody."""
    return stop_file.exists() or not stop_file.parent.exists()


class Followed(Generic[R, F]):
    """One piece of work and its news.

    Parameters:
        name: of the thread.
        stop_file: is made when the caller closes the stream; the work looks for it.
    """

    def __init__(self, name: str, stop_file: Path):
        self.name, self.stop_file = name, stop_file
        self.result: F
        self._news: queue.Queue[R | BaseException | None] = queue.Queue()

    def report(self, item: R) -> None:
        """Pass on a report from within the work."""
        self._news.put(item)

    def reports(self, work: Callable[[], F]) -> Generator[R | None, None, None]:
        """Start `work` and yield its reports, and None where none came for a while, until it has ended.

        What `work` returns is then in `result`; what it raises is raised here.
        """

        def run() -> None:
            try:
                self.result = work()
                self._news.put(None)
            except BaseException as error:
                self._news.put(error)

        threading.Thread(target=run, name=self.name, daemon=True).start()
        try:
            while True:
                try:
                    item = self._news.get(timeout=SECONDS_BETWEEN_TICKS)
                except queue.Empty:
                    # A stream is closed between items only.
                    yield None
                    continue
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise item
                yield item
        except GeneratorExit:
            # The caller must not wait here for the thread, which sees the file at its next step, or that its folder is gone.
            with contextlib.suppress(FileNotFoundError):
                self.stop_file.touch()
            raise
