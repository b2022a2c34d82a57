"""Shows a photo and its result one over the other, on every tab that makes one picture."""

import time
from pathlib import Path

import gradio as gr
from PIL import Image

from styleadapt.batch.result_names import result_suffix
from styleadapt.images.metadata import ImageMetadata, read_metadata
from styleadapt.pipelines.picture_files import PictureResult, has_alpha, picture_size, save_picture, viewable
from styleadapt.ui.limits import PREVIEW_SIDE
from styleadapt.ui.session import Visitor
from styleadapt.ui.uploads import fit

KEPT_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def kept_suffix(photo: Path, picture: PictureResult, metadata: ImageMetadata) -> str:
    """The extension of the photo's own format if a browser shows it and it holds the picture, else ".png".

    >>> kept_suffix(Path("cat.JPG"), Image.new("RGB", (4, 3)), ImageMetadata(format="JPEG"))
    '.jpg'
    """
    suffix = result_suffix("keep", metadata, photo.suffix, has_alpha(picture)).lower()
    return suffix if suffix in KEPT_SUFFIXES else ".png"


def shown(
    photo: str | None, before: Image.Image, after: PictureResult, visitor: Visitor, file: Path, started: float
) -> tuple[tuple[Image.Image, Image.Image], dict, str]:
    """Returns what a tab shows of a picture: photo and picture to compare, the one to download as `file`, its size and its time
    since `started`.

    The file keeps what that of the photo, at the path `photo`, says beside its pixels, except for where it was taken.
    """
    width, height = picture_size(after)
    note = f"{width} × {height} px in {time.monotonic() - started:.1f} s"
    visitor.touch()
    # Little compression: on 12 megapixels the default level takes several seconds more.
    metadata = read_metadata(photo).without_location() if photo else ImageMetadata()
    save_picture(after, file, metadata, photo, compress_level=1)
    preview = fit(before, PREVIEW_SIDE), fit(viewable(after), PREVIEW_SIDE)
    return preview, gr.update(value=file, interactive=True), note


def before_and_after(elem_id: str) -> gr.ImageSlider:
    """Lays out the slider that shows a photo and its picture, one over the other."""
    return gr.ImageSlider(label="Before and after", elem_id=elem_id, buttons=["fullscreen"], interactive=False, max_height=520)
