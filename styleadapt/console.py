"""Keeps failures of the console from failing a command: output that cannot be printed is dropped, and work goes on."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


@contextlib.contextmanager
def careful_output() -> Iterator[None]:
    """Makes `print` and progress bars safe: they raise nothing, whatever becomes of the terminal. Also a decorator.

    Characters that the console cannot encode are written as escapes (`\\u65e5`). Once a stream cannot be written to, because the
    reader of a pipe has gone or the disk is full, what is still printed to it is dropped.

    >>> with careful_output():
    ...     print("ready")
    ready
    """
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_Careful, streams)  # type: ignore[assignment]  # what is used of a stream is there
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = streams


class _Careful:
    """A text stream that raises nothing. A process without a console has None for one."""

    def __init__(self, stream: TextIO | None):
        self._stream = stream
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        with self._dropping():
            if self._stream is not None:
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._dropping():
            if self._stream is not None:
                self._stream.flush()

    def isatty(self) -> bool:
        return self._stream is not None and not self._stream.closed and self._stream.isatty()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _dropping(self) -> Iterator[None]:
        try:
            yield
        # ValueError: the stream was closed
        except (OSError, ValueError):
            # What waits in the stream's buffer would fail again, at the latest when the interpreter ends.
            with contextlib.suppress(OSError, ValueError, AttributeError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())  # type: ignore[union-attr]
                os.close(nowhere)
