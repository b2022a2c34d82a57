"""Reads the choice of style on the Stylize tab into a `Look`."""

import math
import re
from pathlib import Path

import gradio as gr

from styleadapt.ui.limits import MAX_STYLES, clamp
from styleadapt.ui.session import Visitor
from styleadapt.ui.studio import Look
from styleadapt.ui.uploads import StyleFiles, read_styles

STYLE_IMAGES, MY_ADAPTER, BOTH = "Style images", "My adapter", "Both"


def read_look(
    style: StyleFiles | None,
    source: str,
    adapter_weight: float,
    style_weights: str | None,
    adapter_blend: float,
    visitor: Visitor,
) -> Look:
    """The style that was chosen. Raises `gr.Error` when a part of it is missing or wrong, `ImageError` for a bad image."""
    if source == STYLE_IMAGES:
        styles = read_styles(style)
        return Look(styles, read_style_weights(style_weights, len(styles)))
    if source not in (MY_ADAPTER, BOTH):
        raise gr.Error(f"Choose one of {STYLE_IMAGES}, {MY_ADAPTER}, {BOTH}.", print_exception=False)
    adapter_file = own_adapter(visitor)
    adapter_weight = clamp(adapter_weight, 0, 1.5, default=1)
    if source == MY_ADAPTER:
        return Look(adapter_file=adapter_file, adapter_weight=adapter_weight)
    styles = read_styles(style)
    return Look(
        styles,
        read_style_weights(style_weights, len(styles)),
        adapter_file,
        adapter_weight,
        clamp(adapter_blend, 0, 1, default=0.5),
    )


def own_adapter(visitor: Visitor) -> Path:
    """The file of the visitor's adapter. Raises `gr.Error` when there is none."""
    if not visitor.has_adapter:
        raise gr.Error("There is no adapter yet: make or load one on the Adapt tab.", print_exception=False)
    return visitor.adapter_file


def read_style_weights(text: str | None, styles: int) -> list[float] | None:
    """One number for each of so many style images, from text such as "3, 1"; None for equal parts.

    >>> read_style_weights("3, 1", 2), read_style_weights(" ", 2)
    ([3.0, 1.0], None)
    """
    words = re.split(r"[\s,;:]+", (text or "").strip(" \t,;"))[: MAX_STYLES + 1]
    if words == [""]:
        return None
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) != styles or not all(0 <= number < math.inf for number in numbers) or not sum(numbers) > 0:
        example = ", ".join(["3", *["1"] * (styles - 1)])
        raise gr.Error(
            f"The style weights have to be {styles} numbers, one a style image, such as {example}; or leave them empty.",
            print_exception=False,
        )
    return numbers
