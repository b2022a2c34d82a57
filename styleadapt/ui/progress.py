"""Formats the progress of an adaptation as HTML: a bar, the time left, and the scores."""

import html
import math
from collections.abc import Iterable

from styleadapt.ui.limits import clamp
from styleadapt.ui.live_adaptation import Report


def status(text: str) -> str:
    """HTML for a line that screen readers announce: something has begun or ended."""
    return f'<div class="run-status"><p role="status">{text}</p></div>'


def bar(text: str, fraction: float) -> str:
    """HTML for a line above a bar filled to `fraction`. It changes every second, so it is not announced."""
    filled = f'<progress max="1" value="{clamp(fraction, 0, 1, default=0):.3f}" aria-label="Progress"></progress>'
    return f'<div class="run-status"><p>{text}</p>{filled}</div>'


def report_text(report: Report) -> str:
    """One line for a report: "step 120, 34 s left, style 0.41 → 0.30, content 0.56 → 0.52"."""
    time_left = f"{math.ceil(max(report.seconds_left, 0))} s left"
    if report.style is None or report.content is None:
        return f"Preparing, {time_left}"
    return f"Step {report.step}, {time_left}, style {_change(*report.style)}, content {_change(*report.content)}"


def count_text(done: int, count: int, things: str, seconds_left: float | None) -> str:
    """One line for work on many files.

    >>> count_text(3, 12, "photos", 33.4)
    '3 of 12 photos, 34 s left'
    """
    counted = f"{done} of {count} {things}"
    return counted if seconds_left is None else f"{counted}, {math.ceil(seconds_left)} s left"


def set_text(made: str, pictures: int, stopped: bool, skipped: Iterable[tuple[str, str]]) -> str:
    """HTML for the end of work on many files: what was made, and a line with the reason for each file that was skipped."""
    if pictures:
        made += " Download them as one ZIP file."
    if stopped:
        made = f"Stopped. {made}"
    # Names and reasons may quote what a visitor wrote.
    lines = "".join(f"<li>{html.escape(name)}: {html.escape(why)}</li>" for name, why in skipped)
    return status(made) + (f"<p>Skipped:</p><ul>{lines}</ul>" if lines else "")


def scores_text(scores: dict[str, float]) -> str:
    """One line of Markdown for an adapter's scores."""
    style = _change(scores["style_before"], scores["style_after"])
    content = _change(scores["content_before"], scores["content_after"])
    return f"Distance to the style {style}, to the photo's structure {content}. Lower is better."


def _change(before: float, after: float) -> str:
    return f"{before:.2f} → {after:.2f}"
