import time

import pytest
from PIL import Image

from styleadapt.ui import live_refinement
from styleadapt.ui.live_refinement import RefinementFinished, RefinementReport, refine_live

from .conftest import FakeRefinement

PICTURE = Image.new("RGB", (8, 6), "navy")


@pytest.fixture
def stop_file(tmp_path):
    return tmp_path / "stop"


@pytest.fixture(autouse=True)
def every_step_is_reported(monkeypatch):
    monkeypatch.setattr(live_refinement, "SECONDS_BETWEEN_REPORTS", 0)


def paint(steps: int, pause: float = 0):
    """Work of so many steps, for `refine_live`."""

    def work(callback):
        progress = FakeRefinement(0, steps)
        while progress.step < steps and not progress.stopped:
            time.sleep(pause)
            progress.step += 1
            callback(progress)
        return PICTURE

    return work


def test_steps_are_reported_and_the_picture_comes_last(stop_file):
    *reports, finished = refine_live(paint(4), stop_file)
    assert finished == RefinementFinished(PICTURE, 4)
    assert [report.step for report in reports] == [1, 2, 3, 4]
    assert [report.fraction for report in reports] == [0.25, 0.5, 0.75, 1.0]
    assert reports[0].preview is not None and reports[1].preview is None


def test_stop_keeps_the_picture(stop_file):
    work = refine_live(paint(10_000, 0.001), stop_file)
    assert isinstance(next(work), RefinementReport)
    stop_file.touch()
    *_, finished = work
    assert finished.picture is PICTURE and finished.steps < 10_000


def test_a_caller_who_leaves_stops_the_work(stop_file):
    work = refine_live(paint(10_000, 0.001), stop_file)
    next(work)
    work.close()
    assert stop_file.exists()


def test_an_error_comes_out_at_the_caller(stop_file):
    def fail(callback):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        list(refine_live(fail, stop_file))
