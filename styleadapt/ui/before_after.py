"""A photo and its picture, one over the other, as every tab with one picture shows them."""

import time
from pathlib import Path

import gradio as gr
from PIL import Image

from styleadapt.data.images import save_image
from styleadapt.data.metadata import ImageMetadata, read_metadata
from styleadapt.ui.limits import PREVIEW_SIDE
from styleadapt.ui.session import Visitor
from styleadapt.ui.uploads import fit


def shown(
    photo: str | None, before: Image.Image, after: Image.Image, visitor: Visitor, file: Path, started: float
) -> tuple[tuple[Image.Image, Image.Image], dict, str]:
    """What a tab shows of a picture: both to compare, the one to download as `file`, its size and its time since `started`.

    The file keeps what that of the photo, at the path `photo`, says beside its pixels, except for where it was taken.
    """
    note = f"{after.width} × {after.height} px in {time.monotonic() - started:.1f} s"
    visitor.touch()
    # Little compression: on 12 megapixels the default level takes several seconds more.
    metadata = read_metadata(photo).without_location() if photo else ImageMetadata()
    save_image(after, file, compress_level=1, **metadata.options(file.suffix, after.size))
    preview = fit(before, PREVIEW_SIDE), fit(after, PREVIEW_SIDE)
    return preview, gr.update(value=file, interactive=True), note


def before_and_after(elem_id: str) -> gr.ImageSlider:
    """Where a tab shows a photo and its picture, one over the other."""
    return gr.ImageSlider(label="Before and after", elem_id=elem_id, buttons=["fullscreen"], interactive=False, max_height=520)
