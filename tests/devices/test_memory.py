import math
import sys
from pathlib import Path

from styleadapt.devices.memory import own_peak_mb


def test_a_system_that_does_not_tell_gives_nan(monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda path: False)
    assert own_peak_mb() > 10
    monkeypatch.setitem(sys.modules, "resource", None)
    assert math.isnan(own_peak_mb())
