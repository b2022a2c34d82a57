import math

import pytest

from styleadapt.ui.limits import clamp


@pytest.mark.parametrize(
    ("value", "clamped"),
    [(30, 30), (5, 10), (9000, 300), (-math.inf, 10), (math.inf, 300), (math.nan, 60), (None, 60), ("30", 60)],
)
def test_clamp(value, clamped):
    assert clamp(value, 10, 300, default=60) == clamped
