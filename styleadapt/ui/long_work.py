"""Connects work that takes minutes to the interface: its place in the queue, its Stop button, and the order of events."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from styleadapt.ui.limits import LONG_WORK
from styleadapt.ui.progress import status
from styleadapt.ui.session import Visitor, Visitors
from styleadapt.ui.studio import Studio


class LongWork:
    """Base of the events of such work, without layout. `kept` names what Stop keeps."""

    kept: str

    def __init__(self, studio: Studio, visitors: Visitors):
        self.studio = studio
        self.visitors = visitors

    def prepare(self, visitor: Visitor | None) -> tuple[str, dict, dict, Visitor]:
        """Take the place in the queue: from now on the visitor can stop what is waiting or running."""
        visitor = self.visitors.of(visitor)
        visitor.wait(type(self).__name__)
        return status("Waiting for a free place …"), gr.update(interactive=False), gr.update(interactive=True), visitor

    def abandon(self, visitor: Visitor | None) -> None:
        """The work has failed, perhaps before it began because the queue was full: then it waits no more."""
        if visitor:
            visitor.leave_queue(type(self).__name__)

    @contextlib.contextmanager
    def running(self, visitor: Visitor) -> Iterator[Path]:
        """While the work runs `stop` reaches it: the file that appears here then."""
        stop_file = visitor.begin_run(type(self).__name__)
        try:
            yield stop_file
        finally:
            visitor.end_run(stop_file)

    def stop(self, visitor: Visitor | None) -> str:
        """Ask what is waiting or running to end."""
        if visitor and visitor.stop():
            return status(f"Stopping, and keeping {self.kept} …")
        return status("There is nothing to stop.")


def ready(visitor: Visitor | None) -> tuple[dict, ...]:
    """The buttons after the work: the one that starts it can be pressed again, and Stop cannot."""
    return gr.update(interactive=True), gr.update(interactive=False)


def connect(
    events: LongWork,
    work: Callable,
    run: gr.Button,
    stop: gr.Button,
    progress: gr.HTML,
    idle: str,
    visitor: gr.State,
    place: dict[str, Any] = LONG_WORK,
    free: Callable[[Visitor | None], tuple[dict, ...]] = ready,
    freed: Sequence[gr.Button] = (),
    public_stop: str | None = None,
    **event: Any,
) -> None:
    """Let `run` wait for its turn and do `work`, one visitor's at a time, and `stop` end it.

    Parameters:
        progress: shows how it goes, and `idle` again after an error.
        place: in the queue.
        free, freed: what becomes of `run`, `stop` and further buttons, `freed`, when the work has ended, well or not.
        public_stop: name in the API of the function that stops the work; it is in none if left out.
        event: inputs, outputs and `api_name` of the work.
    """
    aside: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    started = run.click(events.prepare, visitor, [progress, run, stop, visitor], **aside)
    ran = started.then(work, **event, show_progress_on=progress, scroll_to_output=True, **place)
    buttons = [run, stop, *freed]

    def failed(visitor: Visitor | None) -> tuple:
        events.abandon(visitor)
        return idle, *free(visitor)

    # Gradio 6.31 does not call `then` after an error.
    ran.success(free, visitor, buttons, **aside)
    ran.failure(failed, visitor, [progress, *buttons], **aside)
    # A name of its own, since gradio gives "stop" to the first, private or not.
    name = (
        {"api_name": f"stop_{event['api_name']}"}
        if public_stop is None
        else {"api_name": public_stop, "api_visibility": "public"}
    )
    stop.click(events.stop, visitor, progress, **{**aside, **name})
