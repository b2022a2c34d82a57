"""Lays out and reads the choice of a stroke size, on every tab that makes pictures."""

import gradio as gr

from styleadapt.pipelines.strokes import AUTO, StrokeSize, read_stroke_size

CHOICES = (
    ("Automatic: alike on photos of any size", AUTO),
    ("0.5 % of the longer side", "0.005"),
    ("1 %", "0.01"),
    ("2 %", "0.02"),
    ("4 %", "0.04"),
    ("8 %", "0.08"),
)


def stroke_size_input(elem_id: str) -> gr.Dropdown:
    """Lay out the choice inside the current blocks. Programs may give other shares than those that it lists."""
    return gr.Dropdown(
        list(CHOICES),
        value=AUTO,
        label="Stroke size",
        info="Of the longer side. Strokes finer than the model draws on the photo's own pixels are not to be had.",
        allow_custom_value=True,
        elem_id=elem_id,
    )


def read_strokes(value: str | float | None) -> StrokeSize:
    """The stroke size that was chosen or written; "auto" if none was. Raises `ValueError` for anything else.

    >>> read_strokes(" 0.02"), read_strokes(0.02), read_strokes(None)
    (0.02, 0.02, 'auto')
    """
    text = "" if value is None else str(value).strip()
    return read_stroke_size(text or AUTO, "the stroke size")
