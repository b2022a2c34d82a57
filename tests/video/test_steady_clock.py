from fractions import Fraction
from types import SimpleNamespace

import pytest

from styleadapt.video.steady_clock import SteadyClock


def times(*packets: tuple[int, float]) -> list[float]:
    """The times, in seconds, that packets of `(stream, seconds)` get."""
    clock, given = SteadyClock(), []
    for stream, seconds in packets:
        ticks = round(seconds * 1000)
        packet = SimpleNamespace(
            pts=ticks, dts=ticks, duration=100, time_base=Fraction(1, 1000), stream=SimpleNamespace(index=stream)
        )
        clock.set(packet)
        assert packet.pts == packet.dts
        given.append(packet.dts / 1000)
    return given


@pytest.mark.parametrize("start", [0, 20_000])
def test_pauses_and_streams_apart_stay_as_they_are(start):
    packets = [(0, start), (1, start + 2), (0, start + 0.1), (0, start + 9), (0, start + 8.5), (0, start + 15), (1, start + 15)]
    assert times(*packets) == [seconds for _, seconds in packets]


def test_pauses_between_pictures_without_sound_stay():
    assert times((0, 0), (0, 15), (0, 30), (0, 0), (0, 15)) == [0, 15, 30, 30.1, 45.1]


@pytest.mark.parametrize("start", [0, 1000])
def test_both_streams_follow_the_one_that_starts_anew_first(start):
    packets = [(0, 5), (1, 5), (0, 5.1), (0, start), (1, 5.1), (0, start + 0.1), (1, start + 0.1), (1, start + 0.2)]
    assert times(*packets) == [5, 5, 5.1, 5.2, 5.1, 5.3, 5.3, 5.4]


def test_sound_that_begins_in_a_later_part_goes_with_its_pictures():
    assert times((0, 5), (0, 5.1), (0, 0), (1, 0.05), (0, 0.1)) == [5, 5.1, 5.2, 5.25, 5.3]


@pytest.mark.parametrize("astray", [0, 8, 5000])
def test_a_single_wrong_time_changes_nothing_for_what_follows(astray):
    packets = [(0, 5), (1, 5), (0, 5.1), (0, astray), (0, 5.3), (1, 5.3), (0, 5.4), (1, 5.4)]
    assert times(*packets)[4:] == [5.3, 5.3, 5.4, 5.4]
