"""How an adaptation's progress reads: a bar, the time left, and what has been gained."""

import math

from styleadapt.ui.live_adaptation import Report


def status(text: str, fraction: float | None = None) -> str:
    """HTML for one line of `text`, read aloud by screen readers, above a bar filled to `fraction` (no bar for None)."""
    bar = (
        "" if fraction is None else f'<progress max="1" value="{min(max(fraction, 0), 1):.3f}" aria-label="Progress"></progress>'
    )
    return f'<div class="run-status"><p role="status">{text}</p>{bar}</div>'


def report_text(report: Report) -> str:
    """One line for a report: "step 120, 34 s left, style 0.41 → 0.30, content 0.56 → 0.52"."""
    return (
        f"Step {report.step}, {math.ceil(max(report.seconds_left, 0))} s left, "
        f"style {_change(*report.style)}, content {_change(*report.content)}"
    )


def scores_text(scores: dict[str, float]) -> str:
    """One line of Markdown for an adapter's scores."""
    style = _change(scores["style_before"], scores["style_after"])
    content = _change(scores["content_before"], scores["content_after"])
    return f"Distance to the style {style}, to the photo's structure {content}. Lower is better."


def _change(before: float, after: float) -> str:
    return f"{before:.2f} → {after:.2f}"
