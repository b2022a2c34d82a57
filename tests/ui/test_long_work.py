import gradio as gr
import pytest

from styleadapt.ui.limits import LONG_WORK
from styleadapt.ui.long_work import LongWork, connect


class Counting(LongWork):
    kept = "what was counted"


@pytest.fixture
def events(studio, visitors) -> Counting:
    return Counting(studio, visitors)


def test_waiting_work_can_be_stopped(events):
    text, run, stop, visitor = events.prepare(None)
    assert "Waiting" in text and not run["interactive"] and stop["interactive"]
    assert "keeping what was counted" in events.stop(visitor)
    with events.running(visitor) as stop_file:
        assert stop_file.exists()
    with events.running(visitor) as stop_file:
        assert not stop_file.exists()
    assert "nothing to stop" in events.stop(visitor)


def test_work_that_the_full_queue_refused_waits_no_more(events):
    *_, visitor = events.prepare(None)
    events.abandon(visitor)
    assert "nothing to stop" in events.stop(visitor)
    events.abandon(None)


def test_without_work_there_is_nothing_to_stop(events, visitor):
    assert "nothing to stop" in events.stop(visitor)
    assert "nothing to stop" in events.stop(None)


def test_only_the_work_is_public_and_it_takes_turns(events):
    with gr.Blocks() as app:
        run, stop, progress, visitor = gr.Button(), gr.Button(), gr.HTML(), gr.State()
        connect(events, lambda: "done", run, stop, progress, "idle", visitor, outputs=progress, api_name="count")
    assert list(app.get_api_info()["named_endpoints"]) == ["/count"]
    [work] = [function for function in app.fns.values() if function.api_name == "count"]
    assert work.concurrency_limit == LONG_WORK["concurrency_limit"] and work.concurrency_id == LONG_WORK["concurrency_id"]
    assert [function.queue for function in app.fns.values() if function is not work] == [False] * 4
