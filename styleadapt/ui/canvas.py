"""Lays out a canvas for painting on a photo, and reads what was painted."""

from typing import Any

import gradio as gr
from gradio.components.image_editor import EditorData
from PIL import Image, ImageChops

from styleadapt.images.images import split_alpha
from styleadapt.ui.errors import plain_errors
from styleadapt.ui.limits import CANVAS_SIDE
from styleadapt.ui.uploads import fit, read_image, read_photo, uploaded_path


def show_canvas(photo: str | None) -> dict[str, Any] | None:
    """The photo, made small, to paint on; nothing without a photo."""
    with plain_errors():
        background = fit(read_photo(photo), CANVAS_SIDE) if photo else None
        return {"background": background, "layers": [], "composite": None}


def painted(layers: list[str] | None) -> Image.Image | None:
    """Read layer files as a mask, white where anything is painted in one of them; None when nothing is painted."""
    region: Image.Image | None = None
    for path in layers or []:
        colors, alpha = split_alpha(read_image(path))
        touched = Image.new("L", colors.size, 255) if alpha is None else alpha.point([0] + 255 * [255])
        region = touched if region is None else ImageChops.lighter(region, touched.resize(region.size))
    return None if region is None or region.getbbox() is None else region


def uploaded_layers(payload: EditorData | None) -> list[str] | None:
    """The paths of an editor's layers, which gradio has stored, unopened."""
    return [path for layer in payload.layers if (path := uploaded_path(layer))] if payload else None


def canvas(label: str, elem_id: str, value: dict[str, Any] | None = None) -> gr.ImageEditor:
    """An editor to paint on an image, `value` or what an event sets; its layers, as files, are what events are given.

    Do not listen to its `change` or `input`, which would send every stroke to the server.
    """
    editor = gr.ImageEditor(
        value=value,  # type: ignore[arg-type]
        label=label,
        elem_id=elem_id,
        sources=(),
        transforms=(),
        layers=False,
        buttons=[],
        brush=gr.Brush(default_size=48, colors=["#e11d8f"], color_mode="fixed"),
        eraser=gr.Eraser(default_size=48),
        canvas_size=(CANVAS_SIDE, CANVAS_SIDE * 3 // 4),
        interactive=True,
    )
    # Gradio's own opens the files without limits.
    editor.preprocess = uploaded_layers  # type: ignore[method-assign, assignment]
    # It keeps in memory, without any limit, what strokes send to it.
    editor.accept_blobs = None  # type: ignore[method-assign, assignment]
    return editor
