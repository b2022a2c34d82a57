import runpy
import sys

import numpy as np
import pytest

from ..commands import ROOT


@pytest.fixture
def script(monkeypatch):
    """The names of the script, without running it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    return runpy.run_path(str(ROOT / "benchmarks" / "benchmark_video.py"))


def test_the_ghost_of_a_made_clip_is_the_share_of_the_old_picture(script):
    made = script["MadeClip"]("still", 96, 6)
    film = made.film.astype(float)
    assert made.ghost(made.film, made.film) == 0
    for share in (0.5, 1.0):
        trailing = film.copy()
        for t in range(1, len(film)):
            trailing[t] += share * (trailing[t - 1] - film[t])
        assert made.ghost(made.film, trailing.round().astype(np.uint8)) == pytest.approx(share, abs=0.02)


def test_blurring_stops_at_the_detail_that_is_asked_for(script):
    film = script["MadeClip"]("pan", 96, 2).film
    energy = 0.5 * script["detail"](film)
    assert script["detail"](script["blurred_to"](film, energy)) == pytest.approx(energy, rel=0.05)


def test_the_table_shows_that_flicker_is_at_least_halved(command, tmp_path):
    pytest.importorskip("skimage")
    options = ("--clips", "wander", "--styles", "mosaic", "--width", 128, "--frames", 5, "--threads", 1)
    done = command("benchmark_video", *options, "--sheet", tmp_path / "sheet.png")
    assert done.returncode == 0, done.stderr
    header, row = done.stdout.splitlines()
    figures = dict(zip(header.split(), row.split()))
    assert float(figures["ratio"]) == pytest.approx(float(figures["after"]) / float(figures["before"]), abs=0.05)
    assert float(figures["ratio"]) < 0.6 and float(figures["blurred"]) > 0.8 and float(figures["ghost"]) < 0.2
    assert (tmp_path / "sheet.png").exists()
