import threading

import pytest
from PIL import Image

from styleadapt.ui import following, live_adaptation
from styleadapt.ui.live_adaptation import Finished, Report, adapt_live

PHOTO = Image.new("RGB", (30, 20), "white")
PAINTINGS = [Image.new("RGB", (8, 8), "red")]


def _run(pipeline, folder):
    return adapt_live(pipeline, PAINTINGS, PHOTO, 60, folder / "adapter.safetensors", folder / "stop")


def test_reports_come_before_the_adapter(pipeline, tmp_path, monkeypatch):
    monkeypatch.setattr(live_adaptation, "SECONDS_BETWEEN_REPORTS", 0)
    for module in (following, live_adaptation):
        monkeypatch.setattr(module, "SECONDS_BETWEEN_TICKS", 100)
    *reports, finished = _run(pipeline, tmp_path)
    assert [report.step for report in reports] == [1, 2, 3, 4, 5]
    assert all(isinstance(report, Report) for report in reports)
    assert reports[0].preview.size == PHOTO.size
    assert reports[1].preview is None
    assert reports[4].style == (pytest.approx(0.38), pytest.approx(0.3))
    assert isinstance(finished, Finished) and finished.preview.size == PHOTO.size
    assert (tmp_path / "adapter.safetensors").is_file()


def test_the_shared_pipeline_is_left_alone(pipeline, tmp_path):
    list(_run(pipeline, tmp_path))
    assert pipeline.color is None


def test_an_error_in_the_thread_reaches_the_caller(pipeline, tmp_path, monkeypatch):
    monkeypatch.setattr(type(pipeline), "adapt", lambda self, *_, **__: (_ for _ in ()).throw(ValueError("too small")))
    with pytest.raises(ValueError, match="too small"):
        list(_run(pipeline, tmp_path))


@pytest.mark.parametrize("end", ["close", "remove"])
def test_work_ends_when_its_visitor_is_gone(pipeline, tmp_path, end):
    folder = tmp_path / "visit"
    folder.mkdir()
    pipeline.steps = 10**9
    run = _run(pipeline, folder)
    next(run)
    [worker] = [thread for thread in threading.enumerate() if thread.name == "adaptation"]
    if end == "close":
        run.close()
    else:
        folder.rmdir()
    worker.join(timeout=10)
    assert not worker.is_alive()


def test_a_canceled_adaptation_leaves_the_adapter_from_before(pipeline, tmp_path):
    (tmp_path / "adapter.safetensors").write_bytes(b"earlier")
    pipeline.steps = 10**9
    run = _run(pipeline, tmp_path)
    next(run)
    [worker] = [thread for thread in threading.enumerate() if thread.name == "adaptation"]
    run.close()
    worker.join(timeout=10)
    assert (tmp_path / "adapter.safetensors").read_bytes() == b"earlier"


def test_the_time_runs_before_the_first_report_and_between_reports(pipeline, tmp_path, monkeypatch):
    for module in (following, live_adaptation):
        monkeypatch.setattr(module, "SECONDS_BETWEEN_TICKS", 0.01)
    go_on = threading.Event()
    pipeline.on_step = lambda step: step != 2 and go_on.wait(10)
    run = _run(pipeline, tmp_path)
    first, second = next(run), next(run)
    assert first.style is None and first.seconds_left < 60
    assert second.seconds_left < first.seconds_left
    assert second.fraction > first.fraction
    go_on.set()
    assert isinstance(list(run)[-1], Finished)


def test_a_report_never_grows_older_than_its_end():
    report = Report(step=1, seconds_left=2, fraction=0.5, style=(1, 1), content=(1, 1), preview=PHOTO)
    assert report.later(1).seconds_left == 1
    assert report.later(1).fraction == 0.75
    assert report.later(1).preview is None
    assert report.later(5).later(5).seconds_left == 0
    assert report.later(5).later(5).fraction == 1
