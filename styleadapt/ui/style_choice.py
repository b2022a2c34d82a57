"""Lays out and reads the choice of style, images or an adapter, on the Batch and Video tabs."""

from pathlib import Path
from typing import NamedTuple

import gradio as gr
from PIL import Image

from styleadapt.ui.examples import example_images, example_strip, fill_from
from styleadapt.ui.look_choice import MY_ADAPTER, STYLE_IMAGES, own_adapter
from styleadapt.ui.session import Visitor
from styleadapt.ui.uploads import StyleFiles, read_styles, styles_input


class StyleChoice(NamedTuple):
    """The chosen style: style images or the file of an adapter. One of the two is None."""

    styles: list[Image.Image] | None
    adapter_file: Path | None


def read_choice(source: str, style: StyleFiles | None, visitor: Visitor) -> StyleChoice:
    """The style that was chosen. Raises `gr.Error` when there is none, `ImageError` for a bad image."""
    if source != MY_ADAPTER:
        return StyleChoice(read_styles(style), None)
    return StyleChoice(None, own_adapter(visitor))


def style_choice(prefix: str) -> tuple[gr.Radio, gr.Gallery]:
    """Lay out the choice inside the current blocks: where the style comes from, and its images with examples.

    Parameters:
        prefix: what the ids of the elements begin with.
    """
    example_styles = example_images("styles")
    with gr.Column(min_width=240) as column:
        styles = styles_input("Style images", f"{prefix}-styles", value=example_styles[:1])
        fill_from(example_strip(example_styles, "Example styles", f"{prefix}-example-styles"), example_styles, styles)
    source = gr.Radio(
        [STYLE_IMAGES, MY_ADAPTER],
        value=STYLE_IMAGES,
        label="Style from",
        info="Make an adapter on the Adapt tab, or load one there.",
        elem_id=f"{prefix}-source",
    )
    source.change(lambda source: gr.update(visible=source != MY_ADAPTER), source, column, queue=False, api_visibility="private")
    return source, styles
