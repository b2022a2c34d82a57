import threading

import pytest

from styleadapt import GeneratorAdapter
from styleadapt.ui import live_domain
from styleadapt.ui.live_domain import SHOWN, DomainFinished, DomainReport, domain_live

from ..conftest import stripes
from ..tiny_generation import tiny_generation


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Begins an adaptation of a tiny generator for so many seconds."""
    monkeypatch.setattr(live_domain, "SECONDS_BETWEEN_REPORTS", 0)
    pipeline = tiny_generation(2)

    def begin(seconds: float):
        return domain_live(pipeline, [stripes(32)], seconds, 0, tmp_path / "a.safetensors", tmp_path / "stop")

    return begin


def test_it_tells_how_far_it_is_and_stopping_keeps_what_was_learned(start, tmp_path):
    work = start(600)
    assert next(work) == DomainReport(0, 600, 0)
    seen = []
    for report in work:
        seen.append(report)
        if isinstance(report, DomainReport) and report.step >= 2:
            (tmp_path / "stop").touch()
    *reports, finished = seen
    assert any(report.preview is not None and len(report.preview) == SHOWN for report in reports)
    assert all(0 <= report.fraction <= 1 and report.seconds_left > 0 for report in reports)
    assert isinstance(finished, DomainFinished) and len(finished.preview) == SHOWN and finished.scores
    adapter = GeneratorAdapter.load(tmp_path / "a.safetensors")
    assert adapter.images == 1 and 2 <= adapter.steps < 600


def test_a_caller_who_leaves_stops_it_and_keeps_the_adapter_from_before(start, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"earlier")
    work = start(600)
    next(work), next(work)
    [worker] = [thread for thread in threading.enumerate() if thread.name == "domain"]
    work.close()
    assert (tmp_path / "stop").exists()
    worker.join(timeout=60)
    assert (tmp_path / "a.safetensors").read_bytes() == b"earlier"
