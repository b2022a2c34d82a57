"""The ways are functions of this file, which each process imports: nothing slow is imported here."""

import os
import time
from functools import partial

import pytest

import race as module
from race import RaceError, Timing, race
from styleadapt.devices.memory import own_peak_mb


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch):
    monkeypatch.setattr(module, "PAUSE", 0)


def noting(file, name, seconds):
    """A way that writes down when it is prepared and called."""

    def note():
        with open(file, "a", encoding="utf-8") as log:
            log.write(f"{name} ")
        time.sleep(seconds)

    return note


def holding(megabytes):
    def hold():
        # zeros would be promised alone
        return len(b"x" * (megabytes << 20))

    return hold


def failing_at_once():
    raise ValueError("two\nlines")


def failing_in(call, by):
    left = iter(range(call))

    def count():
        if next(left, None) is None:
            by()

    return count


def raise_memory_error():
    raise MemoryError("no more")


def leave():
    os._exit(7)


def test_ways_take_turns_and_warm_up_is_not_counted(tmp_path):
    file = tmp_path / "log"
    found = race({"a": partial(noting, file, "a", 0.02), "b": partial(noting, file, "b", 0.06)}, rounds=2, warm_up=1)
    assert file.read_text().split() == ["a", "b"] * 3
    assert list(found) == ["a", "b"] and all(len(timing.seconds) == 2 for timing in found.values())
    assert min(found["a"].seconds) >= 0.02 and min(found["b"].seconds) >= 0.06


def test_without_rounds_there_is_the_memory_alone(tmp_path):
    (timing,) = race({"a": partial(noting, tmp_path / "log", "a", 0)}, rounds=0, warm_up=1).values()
    assert (tmp_path / "log").read_text() == "a " and timing.seconds == () and timing.median != timing.median
    assert timing.peak_mb > 5


def test_peak_memory_is_of_the_way_and_of_nobody_else():
    held = b"x" * (200 << 20)
    found = race({"little": partial(holding, 1), "much": partial(holding, 120)}, rounds=1, warm_up=0)
    assert own_peak_mb() > len(held) >> 20
    little, much = (timing.peak_mb for timing in found.values())
    assert little < 150 and 110 < much - little < 130


def test_what_fails_is_named_and_the_others_go_on():
    ways = {
        "at once": failing_at_once,
        "by an error": partial(failing_in, 2, raise_memory_error),
        "by a crash": partial(failing_in, 1, leave),
        "sound": partial(holding, 1),
    }
    found = race(ways, rounds=3, warm_up=1)
    assert list(found) == list(ways)
    assert [str(found[name]) for name in list(ways)[:3]] == [
        "ValueError: two lines",
        "MemoryError: no more",
        "its process ended with exit code 7",
    ]
    assert all(isinstance(found[name], RaceError) for name in list(ways)[:3])
    assert isinstance(found["sound"], Timing) and len(found["sound"].seconds) == 3
