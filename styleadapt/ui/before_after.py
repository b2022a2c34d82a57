"""A photo and its picture, one over the other, as every tab with one picture shows them."""

import time
from pathlib import Path

import gradio as gr
from PIL import Image

from styleadapt.data.images import save_image
from styleadapt.ui.limits import PREVIEW_SIDE
from styleadapt.ui.session import Visitor
from styleadapt.ui.uploads import fit


def shown(
    before: Image.Image, after: Image.Image, visitor: Visitor, file: Path, started: float
) -> tuple[tuple[Image.Image, Image.Image], dict, str]:
    """What a tab shows of a picture: both to compare, the one to download as `file`, its size and its time since `started`."""
    note = f"{after.width} × {after.height} px in {time.monotonic() - started:.1f} s"
    visitor.touch()
    # Little compression: on 12 megapixels the default level takes several seconds more.
    save_image(after, file, compress_level=1)
    preview = fit(before, PREVIEW_SIDE), fit(after, PREVIEW_SIDE)
    return preview, gr.update(value=file, interactive=True), note


def before_and_after(elem_id: str) -> gr.ImageSlider:
    """Where a tab shows a photo and its picture, one over the other."""
    return gr.ImageSlider(label="Before and after", elem_id=elem_id, buttons=["fullscreen"], interactive=False, max_height=520)
