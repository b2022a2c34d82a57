"""Formats the progress of an adaptation as HTML: a bar, the time left, and the scores."""

import math

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


def scores_text(scores: dict[str, float]) -> str:
    """One line of Markdown for an adapter's scores."""
    style = _change(scores["style_before"], scores["style_after"])
    content = _change(scores["content_before"], scores["content_after"])
    return f"Distance to the style {style}, to the photo's structure {content}. Lower is better."


def _change(before: float, after: float) -> str:
    return f"{before:.2f} → {after:.2f}"
