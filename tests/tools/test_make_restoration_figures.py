import re
import runpy
from pathlib import Path

import pytest
from PIL import Image

from ..conftest import smooth_noise
from ..tiny_restoration import tiny_restoration

SCRIPT = runpy.run_path(str(Path(__file__).resolve().parents[2] / "tools" / "make_restoration_figures.py"))


@pytest.fixture
def photos():
    return {f"p{n}": smooth_noise((64, 64), n) for n in range(4)}


def test_the_curve_has_a_point_for_every_fidelity(photos):
    points = SCRIPT["trade_off"](tiny_restoration(), list(photos.values())[:1])
    assert set(points) == {"noise 50", "JPEG quality 10"}
    assert all(len(course) == len(SCRIPT["FIDELITIES"]) == len(set(course)) for course in points.values())
    svg = SCRIPT["curve"](points)
    assert svg.count("<circle") == 10 and svg.count("<polyline") == 2


def test_nearer_is_higher_and_more_distant_is_further_right():
    svg = SCRIPT["curve"]({"noise": [(0.1, 30.0), (0.2, 20.0)]})
    (x, y), (other_x, other_y) = ((float(a), float(b)) for a, b in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', svg))
    assert x < other_x and y < other_y


def test_limits_show_photo_damage_and_result(photos):
    rows = SCRIPT["limits"](tiny_restoration(), photos)
    assert len(rows) == 4
    for (_, photo), (_, damaged), (_, restored) in rows:
        assert photo.size == damaged.size == restored.size == (64, 64)
        assert damaged != photo and restored is not damaged


def test_the_middle_is_taken_at_half_the_size():
    assert SCRIPT["middle"](Image.new("RGB", (1000, 400)), 64).size == (64, 64)
