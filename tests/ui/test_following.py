import time

import pytest

from styleadapt.ui import following
from styleadapt.ui.following import Followed


@pytest.fixture
def followed(tmp_path):
    return Followed("test", tmp_path / "stop")


def test_reports_come_in_order_and_the_result_is_kept(followed):
    def work():
        followed.report(1)
        followed.report(2)
        return "done"

    assert list(followed.reports(work)) == [1, 2]
    assert followed.result == "done"


def test_an_error_of_the_work_reaches_the_caller(followed):
    def work():
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        list(followed.reports(work))


def test_a_tick_comes_where_no_report_does(followed, monkeypatch):
    monkeypatch.setattr(following, "SECONDS_BETWEEN_TICKS", 0.01)
    assert next(followed.reports(lambda: time.sleep(0.2))) is None


def test_a_closed_stream_asks_the_work_to_stop(followed):
    def work():
        while not followed.stop_file.exists():
            followed.report(1)
            time.sleep(0.01)

    reports = followed.reports(work)
    next(reports)
    reports.close()
    assert followed.stop_file.exists()
