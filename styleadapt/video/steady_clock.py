"""One clock for a file whose own starts anew on the way, as where two recordings were joined."""

import math
from collections import deque
from fractions import Fraction
from typing import Any

# Formats whose packets carry times of a clock, which a joined file or a broadcast sets anew. In others, times lie in an index.
FORMATS_WITH_A_CLOCK = ("mpegts", "mpeg")
# A jump of so many seconds is no pause, nor a mistake of the file's writer.
_BACK, _AHEAD = 1, 10
_KEPT_SHIFTS = 8


class SteadyClock:
    """Moves the times of packets so that they go on where the file's clock starts anew.

    Pictures and sound come there one after the other, and not in the same place of the file. The first to come defines how far
    times are shifted, namely to the end of all that came before; the others follow it, so that they stay together. A single
    packet with a wrong time changes nothing for those after it.

    Attributes:
        restarted: whether the file's clock started anew so far, so that the length that it says is not to be trusted.
    """

    def __init__(self) -> None:
        self.restarted = False
        self._shifts: deque[Fraction] = deque([Fraction(0)], maxlen=_KEPT_SHIFTS)
        self._end = Fraction(0)
        # by stream: the shift in force, that of the packet before, and the times of the last two packets
        self._in_force: dict[int, Fraction] = {}
        self._before: dict[int, Fraction] = {}
        self._times: dict[int, deque[Fraction]] = {}

    def set(self, packet: Any) -> None:
        """Shifts the `pts` and `dts` of a packet; packets come in the order of the file."""
        ticks = packet.pts if packet.dts is None else packet.dts
        if ticks is None:
            return
        base, stream = packet.time_base, packet.stream.index
        shown = (ticks if packet.pts is None else packet.pts) * base
        times = self._times.setdefault(stream, deque(maxlen=2))
        # A stream that begins later goes by the clock of the other.
        in_force = self._in_force.setdefault(stream, next(iter(self._before.values()), Fraction(0)))
        # Of two packets one may be astray.
        earliest = min(times, default=ticks * base + in_force) - _BACK
        # without another stream a long pause cannot be told from a clock that was set ahead
        latest = max(self._end, *times, earliest + _BACK) + _AHEAD if len(self._times) > 1 else math.inf
        possible = (in_force, *reversed(self._shifts))
        shift = next((s for s in possible if earliest <= ticks * base + s <= latest), None)
        if shift is None:
            shift = self._end - shown
            self._shifts.append(shift)
        if shift == self._before.get(stream) != in_force:
            self._in_force[stream] = shift
            self.restarted = True
        self._before[stream] = shift
        times.append(ticks * base + shift)
        self._end = max(self._end, shown + shift + (packet.duration or 0) * base)
        moved = round(shift / base)
        packet.dts = None if packet.dts is None else packet.dts + moved
        packet.pts = None if packet.pts is None else packet.pts + moved
