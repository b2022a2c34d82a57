from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from styleadapt.pipelines.restoration import RestorationProgress, RestorationStopped
from styleadapt.ui import live_restoration
from styleadapt.ui.live_restoration import RestorationFinished, RestorationReport, restore_live


@dataclass
class Work:
    """Stands in for a call of the pipeline, in four bands; `before_band` is called with the number of each."""

    before_band: object = lambda band: None
    bands: list[int] = field(default_factory=list)

    def __call__(self, callback):
        for band in range(1, 5):
            self.before_band(band)
            self.bands.append(band)
            callback(RestorationProgress(0, 1, band / 4, band, 4 - band))
        return SimpleNamespace(images=["picture"], levels=[{"noise": 25.0}])


@pytest.fixture(autouse=True)
def every_report(monkeypatch):
    monkeypatch.setattr(live_restoration, "SECONDS_BETWEEN_REPORTS", 0)


def test_reports_come_before_the_picture(tmp_path):
    *reports, last = restore_live(Work(), tmp_path / "stop")
    assert reports == [RestorationReport(4 - band, band / 4) for band in range(1, 5)]
    assert last == RestorationFinished("picture", {"noise": 25.0})


def test_a_stop_file_ends_it_at_the_next_band(tmp_path):
    stop = tmp_path / "stop"
    work = Work(lambda band: stop.touch() if band == 2 else None)
    with pytest.raises(RestorationStopped):
        list(restore_live(work, stop))
    assert work.bands == [1, 2]


def test_it_ends_when_the_visitor_has_gone(tmp_path):
    work = Work()
    with pytest.raises(RestorationStopped):
        list(restore_live(work, tmp_path / "gone" / "stop"))
    assert work.bands == [1]


def test_a_caller_that_closes_the_stream_stops_it(tmp_path):
    stream = restore_live(Work(), tmp_path / "stop")
    next(stream)
    stream.close()
    assert (tmp_path / "stop").exists()
