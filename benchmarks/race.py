"""Times several ways to do the same thing in turns, each in its own process. This module does not import torch."""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection

from styleadapt.devices.memory import own_peak_mb
from styleadapt.errors import StyleAdaptError

Build = Callable[[], Callable[[], object]]
PAUSE = 0.2  # seconds before each call, since the idle threads of the last runtime may spin for a while


class RaceError(StyleAdaptError, RuntimeError):
    """A way that could not be measured, and why, in one line."""


@dataclass(frozen=True)
class Timing:
    """The times that were measured of one way.

    Args:
        seconds: of each counted call, in order.
        peak_mb: most memory in MB that its process ever held, with interpreter and libraries.
    """

    seconds: tuple[float, ...]
    peak_mb: float

    @property
    def median(self) -> float:
        """Median of `seconds`, NaN if no call was counted.

        >>> Timing((3.0, 1.0, 2.0), 50).median
        2.0
        """
        return statistics.median(self.seconds) if self.seconds else float("nan")


def race(ways: Mapping[str, Build], rounds: int, warm_up: int = 2) -> dict[str, Timing | RaceError]:
    """Calls every way once a round, one after the other, so that a noisy minute falls on all.

    Args:
        ways: by name, a function that prepares the way in the new process, untimed, and gives the call to be timed. It is
            pickled: a function of a module, or a `functools.partial` of one.
        rounds: calls of each that are counted.
        warm_up: calls of each before them that are not.

    Returns:
        By name, in the order of `ways`, a `Timing`, or the `RaceError` that says why there is none; the others go on without it.
    """
    runners: dict[str, _Runner] = {}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, Timing | RaceError] = {}

    def ask_all(question: bool | None) -> dict[str, float]:
        answers = {}
        for name in [name for name in ways if name not in found]:
            try:
                answers[name] = runners[name].ask(question)
            except RaceError as error:
                found[name] = error
        return answers

    try:
        for name, build in ways.items():
            runners[name] = _Runner(build)
        ask_all(None)
        for number in range(warm_up + rounds):
            for name, taken in ask_all(True).items():
                if number >= warm_up:
                    seconds[name].append(taken)
        for name, peak in ask_all(False).items():
            found[name] = Timing(tuple(seconds[name]), peak)
    finally:
        for runner in runners.values():
            runner.process.terminate()
    return {name: found[name] for name in ways}


class _Runner:
    """A process that prepares a way and answers: None, when it is prepared, with a number; True with the seconds of a call; False
    with the peak memory, and ends."""

    def __init__(self, build: Build):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_run, args=(build, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def ask(self, question: bool | None) -> float:
        try:
            if question is not None:
                time.sleep(PAUSE)
                self.connection.send(question)
            answer = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode
            raise RaceError(f"its process ended with exit code {code}{', perhaps out of memory' if code == -9 else ''}") from None
        if question is False or isinstance(answer, str):
            # it ends by itself, and cleans up
            self.process.join(10)
        if isinstance(answer, str):
            raise RaceError(answer)
        return answer


def _run(build: Build, connection: Connection) -> None:
    """What a `_Runner` is; a failure is answered with a text."""
    try:
        call = build()
        connection.send(0.0)
        while connection.recv():
            start = time.perf_counter()
            call()
            connection.send(time.perf_counter() - start)
        connection.send(own_peak_mb())
    # every runtime has exceptions of its own
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        connection.send(f"{type(error).__name__}: {reason}")
